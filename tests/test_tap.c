// test_tap.c - tests that a process of a test ends with its parent.
//
// So a test that is killed leaves no server behind, not even one that it has
// just started. This program adopts the orphans, so it learns how they end.

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

enum { PATIENCE_S = 300 };

// Runs in a child: calls tap_end_with_parent() while its parent still runs. The
// parent ends when it has received a byte.
_Noreturn static void call_early(pid_t parent, int to_parent)
{
    tap_end_with_parent(parent);
    if (write(to_parent, "", 1) == 1)
        pause();
    _exit(EXIT_FAILURE);
}

// Runs in a child: calls tap_end_with_parent() after its parent has ended.
_Noreturn static void call_late(pid_t parent, int to_parent)
{
    if (write(to_parent, "", 1) != 1)
        _exit(EXIT_FAILURE);
    while (getppid() == parent)
        usleep(1000);
    tap_end_with_parent(parent);
    _exit(EXIT_FAILURE);
}

// Starts a parent, which starts the child, receives a byte, and ends. Returns
// the wait status of the child.
static int status_of_orphan(void (*child)(pid_t parent, int to_parent))
{
    int ends[2], status = 0;
    char byte;
    if (pipe(ends) != 0)
        abort();
    pid_t parent = tap_fork();
    if (parent == 0) {
        pid_t self = getpid();
        if (tap_fork() == 0) {
            alarm(PATIENCE_S);
            child(self, ends[1]);
        }
        _exit(read(ends[0], &byte, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    waitpid(parent, &status, 0);
    if (status == 0)
        wait(&status);
    close(ends[0]);
    close(ends[1]);
    return status;
}

static bool is_killed(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

int main(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    ok(is_killed(status_of_orphan(call_early)),
       "a child is killed when its parent ends");
    ok(is_killed(status_of_orphan(call_late)),
       "a child whose parent has already ended is killed, too");
    return done_testing();
}

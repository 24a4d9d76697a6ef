// keeper.c - ends what the servers under test leave behind.
//
// A server may leave processes: children that outlive it, or a daemon with a
// session of its own. After the test, they would still use a core, or a port.
// So the conversation is three processes, each the parent of the next:
//
//     run      waits; it has the process id that a user or a program signals
//     keeper   is the new parent of each process below it whose parent has
//              ended: see PR_SET_CHILD_SUBREAPER in prctl(2)
//     worker   runs the conversation
//
// When the worker ends, the keeper kills all processes that are left. When
// `run` ends, whatever the cause, the kernel sends SIGTERM to the keeper, which
// then does the same. The keeper has a process group of its own, so that no
// signal to the group of `run` ends it. The worker and the servers stay in the
// group of `run`: Ctrl-C in a terminal ends them, too.

#include "keeper.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tap.h"
#include "resources.h"

static int exit_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Waits until the worker ends, and reaps all other children that end before.
// `signals` are SIGCHLD and SIGTERM, which must be blocked. Returns the
// worker's status, as from waitpid(), or SIGTERM when that signal arrives.
static int await_worker(pid_t worker, const sigset_t *signals)
{
    int status, signo = 0;
    while (sigwait(signals, &signo) == 0 && signo != SIGTERM)
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
            if (pid == worker)
                return status;
    return SIGTERM;
}

// Kills all children of this process. The children of each killed one become
// children of this process, and so are killed next. While processes end, the
// list of children may lack one, so only waitpid() decides that none is left.
static void kill_all(void)
{
    const struct server self = {.pid = getpid()};
    do {
        pid_t child = server_child(&self);
        if (child != 0)
            kill(child, SIGKILL);
    } while (waitpid(-1, NULL, 0) > 0);
}

// Runs in the keeper, a child of the process `run`. Returns in the worker only.
static void keep(pid_t run)
{
    sigset_t signals, old;
    pid_t group = getpgrp(), keeper = getpid();
    setpgid(0, 0);
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, &old);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != run)
        raise(SIGTERM);  // `run` had ended before prctl().
    pid_t worker = tap_fork();
    if (worker == 0) {
        setpgid(0, group);
        sigprocmask(SIG_SETMASK, &old, NULL);
        tap_end_with_parent(keeper);
        return;
    }
    int status = await_worker(worker, &signals);
    kill_all();
    _exit(exit_status(status));
}

void keeper_begin(void)
{
    int status = 0;
    pid_t run = getpid(), keeper = tap_fork();
    if (keeper == 0) {
        keep(run);
        return;
    }
    waitpid(keeper, &status, 0);
    exit(exit_status(status));
}

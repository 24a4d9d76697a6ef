// test_procstat.c - tests the accounting of a process and its descendants.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../client/procstat.h"
#include "tap.h"

enum { BURN_MS = 200, TOUCH_MB = 64 };

static int64_t cpu_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void burn(void)
{
    int64_t until_ms = cpu_ms() + BURN_MS;
    while (cpu_ms() < until_ms)
        ;
}

// Starts a child with two children. Each of the three uses BURN_MS of CPU time.
// Then one grandchild ends; the child and the other grandchild write to `ready`
// and wait. Returns the child.
static pid_t start_tree(int ready)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    if (fork() == 0) {
        burn();
        _exit(0);
    }
    wait(NULL);
    if (fork() == 0) {
        char *memory = mmap(NULL, TOUCH_MB << 20, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(memory, 1, TOUCH_MB << 20);
        burn();
        (void)!write(ready, "x", 1);
        pause();
    }
    burn();
    (void)!write(ready, "x", 1);
    pause();
    _exit(0);
}

static void end_tree(pid_t child)
{
    // The grandchild is reached through the process group, which has no other
    // member than this process and the child.
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    waitpid(child, NULL, 0);
}

// Checks procstat_ask(). A child process answers like the far end of
// --usage-fd.
static void check_another_host(void)
{
    int ends[2];
    struct procstat here, there;
    char request[16] = "";
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        abort();
    procstat_read(getpid(), true, &here);
    pid_t child = fork();
    if (child == 0) {
        ssize_t len = read(ends[1], request, sizeof request - 1);
        dup2(ends[1], STDOUT_FILENO);
        procstat_print(&here);
        fflush(stdout);
        _exit(len != 6 || strcmp(request, "usage\n") != 0);
    }
    close(ends[1]);
    int answer = procstat_ask(ends[0], &there), status;
    waitpid(child, &status, 0);
    ok(answer == 0 && status == 0 && there.processes == 1 &&
           there.threads == 1 && there.pss_kib == here.pss_kib &&
           there.rss_kib == here.rss_kib && there.cpu_s > here.cpu_s - 1e-6 &&
           there.cpu_s < here.cpu_s + 1e-6,
       "the usage that another host tells is the one it has read");
    ok(procstat_ask(ends[0], &there) == -1, "or unknown when it is gone");
    close(ends[0]);
}

int main(void)
{
    int ready[2];
    char byte;
    struct procstat before, after;
    if (pipe(ready) != 0 || (getpgrp() != getpid() && setpgid(0, 0) != 0))
        return 1;
    ok(procstat_read(getpid(), true, &before) == 0 && before.processes == 1 &&
           before.threads == 1,
       "one process, one thread");
    ok(before.rss_kib > 100 && before.pss_kib > 0 &&
           before.pss_kib <= before.rss_kib,
       "its memory: %d KiB resident, %d KiB of its own", (int)before.rss_kib,
       (int)before.pss_kib);
    char name[PROCSTAT_NAME_SIZE];
    ok(procstat_name(getpid(), name) == 0 && strcmp(name, "test_procstat") == 0,
       "its name");

    pid_t child = start_tree(ready[1]);
    for (int i = 0; i < 2; i++)
        (void)!read(ready[0], &byte, 1);
    ok(procstat_read(getpid(), true, &after) == 0 && after.processes == 3,
       "three processes after two forks");
    struct procstat used = after;
    procstat_subtract(&used, &before);
    ok(used.cpu_s > 2.5 * BURN_MS / 1000 && used.cpu_s < 6.0 * BURN_MS / 1000,
       "CPU time of a child, a grandchild and one that has ended (%.2f s)",
       used.cpu_s);
    ok(used.user_ticks > 0 && used.sys_ticks >= 0,
       "divided in user and sys (%.0f and %.0f ticks)", used.user_ticks,
       used.sys_ticks);
    ok(after.rss_kib - before.rss_kib > TOUCH_MB << 10,
       "memory of all of them");
    ok(used.switches > 0, "context switches");
    end_tree(child);

    ok(procstat_read(getpid(), true, &after) == 0 && after.processes == 1,
       "one again when they have ended");
    ok(procstat_read(1 << 30, true, &after) == -1 &&
           procstat_name(1 << 30, name) == -1,
       "no such process");
    procstat_subtract(&before, &used);
    ok(before.cpu_s == 0 && before.switches == 0,
       "nothing becomes negative when a process has ended");
    check_another_host();
    return done_testing();
}

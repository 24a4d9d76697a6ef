// test_procstat.c - the accounting of a process tree, against what we did.

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

// A tree: this process has a child that has a child; each burns its share and
// then waits, but for one more child that ends at once.
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
    // The grandchild is in our process group; it is the only other one there.
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    waitpid(child, NULL, 0);
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
    return done_testing();
}

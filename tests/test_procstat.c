// test_procstat.c - tests the accounting of a process and its descendants.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../client/procstat.h"
#include "tap.h"

enum { BURN_MS = 200, TOUCH_MB = 64 };

// Returns the CPU time of this process, which its own clock shows, and of the
// children that it has waited for, which getrusage() shows.
static double own_cpu_s(void)
{
    struct timespec used;
    struct rusage ended;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    getrusage(RUSAGE_CHILDREN, &ended);
    return (double)(used.tv_sec + ended.ru_utime.tv_sec +
                    ended.ru_stime.tv_sec) +
           (double)used.tv_nsec / 1e9 +
           (double)(ended.ru_utime.tv_usec + ended.ru_stime.tv_usec) / 1e6;
}

static void burn(void)
{
    double until_s = own_cpu_s() + BURN_MS / 1000.0;
    // The loop inside takes user time. Reading the clock may take system time.
    while (own_cpu_s() < until_s)
        for (volatile int i = 0; i < 100000; i++)
            ;
}

static void report_cpu_s(int fd)
{
    double cpu_s = own_cpu_s();
    if (write(fd, &cpu_s, sizeof cpu_s) != sizeof cpu_s)
        abort();
}

// Returns the sum of the CPU times that `count` processes report.
static double sum_of(int fd, int count)
{
    double sum_s = 0, cpu_s;
    for (; count > 0; count--) {
        if (read(fd, &cpu_s, sizeof cpu_s) != sizeof cpu_s)
            abort();
        sum_s += cpu_s;
    }
    return sum_s;
}

// Reports the CPU time of this process before the test measures it, and again
// afterwards: the test has measured once it closes the pipe `measured`.
_Noreturn static void report_twice(int answers, int measured)
{
    char byte;
    report_cpu_s(answers);
    (void)!read(measured, &byte, 1);
    report_cpu_s(answers);
    pause();
    _exit(0);
}

// Starts a child with two children. Each of the three uses BURN_MS of CPU time.
// Then one grandchild ends; the child and the other grandchild report what they
// have used: see report_twice(). Returns the child.
static pid_t start_tree(int answers, const int measured[2])
{
    pid_t child = fork();
    if (child != 0)
        return child;
    close(measured[1]);
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
        report_twice(answers, measured[0]);
    }
    burn();
    report_twice(answers, measured[0]);
}

static void end_tree(pid_t child)
{
    // The signal reaches the grandchild through the process group, which has no
    // other members than this process and the child.
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
       "the usage that another host reports is the one that it has read");
    ok(procstat_ask(ends[0], &there) == -1,
       "after the other host has gone, its usage is unknown");
    close(ends[0]);
}

static void check_one_process(struct procstat *alone)
{
    ok(procstat_read(getpid(), true, alone) == 0 && alone->processes == 1 &&
           alone->threads == 1,
       "this process has one process and one thread");
    ok(alone->rss_kib > 100 && alone->pss_kib > 0 &&
           alone->pss_kib <= alone->rss_kib,
       "the memory is known: %d KiB resident, %d KiB proportional",
       (int)alone->rss_kib, (int)alone->pss_kib);
    char name[PROCSTAT_NAME_SIZE];
    ok(procstat_name(getpid(), name) == 0 && strcmp(name, "test_procstat") == 0,
       "the name of the process is known");
}

// Checks that the CPU time of three processes, one of which has ended, is at
// least what they report before, and at most what they report afterwards. For
// the one that has ended, the kernel rounds user time and system time down to
// whole ticks. Stores what procstat_read() has found in `used`.
static void check_tree(struct procstat *used)
{
    int answers[2], measured[2];
    struct procstat before, after;
    double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);
    if (pipe(answers) != 0 || pipe(measured) != 0)
        abort();
    double most_s = -own_cpu_s();
    procstat_read(getpid(), true, &before);
    double least_s = -own_cpu_s() - 2 * tick_s;

    pid_t child = start_tree(answers[1], measured);
    least_s += sum_of(answers[0], 2) + own_cpu_s();
    ok(procstat_read(getpid(), true, &after) == 0 && after.processes == 3,
       "after the forks, there are three processes");
    most_s += own_cpu_s();
    close(measured[1]);
    most_s += sum_of(answers[0], 2) + 1e-6;  // for rounding
    *used = after;
    procstat_subtract(used, &before);
    ok(used->cpu_s > least_s && used->cpu_s < most_s,
       "the CPU time of all, ended ones too, is right (%.3f s, %.3f to %.3f)",
       used->cpu_s, least_s, most_s);
    ok(used->user_ticks > 0 && used->sys_ticks >= 0,
       "the CPU time is divided into user and system (%.0f and %.0f ticks)",
       used->user_ticks, used->sys_ticks);
    ok(after.rss_kib - before.rss_kib > TOUCH_MB << 10,
       "the memory of all processes is added up");
    ok(used->switches > 0, "context switches are counted");
    end_tree(child);
}

int main(void)
{
    struct procstat alone, used, after;
    if (getpgrp() != getpid() && setpgid(0, 0) != 0)
        return 1;
    check_one_process(&alone);
    check_tree(&used);
    ok(procstat_read(getpid(), true, &after) == 0 && after.processes == 1,
       "when the others have ended, there is one process");
    ok(procstat_read(1 << 30, true, &after) == -1 &&
           procstat_name(1 << 30, (char[PROCSTAT_NAME_SIZE]){0}) == -1,
       "a process that does not exist is an error");
    procstat_subtract(&alone, &used);
    ok(alone.cpu_s == 0 && alone.switches == 0,
       "no difference is negative when a process has ended");
    check_another_host();
    return done_testing();
}

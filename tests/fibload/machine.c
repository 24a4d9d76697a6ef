// machine.c - the CPU time and memory of a run, and the CPU time that other
// programs take from the client.

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tap.h"
#include "client.h"
#include "parts.h"
#include "phrases.h"
#include "record.h"
#include "server.h"

enum { BURN_MS = 10 };

// Uses BURN_MS of CPU time for each request.
static bool burn(struct peer *peer, int i)
{
    int64_t begin_ns = record_cpu_ns();
    int64_t burnt_ns;
    do
        burnt_ns = record_cpu_ns() - begin_ns;
    while (burnt_ns < BURN_MS * 1000000LL);
    record->burnt_ns += burnt_ns;
    return every_tenth_wrong(peer, i);
}

// Checks the CPU time of server and client. In the client's files, user and
// system time are each rounded to a millisecond.
void test_usage(void)
{
    const struct outcome *o = RUN(slow, "-c", "1", "-n", "10", "--grace", "0");
    double wall_s = column(o, "server_wall_s");
    ok(column(o, "processes") == 1 && wall_s >= record_span_s() &&
           wall_s <= column(o, "duration_s"),
       "the server is measured until the last reply");

    o = RUN(burn, "-c", "2", "-n", "10");
    double cpu_s = column(o, "server_user_s") + column(o, "server_sys_s");
    wall_s = column(o, "server_wall_s");
    ok(cpu_s >= (double)record->burnt_ns / 1e9 - 0.001 &&
           cpu_s <= (double)record->cpu_ns / 1e9 + 0.001,
       "the CPU time is what the server used for 10 requests of 10 ms");
    ok(near(column(o, "server_cores") * wall_s, cpu_s, 0.001 + 0.001 * wall_s),
       "the server's cores are its CPU time divided by that time");
    ok(column(o, "replies") == 10 && column(o, "requests") == 9 &&
           near(column(o, "server_cpu_us_per_req") * 10, cpu_s * 1e6, 1100),
       "the CPU time is divided by all replies, wrong ones too");

    // A run with one request shows the cost of starting and ending the client.
    double start_s = RUN(right, "-n", "1")->cpu_s;
    o = RUN(right, "-c", "10", "-n", "10000");
    double client_s = column(o, "client_cpu_share") * column(o, "duration_s");
    double rounding_s = 0.0005 * column(o, "duration_s");
    ok(client_s <= o->cpu_s + rounding_s &&
           client_s >= (o->cpu_s - 2 * start_s) / 2 - rounding_s,
       "the client's CPU time is nearly all that its process has used");
}

// Checks that only CPU time in the measured window counts. Two threads that
// never sleep use CPU time during the whole run, and the window is a third of
// the run.
void test_cpu_time(void)
{
    const struct outcome *o = RUN(right, "-c", "2", "-t", "2", "--spin", "-d",
                                  "100ms", "--warmup", "200ms");
    double cpu_s = column(o, "client_cpu_share") * column(o, "duration_s");
    ok(cpu_s > 0 && cpu_s < 0.9 * o->cpu_s,
       "only CPU time in the window counts: %.2f s of %.2f s", cpu_s, o->cpu_s);
}

static void drop_privileges(void)
{
    enum { NOBODY = 65534 };
    if (setuid(NOBODY) != 0)
        _exit(CLIENT_NOT_PREPARED);
}

// Starts a process that stops itself, so that it uses no CPU time. Returns its
// process id.
static pid_t start_stopped(void)
{
    int status;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        tap_end_with_parent(parent);
        raise(SIGSTOP);
        _exit(EXIT_SUCCESS);
    }
    waitpid(pid, &status, WUNTRACED);
    return pid;
}

// Checks that fibload notices when --server-pid names another process than the
// server.
void test_other_process(void)
{
    char target[16], pid[16];
    pid_t other = start_stopped();
    struct server server = server_start(&(struct script){.answer = right});
    snprintf(target, sizeof target, "%d", server.port);
    snprintf(pid, sizeof pid, "%d", (int)other);
    const struct outcome *o =
        RUN_AT(target, "-f", "10", "-n", "10", "--server-pid", pid);
    ok(o->status == 0 && says(o, SAYS_DID_NOT_SERVE) &&
           !says(o, SAYS_CPU_PER_REQUEST),
       "a process without CPU time is not reported as a server that needs "
       "none");
    server_stop(&server);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
}

// Checks that the client says "unknown" when it may not read the server's
// memory, because the server belongs to another user. Only root can become
// another user.
void test_unreadable_memory(void)
{
    char target[16], pid[16];
    struct server server = server_start(&(struct script){.answer = right});
    snprintf(target, sizeof target, "%d", server.port);
    snprintf(pid, sizeof pid, "%d", (int)server.pid);
    client_prepare = drop_privileges;
    const struct outcome *o =
        RUN_AT(target, "-f", "10", "-n", "10", "--server-pid", pid);
    client_prepare = NULL;
    ok(o->status == CLIENT_NOT_PREPARED || says(o, SAYS_PSS_UNKNOWN),
       "memory that the client may not read is unknown, not 0");
    server_stop(&server);
}

// Returns the first core that this process may run on.
static int first_core(void)
{
    cpu_set_t cores;
    int core = 0;
    sched_getaffinity(0, sizeof cores, &cores);
    while (!CPU_ISSET((size_t)core, &cores))
        core++;
    return core;
}

static pid_t start_busy_loop(int core)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        cpu_set_t cores;
        tap_end_with_parent(parent);
        CPU_ZERO(&cores);
        CPU_SET((size_t)core, &cores);
        sched_setaffinity(0, sizeof cores, &cores);
        for (volatile uint64_t i = 0;; i++)
            continue;
    }
    return pid;
}

void test_other_programs(void)
{
    client_core = first_core();
    pid_t other = start_busy_loop(client_core);
    const struct outcome *o =
        RUN(right, "-c", "1", "-d", "600ms", "--warmup", "0");
    ok(column(o, "others_cores") > 0.1, "another program is noticed");
    ok(column(o, "delay_share") > 0,
       "the time that the client waits for its core is measured");
    ok(column(o, "marked") == 2 && says(o, SAYS_NOISY),
       "beside another program, the verdict is noisy");
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
}

// ---- A client that is stopped

enum { STOP_AT = 5, STOP_MS = 6000 };

// Stops the client for STOP_MS before the reply to request STOP_AT, as Ctrl-Z
// does until `fg`.
static bool stop_for_long(struct peer *peer, int i)
{
    while (record->client == 0)
        sleep_ms(1);
    if (i == STOP_AT) {
        kill(record->client, SIGSTOP);
        sleep_ms(STOP_MS);
        kill(record->client, SIGCONT);
    }
    return reply(peer);
}

// Checks that the client does not mistake its own stop for one of the server.
// The stop is longer than the time after which the client considers a server
// without a connection as gone. After the stop, the client prints at most one
// line of progress for each 100 ms that are left of the window.
void test_stopped_client(void)
{
    enum { WINDOW_MS = 8000, INTERVAL_MS = 100 };
    int lines = 0;
    const struct outcome *o =
        RUN(stop_for_long, "-c", "3", "-R", "50", "-d", "8s", "--warmup", "0",
            "--interval", "100ms", "--grace", "20s");
    for (const char *at = o->err; (at = strstr(at, SAYS_SERVED)) != NULL; at++)
        lines++;
    ok(o->status == 0 && column(o, "gone") == 0,
       "a client that was stopped does not say that the server has gone");
    ok(lines > 0 && lines <= (WINDOW_MS - STOP_MS) / INTERVAL_MS + 1,
       "the client prints one line of progress for the time of its stop: %d in "
       "all",
       lines);
    ok(column(o, "marked") == 2 && says(o, SAYS_STOPPED),
       "after a stop, the verdict is noisy");
}

// command_line.c - runs that cannot start: bad command lines, missing servers.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tap.h"
#include "client.h"
#include "parts.h"
#include "phrases.h"
#include "server.h"

// ---- No server

// Checks that fibload says why it cannot connect. The socket is bound but does
// not listen. So the kernel refuses connections, and no other program can get
// the port.
void test_no_server(void)
{
    char target[32];
    int port;
    int socket = server_bind(&port);
    snprintf(target, sizeof target, "%d", port);
    const struct outcome *o = RUN_AT(target, "-d", "1s");
    ok(refused(o, strerror(ECONNREFUSED)),
       "without a server, status 2 and the reason");
    o = RUN_AT(target, "-n", "10");
    ok(refused(o, strerror(ECONNREFUSED)),
       "without a server, -n gives status 2 and the reason, too");
    close(socket);
}

// Checks that fibload gives up connecting when the listener's queue is full.
// The kernel then ignores new connections instead of refusing them.
void test_full_queue(void)
{
    char target[32];
    int port;
    int queue = server_bind(&port);
    listen(queue, 0);
    snprintf(target, sizeof target, "%d", port);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    for (int i = 0; i < 4; i++)
        (void)!connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
                       (struct sockaddr *)&to, sizeof to);
    const struct outcome *o = RUN_AT(target, "-n", "10");
    ok(refused(o, BECAUSE_TIMEOUT),
       "with a full accept queue, the client gives up after a while");
    close(queue);
}

static bool die_at_fiftieth(struct peer *peer, int i)
{
    if (i == 49)
        _exit(0);
    return reply(peer);
}

// Returns how many requests had an outcome.
static double count_outcomes(const struct outcome *o)
{
    return column(o, "requests") + column(o, "late") + column(o, "wrong") +
           column(o, "error_replies") + column(o, "timeouts") +
           column(o, "lost") + column(o, "unanswered") + column(o, "unsent");
}

void test_gone_server(void)
{
    const struct outcome *o = RUN(die_at_fiftieth, "-n", "1M", "-c", "2");
    ok(o->status == 1 && column(o, "gone") == 1 && says(o, SAYS_GONE),
       "a server that dies ends the run");
    // Two connections may be opened for a request when the server dies.
    o = RUN(die_at_fiftieth, "-R", "200", "-d", "1s", "-c", "2", "--churn",
            "--warmup", "0", "--grace", "1s");
    ok(o->status == 1 && count_outcomes(o) == 200,
       "every request that was due has one outcome, that of a connection that "
       "cannot be opened too: %.0f of 200",
       count_outcomes(o));
}

// ---- Bad options, with a server, so that only the option can be the reason

static void test_descriptors(const char *target)
{
    client_descriptors_max = 64;
    const struct outcome *o = RUN_AT(target, "-c", "1000", "-n", "1");
    ok(o->status == 0,
       "for one request, one connection of a thousand is opened");
    o = RUN_AT(target, "-c", "1000");
    ok(refused(o, BECAUSE_DESCRIPTORS),
       "too few descriptors for all connections: status 2");
    client_descriptors_max = 0;
}

static void test_refused_files(const char *target)
{
    const struct outcome *o = RUN_AT(target, "--csv", "/nonexistent/runs.csv");
    ok(refused(o, "/nonexistent/runs.csv") && o->out[0] == '\0',
       "a CSV file that cannot be created is refused");
    char other[] = TEMPORARY_FILE;
    int file = mkstemp(other);
    (void)!write(file, "a,b\n", 4);
    close(file);
    o = RUN_AT(target, "--csv", other);
    ok(refused(o, BECAUSE_OTHER_COLUMNS),
       "a CSV file with other columns is refused");
    unlink(other);
    o = RUN_AT(target, "--csv", "/dev/null", "-n", "1");
    ok(o->status == 0, "the columns of a device are not compared");
    o = RUN_AT(target, "--json", "/nonexistent/run.json");
    ok(refused(o, "/nonexistent/run.json"),
       "a JSON file that cannot be created is refused");
}

static void test_missing_process(const char *target)
{
    pid_t ended = fork();
    if (ended == 0)
        _exit(0);
    waitpid(ended, NULL, 0);
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)ended);
    const struct outcome *o = RUN_AT(target, "--server-pid", pid);
    ok(refused(o, BECAUSE_NO_PROCESS),
       "a --server-pid without a process is refused");
    o = RUN_AT(target, "--usage-fd", "999");
    ok(refused(o, "--usage-fd"), "a --usage-fd that is not open is refused");
}

// Writes the number of this thread into a pipe, and waits to be cancelled.
static void *be_server(void *ends)
{
    const int *pipe_ends = ends;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    (void)!write(pipe_ends[1], &tid, sizeof tid);
    pause();
    return NULL;
}

static void test_thread_as_server(const char *target)
{
    int ends[2] = {-1, -1};
    char number[16];
    pid_t tid = 0;
    pthread_t thread = 0;
    ok(pipe(ends) == 0 && pthread_create(&thread, NULL, be_server, ends) == 0 &&
           read(ends[0], &tid, sizeof tid) == sizeof tid,
       "there is a thread");
    snprintf(number, sizeof number, "%d", (int)tid);
    const struct outcome *o = RUN_AT(target, "--server-pid", number);
    ok(refused(o, BECAUSE_NO_PROCESS), "a --server-pid of a thread is refused");
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    close(ends[0]);
    close(ends[1]);
}

// An option, a value that it refuses, and the name in the message.
static const char *const bad_values[][3] = {
    {"-c", "0", "--connections"},
    {"-c", "x", "--connections"},
    {"-c", "1e1", "--connections"},
    {"-c", " 1", "--connections"},
    {"-c", "+1", "--connections"},
    {"-c", "1kk", "--connections"},
    {"-f", "94", "--fib"},
    {"-f", "1k", "--fib"},
    {"-d", "0", "--duration"},
    {"-d", "1y", "--duration"},
    {"-d", "0x1s", "--duration"},
    {"-n", "-1", "--requests"},
    {"-n", "1.5", "--requests"},
    {"--timeout", "0", "--timeout"},
    {"-R", "0", "--rate"},
    {"--arrivals", "x", "--arrivals"},
    {"-P", "257", "--pipeline"},
    {"--idle", "k", "--idle"},
    {"--slow", "1k", "--slow"},
    {"--think", "x", "--think"},
    {"--label", "x", "--label"},
    {"--label", "a=\xc3\xa4", "--label"},
    {"--label", "a=b,c", "--label"},
    {"--ramp", "100..200", "--ramp"},
    {"--ramp", "0..200/1s", "--ramp"},
    {"--ramp", "100..200/1y", "--ramp"},
    {"--ramp", "100-200/1s", "--ramp"},
    {"--require", "p98=1ms", "--require"},
    {"--require", "p99=1x", "--require"},
    {"--require", "errors", "--require"},
    {"--require", "errors=0 ", "--require"},
    {"--require", "errors=nan", "--require"},
    {"--find-rate", "p99", "--find-rate"},
    {"--find-rate", "errors=-1", "--find-rate"},
    {"--require", "", "--require"},
    {"--label", "model=", "--label"},
    {"--csv", "", "--csv"},
    {"--csv", "-", "'-'"},
    {"--hist", "-", "'-'"},
    {"--timeline", "-", "'-'"}};

static void test_bad_values(const char *target)
{
    for (size_t i = 0; i < sizeof bad_values / sizeof bad_values[0]; i++) {
        const char *const *bad = bad_values[i];
        const struct outcome *o = RUN_AT(target, bad[0], bad[1]);
        ok(refused(o, bad[2]) && strstr(o->err, bad[1]) != NULL,
           "%s '%s' is refused, by name", bad[0], bad[1]);
    }
}

static void test_bad_command_lines(const char *target)
{
    const struct outcome *o = RUN_AT(target, "-n", "1", "--hogs", "1");
    ok(refused(o, "--hogs with -n needs -d"),
       "hogs with -n but without -d are refused");
    o = RUN_AT(target, "-c", "2", "-t", "3");
    ok(refused(o, "--threads"), "more threads than connections are refused");
    o = RUN_AT(target, "--ramp", "100..200/1s", "-R", "100");
    ok(refused(o, "--ramp"), "a ramp together with -R is refused");
    o = RUN_AT(target, "--ramp", "100..200/10s", "--interval", "10ms");
    ok(refused(o, "--interval") && strstr(o->err, "not '") == NULL,
       "a ramp with too many rows is refused");
    o = RUN_AT(target, "--churn", "-P", "2");
    ok(refused(o, "leave out -P"), "-P together with --churn is refused");
    o = RUN_AT(target, "--usage");
    ok(refused(o, "--usage needs --server-pid"),
       "--usage without --server-pid is refused");
    o = RUN_AT(target, "--label", "requests=1");
    ok(refused(o, "requests"), "a label with the name of a column is refused");
    o = RUN_AT(target, "--label", "round=1", "--label", "round=2");
    ok(refused(o, "round"), "two labels with the same name are refused");
    o = RUN_AT(target, "--nonsense");
    ok(refused(o, "'--nonsense'"), "an unknown option is refused");
    o = RUN_AT("--connections", "-n", "1");
    ok(refused(o, "'--connections'"), "an option without its value is refused");
    o = RUN_AT(target, "--strict=no");
    ok(refused(o, "'--strict=no' takes no value"),
       "a value for an option that takes none is refused");
    o = RUN_AT(target, "-n", "1", "9999");
    ok(refused(o, target), "an argument too many is refused");
    o = RUN_AT("99k", "-n", "1");
    ok(refused(o, "99k"), "a port that is not a number is refused");
}

void test_command_line(void)
{
    char target[32];
    struct server server = server_start(&(struct script){.answer = right});
    snprintf(target, sizeof target, "localhost:%d", server.port);
    const char *port = strchr(target, ':') + 1;
    const struct outcome *o = RUN_AT(target, "-f", "10", "-n", "20");
    ok(o->status == 0,
       "of a host with several addresses, one that answers is used");
    o = RUN_AT(target, "-f", "10", "-n", "40", "-c", "4", "-t", "4");
    ok(o->status == 0, "every thread finds the address that answers");
    o = RUN_AT(port, "-f", "10", "-n", "0.001k");
    ok(refused(o, "--requests"), "a fraction of a request is refused");
    test_descriptors(port);
    test_refused_files(port);
    test_missing_process(port);
    test_thread_as_server(port);
    test_bad_values(port);
    test_bad_command_lines(port);
    server_stop(&server);
}

void test_calibration(void)
{
    const char *arguments[] = {"--calibrate", "-d",   "30ms",
                               "--warmup",    "10ms", NULL};
    const struct outcome *o = client_run(arguments);
    ok(o->status == 0 && says(o, SAYS_MANY_CONNECTIONS) && says(o, SAYS_RATE) &&
           o->err[0] == '\0',
       "--calibrate needs no server");
    client_descriptors_max = 512;
    o = client_run(arguments);
    client_descriptors_max = 0;
    const char *row = strstr(o->out, SAYS_MANY_CONNECTIONS);
    ok(o->status == 0 && row != NULL && says(o, SAYS_RATE) &&
           memmem(row, strcspn(row, "\n"), BECAUSE_DESCRIPTORS,
                  strlen(BECAUSE_DESCRIPTORS)) != NULL,
       "--calibrate says for which row there are too few descriptors");
}

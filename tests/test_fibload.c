// test_fibload.c - the client, against servers that behave in every bad way.
//
//     test_fibload BIN      the folder that has fibload
//
// Each server is a child of this test and does what its script says; then the
// exit status, the row that fibload has written and what it said are looked at.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../client/clock.h"
#include "../client/text.h"
#include "tap.h"

enum { CLIENTS_MAX = 64, OUTPUT_SIZE = 4096 };

static const char *fibload;

// ---- Scripted servers

// What a server does with the i-th request, on descriptor `fd`. Returns false
// to close the connection.
typedef bool behaviour(int fd, int i);

static bool say(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) > 0;
}

static bool right(int fd, int i)
{
    (void)i;
    return say(fd, "fib: 55\n");
}

static bool bare(int fd, int i)
{
    (void)i;
    return say(fd, "55\n");
}

static bool in_pieces(int fd, int i)
{
    (void)i;
    say(fd, "fib:");
    usleep(1000);
    say(fd, " 5");
    usleep(1000);
    return say(fd, "5\n");
}

static bool every_tenth_wrong(int fd, int i)
{
    return say(fd, i % 10 == 9 ? "fib: 56\n" : "fib: 55\n");
}

static bool one_in_a_thousand_wrong(int fd, int i)
{
    return say(fd, i % 1000 == 700 ? "fib: 56\n" : "fib: 55\n");
}

static bool every_tenth_error(int fd, int i)
{
    return say(fd, i % 10 == 9 ? "error: tired\n" : "fib: 55\n");
}

static bool twice(int fd, int i)
{
    (void)i;
    return say(fd, "fib: 55\nfib: 55\n");
}

static bool close_after_third(int fd, int i)
{
    return i % 4 != 3 && say(fd, "fib: 55\n");
}

static bool reset_after_third(int fd, int i)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (i % 4 == 3)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return i % 4 != 3 && say(fd, "fib: 55\n");
}

static bool endless(int fd, int i)
{
    (void)i;
    static char bytes[1 << 16];
    memset(bytes, '5', sizeof bytes);
    return send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) > 0;
}

static bool silent(int fd, int i)
{
    (void)fd, (void)i;
    return true;
}

// What is shared with the servers: the process of the client under test, and
// how long each of the last replies took, in us.
enum { RECORDS_MAX = 50 };

static struct shared {
    volatile pid_t client;
    double took_us[RECORDS_MAX];
} * shared;

static void share(void)
{
    if (shared == NULL)
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static bool slow(int fd, int i)
{
    int64_t begin_ns = clock_now_ns();
    usleep(20000);
    // Before the reply: who has to wait for the processor after it has sent
    // it would record more than any client can have waited.
    shared->took_us[i % RECORDS_MAX] =
        (double)(clock_now_ns() - begin_ns) / CLOCK_NS_PER_US;
    return say(fd, "fib: 55\n");
}

static bool stall_for_a_second(int fd, int i)
{
    if (i == 500)
        usleep(1000000);
    return say(fd, "fib: 55\n");
}

static bool stall_once(int fd, int i)
{
    if (i == 5)
        usleep(300000);
    return say(fd, "fib: 55\n");
}

static bool later(int fd, int i)
{
    (void)i;
    usleep(300000);
    return say(fd, "fib: 55\n");
}

static bool just_late(int fd, int i)
{
    (void)i;
    usleep(105000);
    return say(fd, "fib: 55\n");
}

static bool first_wrong(int fd, int i)
{
    return say(fd, i == 0 ? "fib: 56\n" : "fib: 55\n");
}

static bool die_at_fiftieth(int fd, int i)
{
    if (i == 49)
        _exit(0);
    return say(fd, "fib: 55\n");
}

static bool interrupt_at_tenth(int fd, int i)
{
    while (shared->client == 0)
        usleep(1000);
    if (i == 9)
        kill(shared->client, SIGINT);
    return say(fd, "fib: 55\n");
}

// What a server does with the first line of each connection, "1".
static bool greet(int fd, int i)
{
    (void)i;
    return say(fd, "fib: 1\n");
}

// As one that starts a thread first, and thinks hard about it.
static bool greet_slowly(int fd, int i)
{
    usleep(10000);
    return greet(fd, i);
}

// As one that serves one client after the other.
static bool greet_only_first(int fd, int i)
{
    static int first;
    if (first == 0)
        first = fd;
    return fd != first || greet(fd, i);
}

static behaviour *hello = greet;

// Everybody waits while a hog has its 50 ms.
static bool answer_hog(int fd)
{
    usleep(50000);
    return say(fd, "fib: 6765\n");
}

// Does what the script says for a line, which is the i-th request.
static bool answer(int fd, const char *line, behaviour *behave, int *requests)
{
    if (strncmp(line, "1\n", 2) == 0)
        return hello(fd, 0);
    if (strncmp(line, "20\n", 3) == 0)
        return answer_hog(fd);
    return behave(fd, (*requests)++);
}

// Receives what a client has sent and does what the script says for each line.
// Returns false when the connection is to be closed.
static bool converse(int fd, behaviour *behave, int *requests)
{
    char buf[512], *line = buf;
    ssize_t got = recv(fd, buf, sizeof buf, 0);
    for (char *c = buf; c < buf + got; c++) {
        if (*c != '\n')
            continue;
        if (!answer(fd, line, behave, requests))
            return false;
        line = c + 1;
    }
    return got > 0;
}

_Noreturn static void serve(int listener, behaviour *behave)
{
    struct pollfd fds[CLIENTS_MAX] = {{.fd = listener, .events = POLLIN}};
    nfds_t count = 1;
    int requests = 0;

    for (;;) {
        poll(fds, count, -1);
        if (fds[0].revents != 0 && count < CLIENTS_MAX)
            fds[count++] = (struct pollfd){.fd = accept(listener, NULL, NULL),
                                           .events = POLLIN};
        for (nfds_t i = 1; i < count; i++)
            if (fds[i].revents != 0 &&
                !converse(fds[i].fd, behave, &requests)) {
                close(fds[i].fd);
                fds[i--] = fds[--count];
            }
    }
}

static int listen_anywhere(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(listener, CLIENTS_MAX) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &len) != 0)
        exit(1);
    *port = ntohs(at.sin_port);
    return listener;
}

static pid_t start_server(behaviour *behave, int *port)
{
    int listener = listen_anywhere(port);
    share();
    fflush(stdout);
    pid_t server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener, behave);
    }
    close(listener);
    return server;
}

static void stop_server(pid_t server)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

// ---- Runs of fibload

struct outcome {
    int status;  // of the exit; -1 if it did not get that far
    char out[OUTPUT_SIZE], err[OUTPUT_SIZE];
    char header[OUTPUT_SIZE], row[OUTPUT_SIZE];
};

enum { ARGUMENTS_MAX = 48 };

// Set for the runs that are about them.
static rlim_t descriptors_max = RLIM_INFINITY;
static const char *output_file;

static void take_output(int fd, char *text)
{
    ssize_t len = pread(fd, text, OUTPUT_SIZE - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    close(fd);
}

_Noreturn static void become_fibload(const char **arguments, int out, int err)
{
    const char *all[ARGUMENTS_MAX] = {fibload};
    for (int i = 0; arguments[i] != NULL; i++)
        all[i + 1] = arguments[i];
    if (descriptors_max != RLIM_INFINITY)
        setrlimit(RLIMIT_NOFILE,
                  &(struct rlimit){descriptors_max, descriptors_max});
    dup2(output_file != NULL ? open(output_file, O_WRONLY) : out,
         STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execv(fibload, (char **)(uintptr_t)all);
    _exit(127);
}

// Runs the client with these arguments, the last of which is NULL.
static struct outcome run_client(const char **arguments)
{
    struct outcome outcome = {.status = -1};
    int status = 0;
    int out = memfd_create("out", MFD_CLOEXEC);
    int err = memfd_create("err", MFD_CLOEXEC);

    share();
    fflush(stdout);
    shared->client = 0;
    pid_t pid = fork();
    if (pid == 0)
        become_fibload(arguments, out, err);
    shared->client = pid;
    waitpid(pid, &status, 0);
    if (WIFEXITED(status))
        outcome.status = WEXITSTATUS(status);
    take_output(out, outcome.out);
    take_output(err, outcome.err);
    return outcome;
}

// Adds what is in a CSV file of one row, and removes the file.
static void take_row(struct outcome *outcome, const char *csv)
{
    FILE *file = fopen(csv, "r");
    if (file != NULL) {
        (void)!fgets(outcome->header, OUTPUT_SIZE, file);
        (void)!fgets(outcome->row, OUTPUT_SIZE, file);
        fclose(file);
    }
    unlink(csv);
}

// Runs the client with more arguments against a server of its own.
static struct outcome run(behaviour *behave, const char **arguments)
{
    char csv[] = "/tmp/test_fibload.XXXXXX", target[16], pid[16];
    const char *all[ARGUMENTS_MAX - 1] = {"--csv", csv, "--server-pid", pid};
    int port, count = 4;

    close(mkstemp(csv));
    pid_t server = start_server(behave, &port);
    snprintf(target, sizeof target, "%d", port);
    snprintf(pid, sizeof pid, "%d", (int)server);
    for (int i = 0; arguments[i] != NULL; i++)
        all[count++] = arguments[i];
    all[count] = target;
    struct outcome outcome = run_client(all);
    stop_server(server);
    take_row(&outcome, csv);
    return outcome;
}

// The number in a column, -1 if there is no such column.
static double column(const struct outcome *outcome, const char *name)
{
    const char *header = outcome->header, *row = outcome->row;
    while (strcspn(header, ",\n") != strlen(name) ||
           strncmp(header, name, strlen(name)) != 0) {
        header = strchr(header, ',');
        row = strchr(row, ',');
        if (header == NULL || row == NULL)
            return -1;
        header++;
        row++;
    }
    return strtod(row, NULL);
}

static bool near(double a, double b, double tolerance)
{
    return a - b <= tolerance && b - a <= tolerance;
}

// Where noise is in the way: some attempt has little of it.
enum { ATTEMPTS = 10 };

#define RUN(behave, ...)                                                       \
    run(behave, (const char *[]){"-f", "10", __VA_ARGS__, NULL})

// ---- Checks

static void test_columns(void)
{
    static const char wanted[] =
        "model,connections,idle,n,duration_s,requests,req_per_s,wrong,"
        "error_replies,failed,timeouts,served,p50_us,p90_us,p99_us,p999_us,"
        "max_us,mean_us,jain,server_user_s,server_sys_s,"
        "server_cpu_us_per_req,ctx_switches,processes,threads,rss_kib,pss_kib,"
        "client_cpu_share";
    struct outcome o = RUN(right, "-n", "10", "-c", "2");
    ok(strncmp(o.header, wanted, strlen(wanted)) == 0, "the columns in order");
    o = RUN(right, "-n", "10", "--label", "round=3", "--label", "model=x");
    ok(strncmp(o.header, "round,model,", 12) == 0 &&
           strncmp(o.row, "3,x,", 4) == 0,
       "labels come in front");
}

static void test_good_servers(void)
{
    struct outcome o = RUN(right, "-n", "1000", "-c", "10");
    ok(o.status == 0 && column(&o, "requests") == 1000, "1000 right replies");
    ok(column(&o, "served") == 10 && column(&o, "jain") > 0.5,
       "over 10 connections");
    ok(column(&o, "p50_us") > 0 &&
           column(&o, "p50_us") <= column(&o, "p99_us") &&
           column(&o, "p99_us") <= column(&o, "max_us"),
       "percentiles in order");
    o = RUN(bare, "-n", "100");
    ok(o.status == 0 && column(&o, "requests") == 100, "bare numbers");
    o = RUN(in_pieces, "-n", "20", "-c", "1");
    ok(o.status == 0 && column(&o, "requests") == 20, "replies in pieces");
    o = RUN(right, "-d", "300ms", "-c", "5", "--idle", "20");
    ok(o.status == 0 && column(&o, "idle_connected") == 20 &&
           column(&o, "requests") > 0,
       "20 silent connections beside 5");
    double rate = column(&o, "requests") / column(&o, "duration_s");
    ok(rate / column(&o, "req_per_s") > 0.99 &&
           rate / column(&o, "req_per_s") < 1.01,
       "the rate is requests by duration");
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Asks for 50 replies that the server takes 20 ms for each, and compares the
// latency with its own record. Noise only adds: some attempt has little.
static void test_accuracy(void)
{
    bool above = true, close = false;
    for (int i = 0; i < ATTEMPTS && !close; i++) {
        struct outcome o = RUN(slow, "-n", "50", "-c", "1");
        double p50_us = column(&o, "p50_us"), p99_us = column(&o, "p99_us");
        double *took_us = shared->took_us;
        qsort(took_us, RECORDS_MAX, sizeof *took_us, by_value);
        double median_us = took_us[RECORDS_MAX / 2 - 1];
        double longest_us = took_us[RECORDS_MAX - 1];
        above =
            above && p50_us >= 0.99 * median_us && p99_us >= 0.99 * longest_us;
        close = p50_us <= 1.01 * median_us + 200 &&
                p99_us <= 1.01 * longest_us + 2000;
    }
    ok(above, "no reply is faster than the server's own record of it");
    ok(close, "p50 and p99 are within 1 %% of it, and what the machine adds");
}

static void test_latency(void)
{
    struct outcome o;
    double in_flight = 0;
    // A client that has to wait for the processor has none under way.
    for (int i = 0; i < ATTEMPTS && in_flight < 0.9; i++) {
        o = RUN(slow, "-n", "10", "-c", "1");
        in_flight = column(&o, "in_flight");
    }
    ok(in_flight >= 0.9 && in_flight < 1.1,
       "one request is under way on one connection");
    o = RUN(stall_once, "-n", "100", "-c", "1");
    ok(column(&o, "max_us") >= 300000 && column(&o, "p50_us") < 300000,
       "one of 300 ms is the longest");
}

static void test_bad_servers(void)
{
    struct outcome o = RUN(every_tenth_wrong, "-n", "1000", "-c", "4");
    ok(o.status == 1 && column(&o, "wrong") == 100 &&
           column(&o, "requests") == 900,
       "100 wrong replies of 1000 are counted, and are no requests answered");
    o = RUN(one_in_a_thousand_wrong, "-n", "5000", "-c", "4", "-t", "2", "-P",
            "16");
    ok(o.status == 1 && column(&o, "wrong") == 5 &&
           column(&o, "requests") == 4995,
       "one in a thousand is counted exactly");
    o = RUN(every_tenth_error, "-n", "1000", "-c", "4");
    ok(o.status == 1 && column(&o, "error_replies") == 100 &&
           column(&o, "requests") == 900,
       "so are error replies");
    o = RUN(twice, "-n", "10", "-c", "1");
    ok(o.status == 1 && column(&o, "wrong") > 0, "two replies for one request");
}

static void test_broken_connections(void)
{
    struct outcome o = RUN(close_after_third, "-n", "40", "-c", "1");
    ok(o.status == 1 && column(&o, "failed") == 10 &&
           column(&o, "closed_by_server") == 10 && column(&o, "requests") == 30,
       "connections that are closed instead");
    ok(column(&o, "lost") == 10 &&
           strstr(o.out, "10 requests were lost with their connections") !=
               NULL,
       "and lose their requests");
    o = RUN(reset_after_third, "-n", "40", "-c", "1");
    ok(o.status == 1 && column(&o, "failed") == 10 &&
           strstr(o.out, "the server broke it off (ECONNRESET)") != NULL,
       "or reset, which has a class and a sentence of its own");
    o = RUN(endless, "-n", "5", "-c", "1");
    ok(o.status == 1 && column(&o, "wrong") == 5, "bytes without end");
}

static void test_silent_server(void)
{
    struct outcome o =
        RUN(silent, "-d", "200ms", "--warmup", "0", "--grace", "0", "-c", "3");
    ok(o.status == 1 && column(&o, "served") == 0 &&
           column(&o, "unanswered") == 3 && column(&o, "requests") == 0,
       "no reply at all: three requests unanswered");
    ok(column(&o, "p50_us") >= 150000, "which count with their age");
    o = RUN(silent, "-n", "4", "--timeout", "100ms", "-c", "2");
    ok(o.status == 1 && column(&o, "timeouts") == 4, "or time out");
}

// The first replies are waited for, and what counts is what is in the window.
static void test_window(void)
{
    hello = greet_slowly;
    struct outcome o =
        RUN(right, "-c", "20", "--warmup", "500ms", "-d", "200ms");
    ok(o.status == 0 && column(&o, "served") == 20 &&
           column(&o, "greeted") == 20,
       "20 connections that take 10 ms each to be accepted are all there "
       "before "
       "the warm-up");
    hello = greet_only_first;
    o = RUN(right, "-c", "3", "--warmup", "0", "-d", "100ms", "--grace",
            "200ms");
    ok(o.status == 1 && column(&o, "greeted") == 1 &&
           column(&o, "served") == 1 && column(&o, "unanswered") == 2 &&
           column(&o, "requests") > 0,
       "those that nobody accepts wait, and the load begins without them");
    o = RUN(right, "-c", "3", "-n", "50", "--grace", "0", "--timeout", "1h");
    ok(column(&o, "requests") == 50 && column(&o, "unanswered") == 2,
       "nor do 50 requests wait for their end");
    hello = greet;
    o = RUN(later, "-c", "1", "--warmup", "0", "-d", "100ms", "--grace", "1m");
    ok(o.status == 1 && column(&o, "served") == 0 &&
           column(&o, "requests") == 0 && column(&o, "late") == 1,
       "a reply in the grace is late, its connection not served");
    o = RUN(first_wrong, "-c", "1", "--warmup", "100ms", "-d", "100ms");
    ok(o.status == 1 && column(&o, "wrong") == 1 && column(&o, "requests") > 0,
       "a wrong reply in the warm-up is reported");
    o = RUN(just_late, "-c", "1", "-n", "3", "--timeout", "100ms");
    ok(o.status == 1 && column(&o, "timeouts") == 3 &&
           column(&o, "requests") == 0,
       "replies after the timeout are none");
}

static void test_usage_of_server(void)
{
    struct outcome o = RUN(later, "-c", "1", "-n", "2", "--grace", "0");
    double cpu_s = column(&o, "server_user_s") + column(&o, "server_sys_s");
    double wall_s = column(&o, "server_wall_s");
    ok(column(&o, "processes") == 1 && wall_s >= 0.6 &&
           wall_s <= column(&o, "duration_s") + 0.1,
       "the server's time is that to the last reply");
    ok(near(column(&o, "server_cores") * wall_s, cpu_s, 0.003),
       "its cores are CPU time by that");
    o = RUN(right, "-c", "4", "-d", "300ms");
    cpu_s = column(&o, "server_user_s") + column(&o, "server_sys_s");
    ok(column(&o, "replies") >= column(&o, "requests") && cpu_s > 0 &&
           near(column(&o, "server_cpu_us_per_req") * column(&o, "replies"),
                cpu_s * 1e6, 0.1 * cpu_s * 1e6 + 2000),
       "the CPU time of a request is that by all replies");
}

// ---- Shapes of the load

static void test_pipeline(void)
{
    struct outcome o = RUN(right, "-n", "1000", "-c", "3", "-P", "16");
    ok(o.status == 0 && column(&o, "requests") == 1000 &&
           column(&o, "samples") == 1000 && column(&o, "pipeline") == 16,
       "1000 requests, 16 at once on each connection");
    o = RUN(every_tenth_wrong, "-n", "1000", "-c", "3", "-P", "16");
    ok(column(&o, "wrong") == 100 && column(&o, "requests") == 900,
       "each reply is checked");
    o = RUN(slow, "-n", "40", "-c", "1", "-P", "4");
    ok(column(&o, "p50_us") >= 4 * 20000 * 0.98 &&
           column(&o, "duration_s") >= 40 * 0.02,
       "with four at once each takes the time of four");
    o = RUN(silent, "-d", "200ms", "--warmup", "0", "--grace", "0", "-c", "3",
            "-P", "5");
    ok(column(&o, "unanswered") == 15 && column(&o, "samples") == 15,
       "no reply at all: all 15 requests are unanswered");
    o = RUN(silent, "-n", "8", "--timeout", "100ms", "-c", "2", "-P", "4");
    ok(column(&o, "timeouts") == 8, "or time out");
    o = RUN(right, "-n", "500", "-c", "3", "-P", "16", "-R", "5k");
    ok(o.status == 0 && column(&o, "requests") == 500, "in an open loop too");
}

// More connections than CLIENTS_MAX come: those that leave make room.
static void test_churn(void)
{
    struct outcome o = RUN(right, "-n", "500", "-c", "3", "--churn");
    ok(o.status == 0 && column(&o, "requests") == 500 &&
           column(&o, "connects") == 500 && column(&o, "served") == 3,
       "500 requests on 500 connections, three at once");
    ok(column(&o, "connect_p50_us") > 0 &&
           column(&o, "connect_p50_us") <= column(&o, "connect_max_us") &&
           strstr(o.out, "to connect") != NULL,
       "connecting is shown apart");
    o = RUN(slow, "-n", "20", "-c", "1", "--churn");
    ok(column(&o, "connect_p50_us") < 10000 && column(&o, "p50_us") >= 19800,
       "and is not in the latency");
    o = RUN(right, "-n", "200", "-R", "1k", "-c", "3", "--churn");
    ok(o.status == 0 && column(&o, "requests") == 200 &&
           column(&o, "connects") == 200 && column(&o, "duration_s") > 0.19,
       "at a rate of its own");
    o = RUN(silent, "-n", "4", "--timeout", "100ms", "-c", "2", "--churn");
    ok(o.status == 1 && column(&o, "timeouts") == 4, "no reply: timeouts");
}

// What the threads have counted is added up, once.
static void test_threads(void)
{
    struct outcome o = RUN(right, "-n", "10001", "-c", "7", "-t", "2");
    ok(o.status == 0 && column(&o, "requests") == 10001 &&
           column(&o, "samples") == 10001 && column(&o, "served") == 7 &&
           column(&o, "client_threads") == 2,
       "10001 requests of two threads, each in the histogram");
    o = RUN(right, "-d", "500ms", "-c", "7", "-t", "2");
    double mean = column(&o, "requests") / 7;
    ok(o.status == 0 && column(&o, "served") == 7 &&
           column(&o, "most") >= mean && column(&o, "least") > 0 &&
           column(&o, "least") <= mean && column(&o, "jain") <= 1,
       "fairness is that over all connections");
    o = RUN(every_tenth_wrong, "-n", "1000", "-c", "4", "-t", "3", "-P", "8");
    ok(column(&o, "wrong") == 100 && column(&o, "requests") == 900,
       "each reply is checked");
    o = RUN(right, "-n", "300", "-R", "1k", "-c", "4", "-t", "2");
    ok(o.status == 0 && column(&o, "requests") == 300 &&
           column(&o, "duration_s") >= 0.299,
       "the rate is that of both");
    o = RUN(silent, "-d", "100ms", "--warmup", "0", "--grace", "0", "-c", "5",
            "-t", "2", "--idle", "3");
    ok(column(&o, "unanswered") == 5 && column(&o, "samples") == 5 &&
           column(&o, "idle_connected") == 3,
       "nobody's requests disappear");
}

static void test_think(void)
{
    struct outcome o = RUN(right, "-n", "12", "-c", "2", "--think", "50");
    ok(o.status == 0 && column(&o, "duration_s") >= 0.25 &&
           column(&o, "p50_us") < 50000,
       "six requests each with 50 ms between them, which no latency has");
}

static void test_slow(void)
{
    struct outcome o = RUN(right, "-n", "4", "-c", "2", "--slow", "100");
    ok(o.status == 0 && column(&o, "requests") == 4 &&
           column(&o, "p50_us") >= 90000,
       "three bytes there and eight back take 100 ms at 100 a second");
    ok(column(&o, "arrival_p50_us") < 0.6 * column(&o, "p50_us"),
       "of which the server is not guilty");
}

// ---- Open loop

// 100 requests are due while the server stands still for 300 ms. In a closed
// loop one request sees that; in an open one all that were due meanwhile.
static void test_open_loop(void)
{
    struct outcome o = RUN(right, "-R", "500", "-n", "100", "-c", "4");
    ok(o.status == 0 && column(&o, "requests") == 100 &&
           column(&o, "rate") == 500 && column(&o, "unsent") == 0 &&
           column(&o, "duration_s") >= 99.0 / 500,
       "a hundred requests at 500 a second take 198 ms at least");
    o = RUN(right, "-R", "500", "-d", "400ms", "--warmup", "0", "--arrivals",
            "poisson");
    ok(o.status == 0 && column(&o, "poisson") == 1 &&
           column(&o, "requests") + column(&o, "late") > 120 &&
           column(&o, "requests") + column(&o, "late") < 290,
       "some two hundred in 400 ms if they come at random");
    o = RUN(stall_once, "-n", "200", "-R", "500", "-c", "1");
    ok(o.status == 0 && column(&o, "p50_us") > 10000 &&
           column(&o, "p50_us") > 3 * column(&o, "service_p50_us") &&
           column(&o, "queued") >= 100,
       "what was due while the server stood still waited");
    ok(column(&o, "max_us") >= 290000 && column(&o, "service_max_us") >= 290000,
       "in both views one took 300 ms");
    o = RUN(stall_once, "-n", "200", "-c", "1");
    ok(column(&o, "p90_us") < 100000 &&
           near(column(&o, "p50_us"), column(&o, "service_p50_us"), 0.01),
       "a closed loop has one view, and hides it");
}

// Of 2,000 requests, a millisecond apart, half are due while the server stands
// still for a second; of those sent, four see it.
static void test_stall(void)
{
    struct outcome o =
        RUN(stall_for_a_second, "-n", "2000", "-R", "1k", "-c", "4");
    ok(o.status == 0 && column(&o, "p99_us") >= 900000 &&
           column(&o, "p50_us") <= column(&o, "p99_us") / 2,
       "a second without replies shows in p99 from due time");
    ok(column(&o, "service_p99_us") < column(&o, "p99_us") / 2 &&
           column(&o, "service_max_us") >= 1000000,
       "not in that of the time from sent to reply, where it is the longest");
    o = RUN(stall_for_a_second, "-n", "2000", "-c", "4");
    ok(column(&o, "p99_us") < 500000 && column(&o, "max_us") >= 1000000,
       "nor in a closed loop");
}

// Replies take 20 ms, and one connection asks: 50 a second, when 500 are due.
static void test_overload(void)
{
    struct outcome o = RUN(slow, "-R", "500", "-c", "1", "-d", "400ms",
                           "--warmup", "0", "--grace", "100ms");
    double all = column(&o, "requests") + column(&o, "late") +
                 column(&o, "unanswered") + column(&o, "unsent");
    ok(o.status == 1 && near(all, 200, 1) && column(&o, "unsent") > 100,
       "200 were due in 400 ms: answered, late, unanswered or never sent");
    ok(column(&o, "samples") == all && column(&o, "max_us") >= 400000,
       "all are in the latency, at their age");
    ok(strstr(o.out, "found no free connection") != NULL, "and in the report");
}

// Two hogs take 50 ms each time, and nobody else is served meanwhile.
static void test_hogs(void)
{
    struct outcome o = RUN(right, "-c", "2", "-d", "900ms", "--warmup", "0",
                           "--hogs", "2", "--hog-fib", "20");
    ok(o.status == 0 && column(&o, "hog_requests") >= 2 &&
           column(&o, "hog_unanswered") == 0 &&
           column(&o, "hog_p50_us") >= 50000 * 0.98,
       "hogs have figures of their own");
    ok(column(&o, "rate_during") * 5 < column(&o, "rate_before") &&
           column(&o, "rate_after") > 5 * column(&o, "rate_during"),
       "the stream suffers during, and recovers");
    ok(column(&o, "p99_during_us") > 40000 && column(&o, "during_s") >= 0.3,
       "its latency says so");
    ok(strstr(o.out, "during them") != NULL && strstr(o.out, "hogs") != NULL,
       "and the report");
    bool is_third = false;
    for (int i = 0; i < ATTEMPTS && !is_third; i++) {
        o = RUN(right, "-c", "2", "-d", "600ms", "--warmup", "0");
        is_third = near(column(&o, "during_s"), 0.2, 0.05);
    }
    ok(is_third && column(&o, "rate_during") > 0 && column(&o, "hogs") == 0,
       "without hogs it is the middle third");
}

// The server stops the client just before its reply, and lets it go on 100 ms
// later: that is nothing the server could be blamed for.
static bool stop_client(int fd, int i)
{
    while (shared->client == 0)
        usleep(1000);
    kill(shared->client, SIGSTOP);
    usleep(10000);
    (void)i;
    bool said = say(fd, "fib: 55\n");
    usleep(100000);
    kill(shared->client, SIGCONT);
    return said;
}

static void test_own_share(void)
{
    struct outcome o = RUN(stop_client, "-n", "10", "-c", "1");
    ok(column(&o, "stamped") >= 9 && column(&o, "p50_us") >= 100000 &&
           column(&o, "arrival_p50_us") >= 9000 &&
           column(&o, "arrival_p50_us") < column(&o, "p50_us") - 90000,
       "what a client sleeps over is not in the time until the reply came");
    ok(column(&o, "own_share") > 0.4 &&
           strstr(o.out, "until it arrived here") != NULL,
       "the report says whose latency it is");
}

// Whether the report has the silence of the figures.
static bool says_silence(const struct outcome *o)
{
    char said[128];
    double silence_ns = column(o, "silence_us") * CLOCK_NS_PER_US;
    snprintf(said, sizeof said, "one heard nothing for %s\n",
             text_duration(silence_ns).s);
    return strstr(o->out, said) != NULL;
}

static void test_verdict(void)
{
    struct outcome o = RUN(first_wrong, "-n", "50", "-c", "1");
    ok(column(&o, "marked") == 3 &&
           strstr(o.out, "verdict     incomplete: ") != NULL,
       "a wrong reply costs the verdict");
    o = RUN(first_wrong, "-n", "50", "-c", "1", "--strict");
    ok(o.status == 1, "and with --strict the run");
    o = RUN(stall_once, "-n", "50", "-c", "1");
    ok(column(&o, "silence_us") >= 300000 && says_silence(&o),
       "a connection that hears nothing for 300 ms is noticed");
    ok(column(&o, "others_cores") >= 0 && column(&o, "delay_share") >= 0,
       "so is what others do");
}

static void test_all_together(void)
{
    struct outcome o =
        RUN(right, "-R", "500", "-d", "600ms", "-c", "4", "--churn",
            "--arrivals", "poisson", "--think", "2", "--idle", "5", "--hogs",
            "1", "--hog-fib", "20", "--spin", "-t", "2", "--interval", "100ms",
            "--timeline", "/dev/null", "--hist", "/dev/null", "--json",
            "/dev/null", "--each", "--grace", "20s");
    ok(o.status == 0 && column(&o, "hog_requests") > 0 &&
           column(&o, "connects") > 0 && column(&o, "requests") > 0 &&
           column(&o, "idle_connected") == 5,
       "nearly all options at once");
}

// ---- Files beside the summary

// What a timeline says: lines per outcome, and whether its times are in order.
struct timeline {
    int lines, stream, right, wrong, unanswered;
    bool header, ordered;
};

static void take_line(struct timeline *t, char *line)
{
    char *field[6] = {line};
    for (int i = 1; i < 6; i++) {
        field[i] = field[i - 1] + strcspn(field[i - 1], ",\n");
        *field[i]++ = '\0';
    }
    double due = strtod(field[2], NULL), sent = strtod(field[3], NULL);
    t->lines++;
    t->stream += strcmp(field[1], "stream") == 0;
    t->right += strcmp(field[5], "right\n") == 0;
    t->wrong += strcmp(field[5], "wrong\n") == 0;
    t->unanswered += strcmp(field[5], "unanswered\n") == 0;
    if (due > sent || (field[4][0] != '\0' && sent > strtod(field[4], NULL)))
        t->ordered = false;
}

static struct timeline take_timeline(const char *path)
{
    struct timeline t = {.ordered = true};
    char line[256] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return t;
    (void)!fgets(line, sizeof line, file);
    t.header =
        strcmp(line, "connection,kind,due_ns,sent_ns,done_ns,outcome\n") == 0;
    while (fgets(line, sizeof line, file) != NULL)
        take_line(&t, line);
    fclose(file);
    return t;
}

static void test_timeline(void)
{
    char path[] = "/tmp/test_fibload.XXXXXX";
    close(mkstemp(path));
    struct outcome o =
        RUN(every_tenth_wrong, "-n", "100", "-R", "2k", "--timeline", path);
    struct timeline t = take_timeline(path);
    ok(o.status == 1 && t.header && t.lines == 100 && t.stream == 100,
       "a line for each of 100 requests");
    ok(t.right == 90 && t.wrong == 10 && t.ordered,
       "with what became of it, due before sent before done");
    o = RUN(silent, "-d", "100ms", "--warmup", "0", "--grace", "0", "-c", "3",
            "--timeline", path);
    t = take_timeline(path);
    ok(o.status == 1 && t.lines == 3 && t.unanswered == 3,
       "unanswered ones as well");
    o = RUN(right, "-n", "10", "--timeline", "/dev/full");
    ok(o.status == 1 && strstr(o.err, "/dev/full") != NULL,
       "a full disk is noticed");
    unlink(path);
}

static void test_percentile_table(void)
{
    char path[] = "/tmp/test_fibload.XXXXXX", text[OUTPUT_SIZE];
    int fd = mkstemp(path);
    struct outcome o = RUN(right, "-n", "1000", "--hist", path);
    take_output(fd, text);
    ok(o.status == 0 && strstr(text, "1/(1-Percentile)\n\n") != NULL &&
           strstr(text, "1.000000000000       1000\n#[Mean") != NULL &&
           strstr(text, "Total count    =         1000]") != NULL,
       "a table of percentiles, of all requests");
    unlink(path);
}

// ---- What is said, and where

static void test_output(void)
{
    struct outcome o = RUN(right, "-n", "10", "-c", "1");
    ok(strstr(o.out, "1 connection asks for fib(10)") != NULL &&
           strstr(o.out, "10 right") != NULL && o.err[0] == '\0',
       "a summary on standard output");
    ok(strstr(o.out, "too few") != NULL, "too few samples for percentiles");
    o = RUN(right, "-n", "10", "--json", "-", "--each");
    ok(o.status == 0 && o.out[0] == '{' &&
           strstr(o.out, "\"verdict\": \"") != NULL &&
           strstr(o.out, "\n}\n") != NULL && strstr(o.out, "latency  ") == NULL,
       "JSON has standard output to itself");
    ok(strstr(o.err, "10 right") != NULL && strstr(o.err, "fib(10) 0.") != NULL,
       "the rest is on standard error");
    output_file = "/dev/full";
    o = RUN(right, "-n", "10");
    ok(o.status == 1 && strstr(o.err, strerror(ENOSPC)) != NULL,
       "a full disk is noticed");
    output_file = NULL;
    o = RUN(interrupt_at_tenth, "--warmup", "1h");
    ok(o.status == 1 && strstr(o.out, "interrupted in the warm-up") != NULL &&
           strstr(o.out, "problem") == NULL && column(&o, "interrupted") == 1,
       "interrupted in the warm-up");
    o = RUN(interrupt_at_tenth, "-c", "1", "--warmup", "0", "-d", "1h");
    ok(o.status == 0 && strstr(o.out, "interrupted; measured in") != NULL &&
           column(&o, "requests") > 0,
       "interrupted while measuring: what there is");
}

// Whether the summary fits a terminal.
static bool fits_screen(const struct outcome *o, int lines_max)
{
    int lines = 0;
    size_t widest = 0;
    for (const char *line = o->out; *line != '\0'; lines++) {
        size_t len = strcspn(line, "\n");
        widest = len > widest ? len : widest;
        line += len + 1;
    }
    return lines > 10 && lines <= lines_max && widest <= 80;
}

static void test_screen(void)
{
    struct outcome o = RUN(right, "-d", "300ms", "-R", "1k", "--hogs", "2",
                           "--hog-fib", "20", "--warmup", "100ms", "--churn");
    ok(fits_screen(&o, 24), "a long summary has 24 lines of 80 columns");
    hello = greet_only_first;
    o = RUN(every_tenth_wrong, "-d", "200ms", "-R", "10k", "-c", "50", "--idle",
            "5", "--warmup", "100ms", "--grace", "100ms", "-t", "2");
    ok(column(&o, "unsent") > 0 && column(&o, "wrong") > 0 &&
           fits_screen(&o, 40),
       "one with many problems has 40 at most");
    ok(strchr(o.out, '\033') == NULL, "colours are for terminals alone");
}

// ---- Runs that cannot be

#define RUN_AT(target, ...)                                                    \
    run_at(target, (const char *[]){__VA_ARGS__, NULL, NULL})

// Runs the client against a target; `arguments` has room for it.
static struct outcome run_at(const char *target, const char **arguments)
{
    int count = 0;
    while (arguments[count] != NULL)
        count++;
    arguments[count] = target;
    const char *all[ARGUMENTS_MAX - 1] = {0};
    for (int i = 0; i <= count; i++)
        all[i] = arguments[i];
    return run_client(all);
}

static bool refused(const struct outcome *o, const char *because)
{
    return o->status == 2 && strstr(o->err, because) != NULL &&
           strchr(o->err, '\n') == strrchr(o->err, '\n');
}

static void test_no_server(void)
{
    char target[32];
    int port;
    close(listen_anywhere(&port));  // Nobody is there any more.
    snprintf(target, sizeof target, "%d", port);
    struct outcome o = RUN_AT(target, "-d", "1s");
    ok(refused(&o, "Connection refused"), "no server: status 2, and why");
    o = RUN_AT(target, "-n", "10");
    ok(refused(&o, "Connection refused"), "with -n too");
}

// The kernel takes no more connections than the queue has room for.
static void test_full_queue(void)
{
    char target[32];
    int port;
    int queue = listen_anywhere(&port);
    listen(queue, 0);
    snprintf(target, sizeof target, "%d", port);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    for (int i = 0; i < 4; i++)
        (void)!connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
                       (struct sockaddr *)&to, sizeof to);
    struct outcome o = RUN_AT(target, "-n", "10");
    ok(refused(&o, "timed out"), "with a full queue: given up after a while");
    close(queue);
}

static void test_gone_server(void)
{
    struct outcome o = RUN(die_at_fiftieth, "-n", "1M", "-c", "2");
    ok(o.status == 1 && column(&o, "gone") == 1 &&
           strstr(o.out, "the server has gone") != NULL,
       "a server that dies ends the run");
}

static void test_descriptors(const char *target)
{
    descriptors_max = 64;
    struct outcome o = RUN_AT(target, "-c", "1000", "-n", "1");
    ok(o.status == 0, "a thousand connections for one request are one");
    o = RUN_AT(target, "-c", "1000");
    ok(refused(&o, "descriptors"), "too few descriptors for all: status 2");
    descriptors_max = RLIM_INFINITY;
}

static void test_files(const char *target)
{
    struct outcome o = RUN_AT(target, "--csv", "/nonexistent/runs.csv");
    ok(refused(&o, "/nonexistent/runs.csv") && o.out[0] == '\0',
       "a CSV file that cannot be made");
    char other[] = "/tmp/test_fibload.XXXXXX";
    int file = mkstemp(other);
    (void)!write(file, "a,b\n", 4);
    close(file);
    o = RUN_AT(target, "--csv", other);
    ok(refused(&o, "other columns"), "or has other columns");
    unlink(other);
    o = RUN_AT(target, "--csv", "/dev/null", "-n", "1");
    ok(o.status == 0, "a device is no file to compare with");
    o = RUN_AT(target, "--json", "/nonexistent/run.json");
    ok(refused(&o, "/nonexistent/run.json"), "a JSON file that cannot be made");
}

static void test_server_that_is_none(const char *target)
{
    pid_t ended = fork();
    if (ended == 0)
        _exit(0);
    waitpid(ended, NULL, 0);
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)ended);
    struct outcome o = RUN_AT(target, "--server-pid", pid);
    ok(refused(&o, "no process"), "a server that is no process");
}

// With a server there, so that nothing but the option can be the reason.
static void test_bad_command_lines(const char *target)
{
    static const char *const bad[][3] = {{"-c", "0", "--connections"},
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
                                         {"--slow", "1k", "--slow"},
                                         {"--think", "x", "--think"},
                                         {"--label", "x", "--label"},
                                         {"--label", "a=\xc3\xa4", "--label"},
                                         {"--label", "a=b,c", "--label"}};
    int count = sizeof bad / sizeof bad[0];
    for (int i = 0; i < count; i++) {
        struct outcome o = RUN_AT(target, bad[i][0], bad[i][1]);
        ok(refused(&o, bad[i][2]) && strstr(o.err, bad[i][1]) != NULL,
           "%s '%s' is refused, by name", bad[i][0], bad[i][1]);
    }
    struct outcome o = RUN_AT(target, "-n", "1", "--hogs", "1");
    ok(refused(&o, "--hogs"), "so are hogs without a middle");
    o = RUN_AT(target, "-c", "2", "-t", "3");
    ok(refused(&o, "--threads"), "so are threads without connections");
    o = RUN_AT(target, "--label", "requests=1");
    ok(refused(&o, "requests"), "and a label that is a column's name");
    o = RUN_AT(target, "--label", "round=1", "--label", "round=2");
    ok(refused(&o, "round"), "or another label's");
    o = RUN_AT(target, "--nonsense");
    ok(refused(&o, "--nonsense"), "so is --nonsense");
    o = RUN_AT(target, "-n", "1", "9999");
    ok(refused(&o, target), "and an argument too many");
    o = RUN_AT("99k", "-n", "1");
    ok(refused(&o, "99k"), "and a port that is no number");
}

static void test_calibration(void)
{
    const char *arguments[] = {"--calibrate", "-d", "100ms", NULL};
    struct outcome o = run_client(arguments);
    ok(o.status == 0 && strstr(o.out, "1,000 connections") != NULL &&
           strstr(o.out, "at 1,000 a second") != NULL && o.err[0] == '\0',
       "calibration needs no server");
}

static void test_command_line(void)
{
    char target[32];
    int port;
    pid_t server = start_server(right, &port);
    snprintf(target, sizeof target, "localhost:%d", port);
    const char *port_only = strchr(target, ':') + 1;
    struct outcome o = RUN_AT(target, "-f", "10", "-n", "20");
    ok(o.status == 0, "a host with several addresses: the one that answers");
    o = RUN_AT(port_only, "-f", "10", "-n", "0.001k");
    ok(refused(&o, "--requests"), "no part of a request");
    test_descriptors(port_only);
    test_files(port_only);
    test_server_that_is_none(port_only);
    test_bad_command_lines(port_only);
    stop_server(server);
}

// Each in a process of its own, as nearly all of their time is waiting. What
// takes longest begins first.
static void (*const tests[])(void) = {
    test_full_queue,
    test_gone_server,
    test_calibration,
    test_stall,
    test_columns,
    test_good_servers,
    test_latency,
    test_accuracy,
    test_bad_servers,
    test_silent_server,
    test_broken_connections,
    test_window,
    test_usage_of_server,
    test_pipeline,
    test_churn,
    test_threads,
    test_think,
    test_slow,
    test_open_loop,
    test_overload,
    test_hogs,
    test_all_together,
    test_own_share,
    test_verdict,
    test_timeline,
    test_percentile_table,
    test_output,
    test_screen,
    test_no_server,
    test_command_line,
};

int main(int argc, char **argv)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/fibload", argc > 1 ? argv[1] : "bin");
    fibload = path;
    tap_side_by_side(tests, sizeof tests / sizeof tests[0]);
    return done_testing();
}

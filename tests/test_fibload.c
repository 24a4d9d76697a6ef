// test_fibload.c - the client, against servers that behave in every bad way.
//
//     test_fibload BIN      the folder that has fibload
//
// Each server is a child of this test and does what its script says; then the
// exit status and the row that fibload has written are looked at.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

enum { CLIENTS_MAX = 64, ROW_SIZE = 4096 };

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

static bool slow(int fd, int i)
{
    (void)i;
    usleep(20000);
    return say(fd, "fib: 55\n");
}

static bool stall_once(int fd, int i)
{
    if (i == 5)
        usleep(300000);
    return say(fd, "fib: 55\n");
}

// Receives what a client has sent and does what the script says for each line.
// Returns false when the connection is to be closed.
static bool converse(int fd, behaviour *behave, int *requests)
{
    char buf[512];
    ssize_t got = recv(fd, buf, sizeof buf, 0);
    for (ssize_t at = 0; at < got; at++)
        if (buf[at] == '\n' && !behave(fd, (*requests)++))
            return false;
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

// ---- Runs of fibload

struct outcome {
    int status;
    char header[ROW_SIZE], row[ROW_SIZE];
};

enum { ARGUMENTS_MAX = 16 };

static int run_fibload(const char **arguments, int port, const char *csv)
{
    char target[16];
    const char *all[ARGUMENTS_MAX + 8] = {fibload, "--csv", csv};
    int count = 3, status = 0;
    snprintf(target, sizeof target, "%d", port);
    for (int i = 0; arguments[i] != NULL; i++)
        all[count++] = arguments[i];
    all[count] = target;

    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int nowhere = memfd_create("output", 0);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        execv(fibload, (char **)(uintptr_t)all);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct outcome run(behaviour *behave, const char **arguments)
{
    struct outcome outcome = {0};
    char csv[] = "/tmp/test_fibload.XXXXXX";
    int port;
    int listener = listen_anywhere(&port);
    close(mkstemp(csv));

    fflush(stdout);
    pid_t server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener, behave);
    }
    close(listener);
    outcome.status = run_fibload(arguments, port, csv);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);

    FILE *file = fopen(csv, "r");
    if (file != NULL) {
        (void)!fgets(outcome.header, ROW_SIZE, file);
        (void)!fgets(outcome.row, ROW_SIZE, file);
        fclose(file);
    }
    unlink(csv);
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

static void test_latency(void)
{
    // usleep() never returns early, and late only by what the machine adds.
    struct outcome o = RUN(slow, "-n", "30", "-c", "1");
    ok(column(&o, "p50_us") >= 20000 * 0.99, "a reply after 20 ms takes 20 ms");
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
    o = RUN(every_tenth_error, "-n", "1000", "-c", "4");
    ok(o.status == 1 && column(&o, "error_replies") == 100 &&
           column(&o, "requests") == 900,
       "so are error replies");
    o = RUN(twice, "-n", "10", "-c", "1");
    ok(o.status == 1 && column(&o, "wrong") > 0, "two replies for one request");
    o = RUN(close_after_third, "-n", "100", "-c", "1");
    ok(o.status == 1 && column(&o, "failed") == 25 &&
           column(&o, "closed_by_server") == 25 && column(&o, "requests") == 75,
       "connections that are closed instead");
    o = RUN(endless, "-n", "5", "-c", "1");
    ok(o.status == 1 && column(&o, "wrong") == 5, "bytes without end");
    o = RUN(silent, "-d", "200ms", "--warmup", "0", "--grace", "0", "-c", "3");
    ok(o.status == 1 && column(&o, "served") == 0 &&
           column(&o, "unanswered") == 3 && column(&o, "requests") == 0,
       "no reply at all: three requests unanswered");
    ok(column(&o, "p50_us") >= 200000 * 0.98, "which count with their age");
    o = RUN(silent, "-n", "4", "--timeout", "100ms", "-c", "2");
    ok(o.status == 1 && column(&o, "timeouts") == 4, "or time out");
}

static void test_no_server(void)
{
    int port;
    close(listen_anywhere(&port));  // Nobody is there any more.
    const char *none[] = {NULL};
    ok(run_fibload(none, port, "/dev/null") == 2, "no server: status 2");
    const char *bad[][3] = {{"-c", "0"},      {"-c", "x"},    {"-f", "94"},
                            {"-d", "0"},      {"-d", "1y"},   {"-n", "-1"},
                            {"--label", "x"}, {"--nonsense"}, {"-n", "1.5"}};
    int refused = 0, count = sizeof bad / sizeof bad[0];
    for (int i = 0; i < count; i++)
        refused += run_fibload(bad[i], port, "/dev/null") == 2;
    ok(refused == count, "%d bad command lines: status 2", count);
}

int main(int argc, char **argv)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/fibload", argc > 1 ? argv[1] : "bin");
    fibload = path;
    test_columns();
    test_good_servers();
    test_latency();
    test_bad_servers();
    test_no_server();
    return done_testing();
}

// trials.c - several runs, one after the other. They find the highest rate that
// keeps limits, or the best figures that fibload can reach on this machine.

#include "run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "output.h"

// ---- The server that computes nothing

enum { EVENTS_MAX = 256, RECEIVE_SIZE = 1024, BACKLOG = 4096 };

static char mark, replies[RECEIVE_SIZE * NULL_SERVER_REPLY_MAX];
static size_t reply_len;

// Prepares a reply for each byte that answer() may receive at once.
static void prepare_replies(char request_mark, const char *reply)
{
    mark = request_mark;
    reply_len = strlen(reply);
    for (size_t i = 0; i < RECEIVE_SIZE; i++)
        memcpy(replies + i * reply_len, reply, reply_len);
}

static int listen_anywhere(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(listener, BACKLOG) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &len) != 0)
        return -1;
    *port = ntohs(at.sin_port);
    return listener;
}

static void watch(int epoll, int fd)
{
    struct epoll_event interest = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest) != 0)
        close(fd);
}

static void accept_all(int epoll, int listener)
{
    const int on = 1;
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(epoll, client);
    }
}

// Replies to what a client has sent. Disconnects a client that does not read
// its replies.
static void answer(int client)
{
    char buf[RECEIVE_SIZE];
    size_t len = 0;
    ssize_t received = recv(client, buf, sizeof buf, 0);
    for (ssize_t i = 0; i < received; i++)
        len += buf[i] == mark ? reply_len : 0;
    if (received <= 0 ||
        send(client, replies, len, MSG_NOSIGNAL) != (ssize_t)len)
        close(client);
}

_Noreturn static void serve(int listener)
{
    struct epoll_event events[EVENTS_MAX];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, listener);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                answer(events[i].data.fd);
    }
}

pid_t null_server_start(char request_mark, const char *reply, int *port)
{
    prepare_replies(request_mark, reply);
    int listener = listen_anywhere(port);
    if (listener < 0)
        return -1;
    pid_t parent = getpid(), server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(EXIT_FAILURE);  // It died before prctl().
        signal(SIGINT, SIG_IGN);  // On Ctrl-C, the parent kills this process.
        serve(listener);
    }
    close(listener);
    return server;
}

// ---- Runs

// Makes a run. Connects first, unless the target has a socket. Returns NULL, or
// why the run could not be made or finished.
static const char *run_once(const struct options *opt, struct target *target,
                            struct result *result)
{
    const char *why = target->fd < 0 ? run_reach(opt, target) : NULL;
    if (why == NULL)
        why = run_load(opt, target, result);
    if (why == NULL && result->interrupted > 0)
        why = "interrupted before its end";
    return why;
}

// ---- The highest rate

#define PRECISION 1.05  // of the rate that is found
#define RATE_MAX 1e7

// Returns whether a run has kept the limits without an error, and prints its
// line.
static enum kept judge_run(const struct options *opt, const struct result *run)
{
    static const char *const verdicts[] = {"kept", "not kept",
                                           "too few requests to tell"};
    enum kept kept = figures_check_limits(NULL, opt->find_rate, run);
    if (run->errors > 0)
        kept = LIMITS_BROKEN;
    output_say(stderr, run,
               "{rate:10} per second: p50 {p50_us}, p99 {p99_us}, max {max_us}"
               ", {errors error/errors}: ");
    fprintf(stderr, "%s\n", verdicts[kept]);
    return kept;
}

// Makes a run at `rate`. Repeats it for longer, up to LONGEST times, while it
// has too few requests for the percentiles in the limits. Sets `best` to the
// last run if that has kept the limits. Returns NULL, or why this is not known.
static const char *try_rate(struct options *opt, struct target *target,
                            double rate, struct result *best, bool *kept)
{
    enum { LONGEST = 8 };
    static struct result run;
    const int64_t duration_ns = opt->duration_ns;
    enum kept limits = LIMITS_UNSURE;
    opt->rate = (int64_t)rate;
    for (int i = 1; i <= LONGEST && limits == LIMITS_UNSURE; i *= 2) {
        opt->duration_ns = i * duration_ns;
        const char *why = run_once(opt, target, &run);
        if (why != NULL)
            return why;
        limits = judge_run(opt, &run);
    }
    opt->duration_ns = duration_ns;
    *kept = limits == LIMITS_KEPT;
    if (*kept)
        *best = run;
    return limits == LIMITS_UNSURE
               ? "--find-rate: too few requests at this rate; give a longer -d"
               : NULL;
}

const char *trials_find_rate(struct options *opt, struct target *target,
                             struct result *best)
{
    double low = 0, high = INFINITY, rate = (double)opt->rate;
    while (rate >= 1 && rate <= RATE_MAX && high > PRECISION * low) {
        bool kept;
        const char *why = try_rate(opt, target, rate, best, &kept);
        // Another program may have disturbed the run.
        if (why == NULL && !kept)
            why = try_rate(opt, target, rate, best, &kept);
        if (why != NULL)
            return why;
        *(kept ? &low : &high) = rate;
        rate = isinf(high) ? 2 * low : low == 0 ? high / 2 : (low + high) / 2;
    }
    opt->rate = (int64_t)low;
    return low > 0 ? NULL : "--find-rate: no rate keeps the limits";
}

// ---- The calibration

// The loads.
static const struct load {
    const char *name;
    int connections, pipeline;
    int64_t rate;
} loads[] = {
    {"1 connection", 1, 1, 0},
    {"50 connections", 50, 1, 0},
    {"1,000 connections", 1000, 1, 0},
    {"50, 16 requests at once", 50, 16, 0},
    {"10, at 1,000 a second", 10, 1, 1000},
};

// Prints the row of a load, or why it is skipped. Returns NULL, or why the run
// failed.
static const char *print_row(struct options opt, const struct load *load)
{
    static struct result result;
    struct target target = {.fd = -1};
    opt.connections = load->connections;
    opt.pipeline = load->pipeline;
    opt.rate = load->rate;
    if (opt.threads > opt.connections)
        opt.threads = opt.connections;

    printf("  %-24s", load->name);
    const char *why = run_raise_limit(&opt);
    if (why != NULL) {
        printf(" skipped: %s\n", why);
        return NULL;
    }
    why = run_once(&opt, &target, &result);
    if (why != NULL)
        return why;
    output_say(stdout, &result,
               "{req_per_s:12}{client_cpu_us_per_req:13}{p50_us:10}"
               "{arrival_p50_us:10}");
    output_say(stdout, &result,
               load->rate > 0 ? "{send_late_p50_us:10}\n" : "         -\n");
    return NULL;
}

const char *trials_calibrate(const struct options *opt)
{
    char port_text[16];
    int port;
    const char *why = NULL;
    pid_t server = null_server_start('\n', "fib: 1\n", &port);
    if (server < 0)
        return output_reason("cannot start a server: %s", strerror(errno));
    snprintf(port_text, sizeof port_text, "%d", port);
    struct options local = *opt;
    local.host = "127.0.0.1";
    local.port = port_text;
    local.n = 1;
    printf("with a server that does nothing:\n  %-24s%12s%13s%10s%10s%10s\n",
           "", "req/s", "client CPU", "p50", "arrived", "sent late");
    for (size_t i = 0; i < sizeof loads / sizeof loads[0] && !why; i++)
        why = print_row(local, &loads[i]);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return why;
}

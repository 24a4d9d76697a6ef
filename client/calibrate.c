// calibrate.c - what this machine and this client can do at most.

#include "calibrate.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "clock.h"
#include "load.h"
#include "null_server.h"
#include "startup.h"
#include "text.h"

// A kind of load, and what one learns from it.
struct probe {
    const char *name;
    int connections, pipeline;
    int64_t rate;
};

static const struct probe probes[] = {
    {"1 connection", 1, 1, 0},
    {"50 connections", 50, 1, 0},
    {"1,000 connections", 1000, 1, 0},
    {"50, 16 requests at once", 50, 16, 0},
    {"10, at 1,000 a second", 10, 1, 1000},
};

static void print_probe(const struct probe *probe, const struct result *r)
{
    double cpu_us = r->replies > 0 ? r->client_cpu_share * r->duration_s * 1e6 /
                                         (double)r->replies
                                   : 0;
    printf("  %-24s %11s %9.2f us %9s %9s %9s\n", probe->name,
           text_number((uint64_t)(result_rate(r) + 0.5)).s, cpu_us,
           text_percentile(&r->latency, 50).s,
           text_percentile(&r->arrival, 50).s,
           r->open_loop ? text_percentile(&r->lateness, 50).s : "-");
}

static int run_probe(const struct probe *probe, const struct options *given,
                     const struct addrinfo *target)
{
    static struct result result;
    struct options opt = *given;
    opt.n = 1;
    opt.connections = probe->connections;
    opt.pipeline = probe->pipeline;
    if (opt.threads > opt.connections)
        opt.threads = opt.connections;
    opt.rate = probe->rate;
    if (load_run(&opt, target, NULL, &result) != 0)
        return -1;
    print_probe(probe, &result);
    return 0;
}

int calibrate(const struct options *opt)
{
    char port_text[16];
    int port, failed = 0;
    pid_t server = null_server_start('\n', "fib: 1\n", &port);
    if (server < 0)
        return -1;
    snprintf(port_text, sizeof port_text, "%d", port);
    struct options local = *opt;
    local.host = "127.0.0.1";
    local.port = port_text;
    struct addrinfo *target = startup_resolve(&local);

    printf(
        "against a server that does nothing:\n  %-24s %11s %12s %9s %9s %9s\n",
        "", "req/s", "client CPU", "p50", "arrived", "sent late");
    for (size_t i = 0; i < sizeof probes / sizeof probes[0] && !failed; i++)
        failed = run_probe(&probes[i], &local, target);
    int saved = errno;
    freeaddrinfo(target);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    errno = saved;
    return failed;
}

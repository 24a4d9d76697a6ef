// startup.c - what every main() does before the lesson begins.

#include "startup.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "report.h"
#include "stop.h"

static const struct options *options;

int startup(struct options *opt, int argc, char **argv)
{
    options_parse(opt, argc, argv);
    options = opt;
    // send() is told so as well (net.c); this is for standard output.
    signal(SIGPIPE, SIG_IGN);
    if (report_open(opt) != 0)
        startup_failed("mmap");

    int listener = net_listen(opt->host, opt->port, opt->backlog);
    if (listener >= 0)
        return listener;
    fprintf(stderr, "%s: cannot listen on %s:%d: %s\n", opt->model, opt->host,
            opt->port,
            errno == EINVAL ? "not an address of this machine"
                            : strerror(errno));
    exit(EXIT_FAILURE);
}

void startup_ready(int listener, void (*on_stop)(void))
{
    int port = net_port(listener);
    if (port < 0 || stop_on_signal(on_stop) != 0)
        startup_failed("startup");
    if (options->clients_capped)
        report_log("at most %d clients at once, for want of descriptors",
                   options->clients_max);
    report_ready(port);
}

void startup_failed(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", options->model, what, strerror(errno));
    exit(EXIT_FAILURE);
}

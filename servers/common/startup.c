// startup.c - what every main() does before the lesson begins.

#include "startup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net.h"
#include "report.h"
#include "stop.h"

enum { FEW_CLIENTS = 1000 };  // fewer than a class experiment may need

static const struct options *options;

// A program may be started with its standard streams closed. Their descriptors
// would then go to sockets, and what we print to a client.
static void take_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int startup(struct options *opt, int argc, char **argv)
{
    take_standard_streams();
    options_parse(opt, argc, argv);
    options = opt;
    // send() is told so as well (net.c); this is for standard output.
    signal(SIGPIPE, SIG_IGN);
    if (report_open(opt) != 0)
        startup_failed("mmap");

    net_limit_silence(opt->idle_timeout_s);
    int listener = net_listen(opt->host, opt->port, opt->backlog,
                              opt->loops > 1 ? NET_FIRST : NET_ALONE);
    if (listener >= 0)
        return listener;
    if (errno == EINVAL || errno == EADDRNOTAVAIL)
        options_refuse(opt, "host", "an address of this machine", opt->host);
    fprintf(stderr, "%s: cannot listen on %s:%d: %s\n", opt->model, opt->host,
            opt->port, strerror(errno));
    exit(EXIT_FAILURE);
}

void startup_ready(int listener, void (*on_stop)(void))
{
    int port = net_port(listener);
    if (port < 0 || stop_on_signal(on_stop) != 0)
        startup_failed("startup");
    if (options->clients_capped && options->clients_max < FEW_CLIENTS)
        report_log("serving at most %d clients at once (open files: %d)",
                   options->clients_max, net_raise_descriptor_limit());
    // A server that nobody can find, as it could not say its port, is no use.
    if (report_ready(port) != 0)
        startup_failed("standard output");
}

void startup_failed(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", options->model, what, strerror(errno));
    exit(EXIT_FAILURE);
}

// server.c - what every server does before the first client, and how it stops.

#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "children.h"
#include "net.h"
#include "threads.h"
#include "trace.h"

enum { FEW_CLIENTS = 1000 };  // server_ready() reports a lower limit

static const struct options *options;
static int listener;

// Opens /dev/null for each standard stream that is closed. Otherwise the kernel
// could give a client's socket the descriptor of standard output, and the
// server would print into the connection of that client.
static void open_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

// Closes descriptors that the parent process left open by mistake. From now on,
// every socket whose descriptor is above the listener's belongs to a client:
// net_shutdown_clients() relies on this.
static void close_inherited_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return;
    for (struct dirent *e; (e = readdir(directory)) != NULL;) {
        int fd = (int)strtol(e->d_name, NULL, 10);
        if (fd > STDERR_FILENO && fd != dirfd(directory))
            close(fd);
    }
    closedir(directory);
}

static int listen_or_exit(const struct options *o)
{
    unsigned flags = (o->nonblocking ? NET_NONBLOCKING : 0U) |
                     (o->reuseport ? NET_REUSEPORT : 0U);
    int fd = net_listen(o->host, o->port, o->backlog, flags);
    if (fd >= 0)
        return fd;
    if (errno == EINVAL || errno == EADDRNOTAVAIL)
        options_refuse(o, "host", "an address of this machine", o->host);
    fprintf(stderr, "%s: cannot listen on %s:%d: %s\n", o->model, o->host,
            o->port, strerror(errno));
    exit(EXIT_FAILURE);
}

int server_open(struct options *o, int argc, char **argv)
{
    open_standard_streams();
    close_inherited_descriptors();
    options_parse(o, argc, argv);
    options = o;
    signal(SIGPIPE, SIG_IGN);  // For standard output; send() has MSG_NOSIGNAL.
    signal(SIGXFSZ, SIG_IGN);  // Beyond ulimit -f, write() fails instead.
    server_require(report_open(o->model, o->quiet) == 0, "mmap");
    if (o->stack_kib > 0)
        server_require(threads_set_stack(o->stack_kib) == 0, "--stack-kib");
    if (o->forks)
        server_require(children_open(o->clients_max) == 0, "children");

    net_set_idle_timeout(o->idle_timeout_s);
    listener = listen_or_exit(o);
    // Last, because it empties the file, which may hold an older trace.
    if (o->trace != NULL &&
        trace_open(o->trace, o->model, o->delay_ms, &o->rules) != 0)
        server_refuse_path("trace", o->trace);
    return listener;
}

// LESSON stop-without-a-race: the handler of SIGTERM calls this function. A
// handler that only sets a flag is not enough: if the signal comes just before
// accept() or recv(), the call blocks all the same. But a socket that was shut
// down stays shut down. So accept() fails, which ends the loop of the server,
// and recv() returns what has arrived, and then 0. This holds for calls that
// are blocked now and for all later calls. (For accept(), this is so on Linux,
// but not everywhere.)
static void wake_blocked_calls(void)
{
    shutdown(listener, SHUT_RDWR);
    net_shutdown_clients(listener);
}

void server_ready(void)
{
    char address[NET_ADDRESS_SIZE];
    void (*wake)(void) = options->wake_blocked_calls != NULL
                             ? options->wake_blocked_calls
                             : wake_blocked_calls;
    server_require(net_address(listener, address) == 0, "getsockname");
    server_require(stop_on_signal(wake) == 0, "sigaction");
    if (options->clients_capped && options->clients_max < FEW_CLIENTS)
        report_log("serving at most %d clients at once (open files: %d)",
                   options->clients_max, net_raise_descriptor_limit());
    // This must succeed: with --port 0, a client learns the port only from this
    // line.
    server_require(report_line("listening on %s", address) == 0,
                   "standard output");
}

int server_start(struct options *o, int argc, char **argv)
{
    server_open(o, argc, argv);
    server_ready();
    return listener;
}

void *server_allocate(int count, size_t size)
{
    void *array = calloc((size_t)count, size);
    server_require(array != NULL, "calloc");
    return array;
}

// Returns only in the first thread that calls it. This thread prints a line and
// exits. If the same call has failed in other threads, too, they block here
// until the process has ended.
static void block_all_but_first(void)
{
    static atomic_flag has_failed = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&has_failed))
        sleep_ms(NET_BACKOFF_MS);
}

void server_require(bool succeeded, const char *what)
{
    if (succeeded)
        return;
    block_all_but_first();
    fprintf(stderr, "%s: %s: %s\n", options->model, what, strerror(errno));
    exit(EXIT_FAILURE);
}

_Noreturn void server_refuse_path(const char *option, const char *path)
{
    block_all_but_first();
    fprintf(stderr, "%s: --%s cannot open '%s': %s\n", options->model, option,
            path, strerror(errno));
    exit(EXIT_USAGE);
}

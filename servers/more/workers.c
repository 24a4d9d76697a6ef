// workers.c - several processes, each with an event loop, as in nginx.
//
// Model     --workers children share one listener; each serves clients by epoll
// Blocks    the parent in ppoll() (stop_wait()), each child in epoll_wait()
// Strength  can use all cores; if a worker crashes, only its clients are lost
// Weakness  some workers get more clients than others, and a client cannot move
//
// What changed from prefork.c: a child serves many clients, with loop.c. Next:
//     diff -u servers/more/prefork.c servers/more/workers.c

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../common/children.h"
#include "../common/server.h"
#include "loop.h"

struct worker {
    pid_t pid;
    int listener;            // its own with --reuseport, else the common one
    unsigned long accepted;  // clients
    unsigned long spurious;  // wakeups that found no client to accept
};

static bool herd;
static int worker_count = 2;
static struct options options;
static const struct option_rule own_options[] = {
    {"workers", "N", "event loops", .number = &worker_count, 1, 64},
    {"reuseport", NULL, "a listener per worker", .flag = &options.reuseport},
    {"herd", NULL, "let a new client wake all workers", .flag = &herd},
    {0},
};
static struct options options = {.model = "workers",
                                 .nonblocking = true,
                                 .forks = true,
                                 .wake_blocked_calls = loop_wake,
                                 .own = {own_options}};
static int listener;
static struct worker *workers;  // worker_count of them, in shared memory.
static struct worker *self;     // The worker that this process is.

// LESSON accept-one: a worker accepts one client, and then serves those it has.
// If it accepted all clients in the queue, other workers would find none.
static void accept_client(void)
{
    const struct connection *c = connections_accept(&loop_clients, listener);
    self->accepted += c != NULL;
    self->spurious += c == NULL;
    if (c != NULL)
        loop_serve(c);
}

// LESSON exclusive-wakeup: all workers wait for one listener. By default, a new
// client wakes all of them, and only one gets it. EPOLLEXCLUSIVE wakes one: of
// the workers in epoll_wait(), the first that called epoll_ctl(). So it may get
// all clients. Try it: fibload -c 100, with and without --herd; read the end.
static void watch_listener(void)
{
    static bool watched;
    bool may_accept = connections_may_accept(&loop_clients);
    uint32_t events = herd ? EPOLLIN : EPOLLIN | EPOLLEXCLUSIVE;
    if (may_accept && !watched)
        watched = loop_watch(listener, events) == 0;
    else if (!may_accept && watched)
        watched = loop_unwatch(listener) != 0;
    if (may_accept && !watched)
        loop_clients.accept_ns = net_backoff_until_ns();  // Try again then.
}

static void serve_clients(void)
{
    while (!stop_requested()) {
        watch_listener();
        if (loop_wait(listener))
            accept_client();
    }
    close(listener);
    connections_drain(&loop_clients);
}

static void close_listeners(int kept)
{
    for (int i = 0; i < (options.reuseport ? worker_count : 1); i++)
        if (workers[i].listener != kept)
            close(workers[i].listener);
}

_Noreturn static void run_worker(struct worker *w)
{
    self = w;
    listener = w->listener;
    options.clients_max += (int)(w - workers);  // Its share of the clients.
    options.clients_max /= worker_count;
    close_listeners(listener);
    if (loop_open() != 0 && net_backoff("epoll_create1"))
        _exit(EXIT_FAILURE);  // The parent tries again.
    child_begin();
    serve_clients();
    _exit(EXIT_SUCCESS);
}

static void start_worker(struct worker *w)
{
    w->pid = fork();
    if (w->pid == 0)
        run_worker(w);
    if (w->pid > 0)
        children_add(w->pid);
    else
        net_backoff("fork");
}

static void replace_workers(void)
{
    while (!stop_requested()) {
        for (int i = 0; i < worker_count; i++)
            if (!children_has(workers[i].pid))
                start_worker(&workers[i]);
        stop_wait(-1, children_count == worker_count ? -1 : 0);
        children_reap();
    }
}

// LESSON listener-per-worker: with SO_REUSEPORT, each worker waits for its own
// listener, so no wakeup is spurious. The kernel chooses a listener by a hash
// of the client's address, even if the worker of this listener is busy or full.
static int listener_of(int i)
{
    char address[NET_ADDRESS_SIZE];
    if (i == 0 || !options.reuseport)
        return listener;
    server_require(net_address(listener, address) == 0, "getsockname");
    int port = (int)strtol(strrchr(address, ':') + 1, NULL, 10);
    int fd = net_listen(options.host, port, options.backlog,
                        NET_NONBLOCKING | NET_REUSEPORT);
    server_require(fd >= 0, "SO_REUSEPORT");
    return fd;
}

static void open_workers(void)
{
    if (worker_count > options.clients_max)
        worker_count = options.clients_max;
    workers = mmap(NULL, (size_t)worker_count * sizeof *workers,
                   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    server_require(workers != MAP_FAILED, "mmap");
    for (int i = 0; i < worker_count; i++)
        workers[i].listener = listener_of(i);
    int highest = workers[worker_count - 1].listener + LOOP_DESCRIPTORS;
    connections_open(&loop_clients, &options, true, highest);
}

static void report_workers(void)
{
    unsigned long least = workers[0].accepted, most = 0, spurious = 0;
    for (int i = 0; i < worker_count; i++) {
        least = workers[i].accepted < least ? workers[i].accepted : least;
        most = workers[i].accepted > most ? workers[i].accepted : most;
        spurious += workers[i].spurious;
    }
    report_log("%lu to %lu clients per worker; %lu wakeups found no client",
               least, most, spurious);
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    open_workers();
    server_ready();
    replace_workers();
    close_listeners(-1);
    children_end();
    report_workers();
    return report_summary();  // Reached after SIGTERM: see common/server.c.
}

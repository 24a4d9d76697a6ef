// select.c - one thread asks which clients are ready, by sets of bits.
//
// Model     one thread, non-blocking calls, for the clients that are ready
// Blocks    in select() only, for all clients at once
// Strength  the oldest way to wait for many clients, known everywhere
// Weakness  it cannot watch descriptors from 1,024 up, whatever the limit is
//
// What changed from nonblocking.c: the step of a client and its state are the
// same, in common/connection.c. But select() reports which clients can make a
// step, and blocks while none can. Next:
//     diff -u servers/more/select.c servers/more/poll.c

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/select.h>
#include <unistd.h>

#include "../common/connection.h"
#include "../common/server.h"

static void wake_select(void);

static struct options options = {
    .model = "select", .nonblocking = true, .wake_blocked_calls = wake_select};
static int listener, wake_pipe[2];
static struct connections clients;
static fd_set readable, writable;  // In: which to watch. Out: which are ready.

// Adds each client to the set of the event that it waits for. Returns the
// highest descriptor.
static int fill_sets(void)
{
    int64_t now_ns = clock_now_ns();
    int highest = wake_pipe[1];
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(wake_pipe[0], &readable);
    if (connections_may_accept(&clients))
        FD_SET(listener, &readable);
    for (int i = 0; i < clients.count; i++) {
        struct connection *c = &clients.all[i];
        c->interest = connection_interest(c, now_ns);
        if (c->interest != 0)
            FD_SET(c->fd, c->interest == POLLIN ? &readable : &writable);
        highest = c->fd > highest ? c->fd : highest;
    }
    return highest;
}

// Blocks until a client is ready or due. Returns the number of clients in the
// sets. Clients that are accepted later are not in them.
static int wait_for_clients(void)
{
    int highest = fill_sets();
    connections_end_idle(&clients);
    int ms = connections_wait_ms(&clients, connections_due_ns(&clients));
    struct timeval timeout = {ms / MS_PER_S, ms % MS_PER_S * 1000L};
    int ready = select(highest + 1, &readable, &writable, NULL,
                       ms < 0 ? NULL : &timeout);
    net_backoff_if_failed(ready);
    if (ready <= 0) {
        FD_ZERO(&readable);  // On failure, select() does not change the sets.
        FD_ZERO(&writable);
    }
    return clients.count;
}

static bool is_ready(int i)
{
    const struct connection *c = &clients.all[i];
    if (c->interest != 0)
        return FD_ISSET(c->fd, &readable) || FD_ISSET(c->fd, &writable);
    return c->due_ns <= clock_now_ns();
}

// Makes a step for each client that is ready, from the last to the first. If a
// client is closed, the last one, which has had its step, takes its place.
static void step_clients(int count)
{
    for (int i = count - 1; i >= 0; i--) {
        struct connection *c = &clients.all[i];
        if (is_ready(i) && !connection_step(c, &options))
            connections_close(&clients, c);
    }
}

static void serve_clients(void)
{
    while (!stop_requested()) {
        int count = wait_for_clients();
        bool pending = FD_ISSET(listener, &readable);
        step_clients(count);
        if (pending)
            connections_accept_some(&clients, listener, NULL);
    }
    close(listener);
    connections_drain(&clients);
}

// LESSON self-pipe: the signal handler writes a byte into a pipe, where the
// byte stays. So the next select() ends at once, even one that begins after the
// signal, and even if the listener is not in the set.
static void wake_select(void)
{
    (void)!write(wake_pipe[1], "", 1);
}

// LESSON the-wall: a set has FD_SETSIZE bits (1,024 in every C library for
// Linux). FD_SET() for a higher descriptor writes over whatever follows in
// memory. So the server must never get such a descriptor.
static void limit_clients(void)
{
    int unused = 0;
    net_limit_descriptors(FD_SETSIZE);
    for (int fd = 0; fd < FD_SETSIZE; fd++)
        unused += fcntl(fd, F_GETFD) < 0;
    if (options.clients_max <= unused)
        return;
    options.clients_max = unused;
    report_log("serving at most %d clients at once: select() cannot watch "
               "descriptors from %d up",
               unused, FD_SETSIZE);
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    server_require(pipe(wake_pipe) == 0, "pipe");
    limit_clients();
    connections_open(&clients, &options, false, listener);
    server_ready();
    serve_clients();
    return report_summary();  // Reached after SIGTERM: see common/server.c.
}

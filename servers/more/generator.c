// generator.c - functions that can be left and resumed, one per client.
//
// Model     one thread; a function per client that yields where it would wait
// Blocks    in poll() only, for all clients at once
// Strength  reads almost like blocking code; a suspended client needs no stack
// Weakness  only the function itself can yield, not one that it calls
//
// What changed from poll.c: the step has become a function that reads from top
// to bottom, as in Beazley's talk "Python Concurrency From the Ground Up".
// Next:
//     diff -u servers/more/generator.c servers/coroutine.c

#include <poll.h>
#include <stdbool.h>

#include "../common/connection.h"
#include "../common/server.h"

static struct options options = {.model = "generator", .nonblocking = true};
static int listener;
static struct connections clients;
static struct pollfd *polled;  // One for each client, and the listener.

// LESSON stackless: a suspended function keeps only a line number. A `case`
// jumps back to this line, even into the middle of a loop (Duff's device, 1983;
// Dunkels' protothreads work like this). The function loses its local
// variables. And a function that it calls cannot yield: for that, each client
// would need its own stack.
#define YIELD(c, event)                                                        \
    (c)->line = __LINE__;                                                      \
    (c)->interest = (event);                                                   \
    return true;                                                               \
    case __LINE__:

// Serves a client until this function yields or the conversation is over.
// Returns true if it has yielded: then the client waits for the event
// c->interest or, if this is 0, until c->due_ns. Returns false if the
// conversation is over.
static bool serve_client(struct connection *c)
{
    struct session *s = &c->session;
    switch (c->line) {
    case 0:
        while (!session_answer(s)) {
            if (session_over(s))
                return false;
            YIELD(c, POLLIN);
            if (!net_try_receive(c->fd, s, &c->progress))
                return false;
        }
        c->progress.sent = 0;
        connection_start_backend(c, &options);
        if (options.delay_ms > 0) {
            YIELD(c, 0);
        }
        while (c->progress.sent < s->reply_len) {
            if (!net_try_send(c->fd, s, &c->progress))
                return false;
            if (c->progress.blocked || session_pending(s)) {
                YIELD(c, POLLOUT);
            }
        }
    }
    c->line = 0;
    return serve_client(c);  // Starts again, and runs to its next YIELD().
}

// Blocks until a client is ready or due. Returns the number of clients in
// `polled`. Clients that are accepted later have no entry there.
static int wait_for_clients(void)
{
    for (int i = 0; i < clients.count; i++) {
        struct connection *c = &clients.all[i];
        polled[i] =
            (struct pollfd){c->interest != 0 ? c->fd : -1, c->interest, 0};
    }
    short accepting = connections_may_accept(&clients) ? POLLIN : 0;
    polled[clients.count] = (struct pollfd){listener, accepting, 0};
    connections_end_idle(&clients);

    int ms = connections_wait_ms(&clients, connections_due_ns(&clients));
    net_backoff_if_failed(poll(polled, (nfds_t)clients.count + 1, ms));
    return clients.count;
}

static bool is_ready(int i)
{
    const struct connection *c = &clients.all[i];
    if (c->interest != 0)
        return polled[i].revents != 0;
    return c->due_ns <= clock_now_ns();
}

// Is the whole scheduler: resumes each client that is ready, until it yields.
static void resume_clients(int count)
{
    for (int i = count - 1; i >= 0; i--) {
        struct connection *c = &clients.all[i];
        if (is_ready(i) && !serve_client(c))
            connections_close(&clients, c);
    }
}

static void start_client(struct connection *c)
{
    c->interest = POLLIN;
}

static void serve_clients(void)
{
    while (!stop_requested()) {
        int count = wait_for_clients();
        bool pending = polled[count].revents & POLLIN;
        resume_clients(count);
        if (pending)
            connections_accept_some(&clients, listener, start_client);
    }
    connections_drain(&clients);
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    connections_open(&clients, &options, false, listener);
    polled = server_allocate(options.clients_max + 1, sizeof *polled);
    server_ready();
    serve_clients();
    return report_summary();  // Reached after SIGTERM: see common/server.c.
}

// poll.c - one thread asks the kernel which of all its clients are ready.
//
// Model     one thread, non-blocking calls, for the clients that are ready
// Blocks    in poll() only, for all clients at once
// Strength  takes no CPU while no client sends, and every Unix has it
// Weakness  the kernel and the server go through all clients at every call
//
// What changed from nonblocking.c: the step of a client and its state are the
// same, in common/connection.c. But poll() reports which clients can make a
// step, and blocks while none can. Next:
//     diff -u servers/more/poll.c servers/more/callback.c

#include <poll.h>
#include <stdbool.h>

#include "../common/connection.h"
#include "../common/server.h"

static struct options options = {.model = "poll", .nonblocking = true};
static int listener;
static struct connections clients;
static struct pollfd *polled;  // One for each client, and the listener.

// Tells poll() what each client waits for, and blocks until a client is ready
// or due. Returns the number of clients in `polled`. Clients that are accepted
// later have no entry there.
static int wait_for_clients(void)
{
    int64_t now_ns = clock_now_ns();
    for (int i = 0; i < clients.count; i++) {
        struct connection *c = &clients.all[i];
        c->interest = connection_interest(c, now_ns);
        // LESSON not-watched: poll() reports a closed connection even if it was
        // asked for no event. Then every call would return at once. So for a
        // client that cannot be served yet, pass the descriptor -1, which
        // poll() ignores.
        polled[i] =
            (struct pollfd){c->interest != 0 ? c->fd : -1, c->interest, 0};
    }
    short accepting = connections_may_accept(&clients) ? POLLIN : 0;
    polled[clients.count] = (struct pollfd){listener, accepting, 0};
    connections_end_idle(&clients);

    // LESSON the-whole-list: both the server and the kernel go through all
    // clients, even idle ones. Try it: compare fibload -c 10 with fibload -c 10
    // --idle 10000.
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
        bool pending = polled[count].revents & POLLIN;
        step_clients(count);
        if (pending)
            connections_accept_some(&clients, listener, NULL);
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

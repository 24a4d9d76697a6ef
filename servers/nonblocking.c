// nonblocking.c - one thread polls every client in turn, and never blocks.
//
// Model     one thread, non-blocking calls, an endless loop over all clients
// Blocks    nowhere: it uses a whole core even while no client sends anything
// Strength  no scheduler, no locks; the lowest latency while clients are few
// Weakness  every idle client costs a system call per round
//
// What changed from blocking.c: no call blocks. So struct client stores how far
// a conversation has come. In blocking.c, the stack does. Compare
// serve_client() there with step() here. Next:
//     diff -u servers/thread.c servers/coroutine.c

#include <stdbool.h>
#include <unistd.h>

#include "common/net.h"
#include "common/server.h"

struct client {
    int fd;
    int64_t due_ns;  // when the simulated backend replies
    struct session session;
    struct net_progress progress;
};

static struct options options = {.model = "nonblocking", .nonblocking = true};
static int listener;
static struct client *clients;  // The first client_count are in use.
static int client_count;

// Makes one step for a client: at most one recv(), one reply and one send().
// Returns false once the conversation is over.
static bool step(struct client *c)
{
    struct session *s = &c->session;
    if (c->progress.sent == s->reply_len) {
        // LESSON would-block: without input, recv() fails with EAGAIN. This is
        // not an error. It means "not now": try again in the next round.
        if (!session_answer(s)) {
            bool open = net_try_receive(c->fd, s, &c->progress);
            if (!open || !session_answer(s))
                return open;
        }
        c->progress.sent = 0;
        if (options.delay_ms > 0)
            c->due_ns = clock_now_ns() + options.delay_ms * (int64_t)NS_PER_MS;
    }
    // LESSON deadline-instead-of-sleep: sleeping here would delay all clients.
    // So due_ns stores when the backend replies, and the loop continues.
    return clock_now_ns() < c->due_ns || net_try_send(c->fd, s, &c->progress);
}

static void accept_clients(void)
{
    int enough = 2 * client_count + NET_ACCEPTS_IN_A_ROW;
    while (client_count < options.clients_max && client_count < enough) {
        int fd = net_accept_nonblocking(listener);
        if (fd < 0)
            return;
        struct client *c = &clients[client_count++];
        *c = (struct client){.fd = fd};
        session_start(&c->session, &options.rules);
    }
}

// LESSON compute-blocks-all: no system call in here blocks, but a long fib() in
// session_answer() delays all clients. Try it: one client sends 45, another 1.
static void step_clients(void)
{
    for (int i = client_count - 1; i >= 0; i--) {
        struct client *c = &clients[i];
        if (step(c) || !net_prepare_close(c->fd, &c->progress))
            continue;
        report_session(&c->session);
        close(c->fd);
        *c = clients[--client_count];  // The last client fills the gap.
    }
}

static void serve_clients(void)
{
    while (!stop_requested()) {
        accept_clients();
        step_clients();
    }
    while (client_count > 0)
        step_clients();  // Until every request that arrived is answered.
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    clients = server_allocate(options.clients_max, sizeof *clients);
    server_ready();
    serve_clients();
    return report_summary();  // Reached after SIGTERM: see common/server.c.
}

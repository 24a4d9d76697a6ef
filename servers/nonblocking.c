// nonblocking.c - one thread asks every client in turn, and never waits.
//
// Model     one thread, non-blocking calls, an endless round of questions
// Waits     nowhere, and so it burns a whole core even when nobody is talking
// Strength  no scheduler, no locks; the lowest latency while clients are few
// Weakness  every silent client costs a system call per round
//
// What changed from blocking.c: a call that would wait now returns, so the
// place where we left off must be kept in data (struct client), no longer on
// the stack. Set serve_client() there beside step() here. Next:
//     diff -u servers/thread.c servers/coroutine.c

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net.h"
#include "common/report.h"
#include "common/startup.h"
#include "common/stop.h"

struct client {
    int fd;
    size_t sent;       // Bytes of session.reply that the kernel has taken.
    int64_t due_ns;    // When the backend answers.
    int64_t heard_ns;  // When it last said something, or took a reply.
    bool over;         // No further reply will come.
    struct net_progress progress;
    struct session session;
};

static struct options opt = {.model = "nonblocking"};
static int listener;
static struct client *clients;  // client_count of them.
static int client_count;
static int64_t now_ns;  // When this round began.

// Sends what is left of the reply, as far as the kernel takes it. Returns false
// when the client will take no more.
static bool send_reply(struct client *c)
{
    const char *rest = c->session.reply + c->sent;
    ssize_t put = net_send(c->fd, rest, c->session.reply_len - c->sent, 0);

    // LESSON would-block: "not now" and "never again" are both -1; errno tells
    // them apart. Not now: keep the client and try again next round.
    if (put < 0)
        return net_would_block() &&
               !(stop_requested() && net_stalled(c->fd, &c->progress));
    c->sent += (size_t)put;
    c->heard_ns = now_ns;
    return true;
}

static bool receive(struct client *c)
{
    struct session *s = &c->session;
    ssize_t got = net_recv(c->fd, session_space(s), session_room(s));

    if (got < 0)
        return net_would_block() && !net_too_silent(now_ns - c->heard_ns);
    c->heard_ns = now_ns;
    session_received(s, (size_t)got);
    return true;
}

// Takes one client one step further, to the end of one reply at most. Returns
// false when no further reply will come.
static bool step(struct client *c)
{
    struct session *s = &c->session;
    bool replied = c->sent == s->reply_len;

    if (replied) {
        // LESSON compute-blocks-all: no system call here waits, yet fib() in
        // session_answer() holds up every other client. Non-blocking calls do
        // not help with CPU work. Try it: ask for fib(45), and for fib(1).
        if (!session_answer(s)) {
            if (session_over(s) || !receive(c))
                return false;
            if (!session_answer(s))
                return true;
        }
        c->sent = 0;
        if (opt.delay_ms > 0)
            c->due_ns = net_now_ns() + opt.delay_ms * (int64_t)NET_NS_PER_MS;
    }
    // LESSON deadline-instead-of-sleep: sleeping here would make all clients
    // wait for the backend of one. Remember when it answers, and go on.
    return now_ns < c->due_ns || send_reply(c);
}

static void accept_clients(void)
{
    int fd = -1;
    while (client_count < opt.clients_max &&
           (fd = net_accept_now(listener, SOCK_NONBLOCK)) >= 0) {
        struct client *c = &clients[client_count++];
        *c = (struct client){.fd = fd, .heard_ns = net_now_ns()};
        session_start(&c->session, &opt.rules);
    }
    if (client_count < opt.clients_max && !net_would_block())
        report_shortage("accept");  // Who waits stays in the queue.
}

// One round. Whoever is finished is replaced by the last client: order is free.
static void step_clients(void)
{
    now_ns = net_now_ns();
    for (int i = 0; i < client_count;) {
        struct client *c = &clients[i];
        c->over = c->over || !step(c);
        if (!c->over || net_lingers(c->fd, &c->progress)) {
            i++;
            continue;
        }
        report_session(&c->session);
        close(c->fd);
        *c = clients[--client_count];
    }
}

int main(int argc, char **argv)
{
    listener = startup(&opt, argc, argv);
    clients = calloc((size_t)opt.clients_max, sizeof *clients);
    if (clients == NULL || net_set_nonblocking(listener) != 0)
        startup_failed("nonblocking");
    startup_ready(listener, NULL);  // No wait to end: the flag is enough.

    while (!stop_requested()) {
        accept_clients();
        step_clients();
    }

    close(listener);
    for (int i = 0; i < client_count; i++)
        if (!net_half_closed(clients[i].fd))
            session_finish(&clients[i].session, net_unread(clients[i].fd));
    while (client_count > 0)
        step_clients();
    return report_summary();
}

// callback.c - a reactor: it waits for all clients, and calls who can go on.
//
// Model     one thread; epoll says who, a callback per client says what next
// Waits     in epoll_wait() only, for all clients at once
// Strength  what it costs depends on who speaks, not on who is connected
// Weakness  the client code is in pieces, and each must say what comes after it
//
// What changed from poll.c: the kernel keeps the list; the step of a client is
// cut where it may wait. Next:
//     diff -u servers/more/callback.c servers/coroutine.c

#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/client.h"
#include "../common/report.h"
#include "../common/startup.h"
#include "../common/stop.h"

enum { EVENTS_AT_ONCE = 64, CALLS_IN_A_ROW = 8 };

static struct options opt = {.model = "callback", .has_edge = true};
static int listener, epoll, client_count;
static struct client *clients;     // Indexed by descriptor.
static struct client_line line;    // Those who wait for a time.
static int64_t now_ns, accept_ns;  // This round; the next try of accept().

static bool write_reply(struct client *c);

// LESSON inside-out: serve_client() of blocking.c, cut where it waits. What
// comes next is in a pointer, not in the next line; no loops, no variables.
static bool read_request(struct client *c)
{
    struct session *s = &c->session;
    if (!session_answer(s)) {
        if (session_over(s) || !client_receive(c))
            return false;
        if (!session_answer(s))
            return true;
    }
    c->sent = 0;
    c->go_on = write_reply;
    if (opt.delay_ms == 0)
        return write_reply(c);
    c->due_ns = net_now_ns() + opt.delay_ms * (int64_t)NET_NS_PER_MS;
    return true;
}

static bool write_reply(struct client *c)
{
    if (!client_send_reply(c))
        return false;
    if (c->sent == c->session.reply_len)
        c->go_on = read_request;
    return true;
}

// LESSON tell-changes-only: poll() is told about all clients every time, epoll
// once about each, and again when it needs something else.
static void watch(int how, int fd, short events)
{
    struct epoll_event wanted = {.events = (uint32_t)events, .data.fd = fd};
    if (events == 0)
        wanted.events = EPOLLONESHOT;  // Not the end of a connection for ever.
    if (opt.edge && fd != listener)
        wanted.events = EPOLLIN | EPOLLOUT | EPOLLET;
    clients[fd].awaits = events;
    while (epoll_ctl(epoll, how, fd, &wanted) != 0 &&
           net_retry_later("epoll_ctl"))
        ;
}

static void call_back(struct client *c)
{
    bool alive = c->go_on(c);
    // LESSON edge-triggered: --edge is told when something comes, not that it
    // is still there. Who stops before the kernel has said "not now" must come
    // back by himself. Try it: never line up for that, and send 20 requests.
    for (int i = 1; i < CALLS_IN_A_ROW && alive && opt.edge && !c->blocked; i++)
        alive = now_ns < c->due_ns || c->go_on(c);
    if (!alive) {
        client_close(c);
        client_count--;
        return;
    }
    if (opt.edge && !c->blocked && c->due_ns <= now_ns)
        c->due_ns = now_ns + 1;  // Enough for now: first the others.
    short needs = client_needs(c, now_ns);
    if (needs == 0)
        client_line_up(&line, c);
    if (!opt.edge && needs != c->awaits)
        watch(EPOLL_CTL_MOD, c->fd, needs);
}

static void accept_clients(void)
{
    int fd;
    while (client_count < opt.clients_max &&
           (fd = client_accept(listener, &accept_ns)) >= 0) {
        client_start(&clients[fd], fd, &opt);
        clients[fd].go_on = read_request;
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
        client_count++;
    }
}

static void react(void)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    bool room = client_count < opt.clients_max && now_ns >= accept_ns;
    short needs = room ? EPOLLIN : 0;
    if (clients[listener].awaits != needs)
        watch(EPOLL_CTL_MOD, listener, needs);
    int ms = net_ms_until(client_line_until(&line, now_ns, accept_ns));
    int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, ms);
    now_ns = net_now_ns();
    for (int i = 0; i < count; i++)
        if (events[i].data.fd == listener)
            accept_clients();
        else if (!clients[events[i].data.fd].in_line)
            call_back(&clients[events[i].data.fd]);
    for (struct client *c; (c = client_next_due(&line, now_ns)) != NULL;)
        call_back(c);
}

static void end_waits(void)
{
    shutdown(listener, SHUT_RDWR);  // epoll reports it, awaits or not.
}

int main(int argc, char **argv)
{
    listener = startup(&opt, argc, argv);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    int end = net_limit_descriptors(epoll + 1 + opt.clients_max);
    clients = calloc((size_t)end, sizeof *clients);
    line = (struct client_line){.all = clients, .count = end};
    if (epoll < 0 || clients == NULL || net_set_nonblocking(listener) != 0)
        startup_failed("callback");
    watch(EPOLL_CTL_ADD, listener, 0);
    startup_ready(listener, end_waits);
    while (!stop_requested())
        react();
    close(listener);
    clients_drain(clients, end, &opt);
    return report_summary();
}

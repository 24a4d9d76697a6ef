// callback.c - an event loop: it waits for all clients and calls functions.
//
// Model     one thread; epoll reports ready clients, a callback serves each
// Blocks    in epoll_wait() only, for all clients at once
// Strength  the cost depends on the clients that are ready, not on all of them
// Weakness  the client code is in pieces, and each must name the one after it
//
// What changed from poll.c: the kernel keeps the list of clients, and the step
// of a client is cut into functions where it may have to wait. Next:
//     diff -u servers/more/callback.c servers/coroutine.c

#include <stdbool.h>
#include <sys/epoll.h>

#include "../common/connection.h"
#include "../common/server.h"
#include "../common/timer_queue.h"

enum { EVENTS_AT_ONCE = 64, CALLS_IN_A_ROW = 8, UNWATCHED = -1 };

static bool edge;
static const struct option_rule own_options[] = {
    {"edge", NULL, "edge-triggered: learn of changes only", .flag = &edge},
    {0},
};
static struct options options = {
    .model = "callback", .nonblocking = true, .own = {own_options}};
static int listener, epoll;
static struct connections clients;
static struct timer_queue timers;  // Clients that wait for a time.

static bool write_reply(struct connection *c);

// LESSON inside-out: these two functions are serve_client() of blocking.c, cut
// where it waits. A pointer, not the next line, says which code follows. A loop
// becomes two functions that name each other, and no local variable is kept.
static bool read_request(struct connection *c)
{
    struct session *s = &c->session;
    if (!session_answer(s)) {
        bool open = net_try_receive(c->fd, s, &c->progress);
        if (!open || !session_answer(s))
            return open;
    }
    c->progress.sent = 0;
    c->callback = write_reply;
    connection_start_backend(c, &options);
    return options.delay_ms > 0 || write_reply(c);
}

static bool write_reply(struct connection *c)
{
    if (!net_try_send(c->fd, &c->session, &c->progress))
        return false;
    if (c->progress.sent == c->session.reply_len)
        c->callback = read_request;
    return true;
}

// LESSON tell-changes-only: each call of poll() needs the list of all clients.
// epoll keeps it: call epoll_ctl() only if a client waits for another event.
static int watch(int operation, int fd, short interest)
{
    struct epoll_event event = {.events = (uint32_t)interest, .data.fd = fd};
    if (edge && fd != listener)
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    else if (interest == 0)
        event.events = EPOLLONESHOT;  // Report a closed connection once.
    return epoll_ctl(epoll, operation, fd, &event);
}

// Tells epoll what the client waits for. On failure, call_back() runs later.
static void watch_client(struct connection *c, short interest)
{
    int operation = c->interest == UNWATCHED ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    c->interest = interest;
    if (watch(operation, c->fd, interest) == 0)
        return;
    report_exhausted("epoll_ctl");
    epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
    c->interest = UNWATCHED;
    if (!c->queued)
        timer_queue_add(&timers, c, net_backoff_until_ns());
}

// Calls the client's callback once. With --edge, calls it until it would block.
// Returns false once the conversation is over.
// LESSON edge-triggered: with --edge, epoll reports only that new bytes have
// arrived, not that old ones are still there. If we stop before EAGAIN, perhaps
// no event follows, so a timer must call the callback again. Try it: set
// CALLS_IN_A_ROW to 1, remove timer_queue_add() below, and send 20 requests.
static bool call_callbacks(struct connection *c)
{
    int64_t now_ns = 0;
    for (int i = 0; i < CALLS_IN_A_ROW; i++) {
        if (!c->callback(c))
            return false;
        if (!edge || c->progress.blocked)
            return true;
        now_ns = clock_now_ns();
        if (now_ns < c->due_ns)
            break;
    }
    timer_queue_add(&timers, c, c->due_ns > now_ns ? c->due_ns : now_ns);
    return true;
}

static void call_back(struct connection *c)
{
    if (!call_callbacks(c)) {
        connections_close(&clients, c);
        return;
    }
    short interest = connection_interest(c, clock_now_ns());
    if (interest == 0 && !c->queued)
        timer_queue_add(&timers, c, c->due_ns);
    if (c->interest == UNWATCHED || (!edge && interest != c->interest))
        watch_client(c, interest);
}

static void start_client(struct connection *c)
{
    c->callback = read_request;
    c->interest = UNWATCHED;
    watch_client(c, EPOLLIN);
}

// Blocks until clients are ready or due, and calls their callbacks.
static void call_back_ready_clients(void)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    connections_end_idle(&clients);
    int ms = connections_wait_ms(&clients, timer_queue_first_ns(&timers));
    int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, ms);
    int64_t now_ns = clock_now_ns();
    struct connection *c;
    for (int i = 0; i < count; i++) {
        c = &clients.all[events[i].data.fd];
        if (events[i].data.fd == listener)
            connections_accept_some(&clients, listener, start_client);
        else if (!c->queued)
            call_back(c);
    }
    while ((c = timer_queue_take_due(&timers, now_ns)) != NULL)
        call_back(c);
}

// Watches the listener only while the server may accept a client.
static void watch_listener(void)
{
    static short watched;
    short interest = connections_may_accept(&clients) ? EPOLLIN : 0;
    if (interest == watched)
        return;
    if (watch(EPOLL_CTL_MOD, listener, interest) == 0)
        watched = interest;
    else
        clients.accept_ns = net_backoff_until_ns();  // Try again then.
}

static void serve_clients(void)
{
    while (!stop_requested()) {
        watch_listener();
        call_back_ready_clients();
    }
    connections_drain(&clients);
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    server_require(epoll >= 0, "epoll_create1");
    connections_open(&clients, &options, true, epoll);
    server_require(watch(EPOLL_CTL_ADD, listener, 0) == 0, "epoll_ctl");
    server_ready();
    serve_clients();
    return report_summary();  // Reached after SIGTERM: see common/server.c.
}

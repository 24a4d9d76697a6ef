// callbacks.c - the server of servers/coroutine.c, written with callbacks.
//
// The bench compares the two, to measure what coroutines cost. This server
// makes the same system calls in the same order. But struct client holds what a
// coroutine keeps on its stack. When epoll reports a client, serve() finds out
// from this struct what to do next. Each descriptor is added to epoll once,
// edge-triggered. A turn ends after REPLIES_PER_TURN replies, which take
// CO_BUDGET calls. There is no --delay: it needs timers, which do not matter
// for this comparison.

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../servers/common/net.h"
#include "../servers/common/server.h"

enum {
    EVENTS_AT_ONCE = 256,
    OTHER_DESCRIPTORS = 16,
    REPLIES_PER_TURN = 8,
    ENDED = EPOLLRDHUP | EPOLLHUP | EPOLLERR,
};

enum outcome { WAITING, CONTINUING, OVER };

struct client {
    int fd;
    bool open;
    bool readable, writable;  // false: recv() or send() would give EAGAIN
    bool read_on;             // a short recv() may leave more to read
    bool queued;              // its last turn ended with work left
    struct client *next;      // in the queue of such clients
    struct net_progress progress;
    struct session session;
};

static struct options options = {.model = "callbacks", .nonblocking = true};
static int listener, epoll;
static struct client *clients;  // indexed by descriptor
static int client_count, clients_size;
static bool pending;          // A client may be in the accept queue.
static struct client *queue;  // Clients with work left.

// Receives until a complete request has arrived, and writes its reply into the
// session.
static enum outcome next_reply(struct client *c)
{
    struct session *s = &c->session;
    while (!session_answer(s)) {
        if (!c->readable && !stop_requested())
            return WAITING;
        size_t space = session_space_len(s), end = s->end;
        if (!net_try_receive(c->fd, s, &c->progress))
            return OVER;
        c->readable =
            !c->progress.blocked && (s->end - end == space || c->read_on);
    }
    c->progress.sent = 0;
    return CONTINUING;
}

// Sends as much of the rest of the reply as the kernel takes.
static enum outcome send_reply(struct client *c)
{
    if (!c->writable)
        return WAITING;
    if (!net_try_send(c->fd, &c->session, &c->progress))
        return OVER;
    c->writable = !c->progress.blocked;
    return CONTINUING;
}

// Gives a client a turn. If work is left, adds the client to the queue, for
// another turn in this or the next round.
static void serve(struct client *c)
{
    enum outcome outcome = CONTINUING;
    for (int i = 0; i < REPLIES_PER_TURN && outcome == CONTINUING; i++) {
        if (c->progress.sent == c->session.reply_len)
            outcome = next_reply(c);
        if (outcome == CONTINUING)
            outcome = send_reply(c);
    }
    c->queued = outcome == CONTINUING;
    if (c->queued) {
        c->next = queue;
        queue = c;
    }
    if (outcome != OVER || !net_prepare_close(c->fd, &c->progress))
        return;
    report_session(&c->session);
    c->open = false;
    close(c->fd);
    client_count--;
}

static void serve_queue(void)
{
    struct client *c = queue;
    queue = NULL;
    while (c != NULL) {
        struct client *next = c->next;
        serve(c);
        c = next;
    }
}

static int watch(int fd, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLET, .data.fd = fd};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void start_client(int fd)
{
    if (fd >= clients_size || watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP) != 0) {
        close(fd);
        return;
    }
    struct client *c = &clients[fd];
    *c = (struct client){.fd = fd, .open = true};
    session_start(&c->session, &options.rules);
    client_count++;
}

static void accept_clients(void)
{
    int fd = 0;
    while (client_count < options.clients_max &&
           (fd = net_accept_nonblocking(listener)) >= 0)
        start_client(fd);
    pending = fd >= 0 || !net_would_block();
}

static void handle(const struct epoll_event *event)
{
    struct client *c = &clients[event->data.fd];
    if (event->data.fd == listener) {
        pending = true;
        return;
    }
    c->readable = c->readable || (event->events & (EPOLLIN | ENDED));
    c->writable = c->writable || (event->events & (EPOLLOUT | ENDED));
    c->read_on = c->read_on || (event->events & ENDED);
    if (!c->queued)
        serve(c);
}

static void run_round(void)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int timeout_ms = queue != NULL ? 0 : pending ? NET_BACKOFF_MS : -1;
    int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, timeout_ms);
    for (int i = 0; i < count; i++)
        handle(&events[i]);
    serve_queue();
    if (pending && client_count < options.clients_max)
        accept_clients();
}

// Answers the requests that have arrived, and closes all connections.
static void drain_clients(void)
{
    while (client_count > 0) {
        queue = NULL;
        for (int fd = 0; fd < clients_size; fd++) {
            struct client *c = &clients[fd];
            c->writable = true;
            if (c->open)
                serve(c);
        }
        sleep_ms(queue == NULL && client_count > 0 ? NET_CLOSE_MS : 0);
    }
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    if (options.delay_ms > 0)
        options_refuse(&options, "delay", "0 in this comparison", "more");
    clients_size = options.clients_max + OTHER_DESCRIPTORS;
    clients = server_allocate(clients_size, sizeof *clients);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    server_require(epoll >= 0, "epoll_create1");
    server_require(watch(listener, EPOLLIN) == 0, "epoll_ctl");
    server_ready();
    while (!stop_requested())
        run_round();
    drain_clients();
    return report_summary();
}

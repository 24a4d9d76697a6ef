// callbacks.c - the server of servers/coroutine.c, written with callbacks.
//
// What coroutines are measured against: the same system calls in the same
// order, but what a coroutine keeps on its stack is a struct here, and each
// time something can be done for a client, a function is called that has to
// find out what. Descriptors are made known to epoll once, edge-triggered; a
// turn ends after as many replies as a turn there has calls. Only --delay is
// missing: it needs timers, which say nothing about this comparison.

#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../servers/common/net.h"
#include "../servers/common/report.h"
#include "../servers/common/startup.h"
#include "../servers/common/stop.h"

enum {
    EVENTS_AT_ONCE = 256,
    OTHER_DESCRIPTORS = 16,
    REPLIES_PER_TURN = 8,
    ENDED = EPOLLRDHUP | EPOLLHUP | EPOLLERR,
};

enum outcome { WAITING, GOING_ON, OVER };

struct client {
    int fd;
    bool open;
    bool readable, writable;  // A call need not be in vain.
    bool read_on;             // The end of the input may hide behind the rest.
    bool in_line;             // Its last turn was over too soon.
    struct client *next;      // in the line of those
    size_t sent;  // Bytes of session.reply that the kernel has taken.
    struct net_progress progress;
    struct session session;
};

static struct options opt = {.model = "callbacks"};
static int listener, epoll;
static struct client *clients;  // indexed by descriptor
static int client_count, clients_size;
static bool more_to_accept;  // or there may be
static struct client *line;  // Clients for whom there is more to do.

// Receives until the client has completed a request and the session holds the
// reply.
static enum outcome next_reply(struct client *c)
{
    struct session *s = &c->session;
    while (!session_answer(s)) {
        if (session_over(s))
            return OVER;
        if (!c->readable)
            return WAITING;
        size_t room = session_room(s);
        ssize_t got = net_recv(c->fd, session_space(s), room);
        if (got < 0 && !net_would_block())
            return OVER;
        c->readable = got == (ssize_t)room || (got >= 0 && c->read_on);
        if (got >= 0)
            session_received(s, (size_t)got);
    }
    c->sent = 0;
    return GOING_ON;
}

// Sends what is left of the reply, as far as the kernel takes it.
static enum outcome send_reply(struct client *c)
{
    if (!c->writable)
        return WAITING;
    const char *rest = c->session.reply + c->sent;
    size_t len = c->session.reply_len - c->sent;
    ssize_t put = net_send(c->fd, rest, len, 0);
    if (put < 0 && (!net_would_block() ||
                    (stop_requested() && net_stalled(c->fd, &c->progress))))
        return OVER;
    c->writable = put >= 0;
    c->sent += put > 0 ? (size_t)put : 0;
    return GOING_ON;
}

// One turn of a client. It gets another one in this or the next round if there
// is more to do for it.
static void serve(struct client *c)
{
    enum outcome outcome = GOING_ON;
    for (int left = REPLIES_PER_TURN; left > 0 && outcome == GOING_ON; left--) {
        if (c->sent == c->session.reply_len)
            outcome = next_reply(c);
        if (outcome == GOING_ON)
            outcome = send_reply(c);
    }
    c->in_line = outcome == GOING_ON;
    if (c->in_line) {
        c->next = line;
        line = c;
    }
    if (outcome != OVER || net_lingers(c->fd, &c->progress))
        return;
    report_session(&c->session);
    c->open = false;
    close(c->fd);
    client_count--;
}

static void serve_line(void)
{
    struct client *c = line;
    line = NULL;
    while (c != NULL) {
        struct client *next = c->next;
        serve(c);
        c = next;
    }
}

static int watch(int fd, uint32_t events)
{
    struct epoll_event wanted = {.events = events | EPOLLET, .data.fd = fd};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted);
}

static void start_client(int fd)
{
    if (fd >= clients_size || watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP) != 0) {
        close(fd);
        return;
    }
    struct client *c = &clients[fd];
    *c = (struct client){.fd = fd, .open = true};
    session_start(&c->session, &opt.rules);
    client_count++;
}

static void accept_clients(void)
{
    int fd = 0;
    while (client_count < opt.clients_max &&
           (fd = net_accept_now(listener, SOCK_NONBLOCK)) >= 0)
        start_client(fd);
    more_to_accept = fd >= 0 || !net_would_block();
    if (fd < 0 && more_to_accept && !stop_requested())
        report_shortage("accept");
}

static void handle(const struct epoll_event *event)
{
    struct client *c = &clients[event->data.fd];
    if (event->data.fd == listener) {
        more_to_accept = true;
        return;
    }
    c->readable = c->readable || (event->events & (EPOLLIN | ENDED));
    c->writable = c->writable || (event->events & (EPOLLOUT | ENDED));
    c->read_on = c->read_on || (event->events & ENDED);
    if (!c->in_line)
        serve(c);
}

static void run_round(void)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int timeout_ms = line != NULL ? 0 : more_to_accept ? NET_RETRY_MS : -1;
    int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, timeout_ms);
    for (int i = 0; i < count; i++)
        handle(&events[i]);
    serve_line();
    if (more_to_accept && client_count < opt.clients_max)
        accept_clients();
}

// What has arrived by now is answered, and that is all.
static void serve_the_rest(void)
{
    for (int fd = 0; fd < clients_size; fd++)
        if (clients[fd].open && !net_half_closed(fd))
            session_finish(&clients[fd].session, net_unread(fd));
    while (client_count > 0) {
        line = NULL;
        for (int fd = 0; fd < clients_size; fd++) {
            struct client *c = &clients[fd];
            c->readable = c->writable = true;
            if (c->open)
                serve(c);
        }
        if (line == NULL && client_count > 0)
            net_backend(NET_LINGER_MS);
    }
}

static void end_waits(void)
{
    shutdown(listener, SHUT_RDWR);
}

int main(int argc, char **argv)
{
    listener = startup(&opt, argc, argv);
    if (opt.delay_ms > 0)
        options_refuse(&opt, "delay", "0 in this comparison", "more");
    clients_size = opt.clients_max + OTHER_DESCRIPTORS;
    clients = calloc((size_t)clients_size, sizeof *clients);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (clients == NULL || epoll < 0 || net_set_nonblocking(listener) != 0 ||
        watch(listener, EPOLLIN) != 0)
        startup_failed("callbacks");
    startup_ready(listener, end_waits);
    while (!stop_requested())
        run_round();
    close(listener);
    serve_the_rest();
    return report_summary();
}

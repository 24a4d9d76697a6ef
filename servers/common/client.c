// client.c - one client of a server that asks instead of waiting.
//
// For what is to be noticed, see the same functions in servers/nonblocking.c.

#include "client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "report.h"
#include "stop.h"

void client_start(struct client *c, int fd, const struct options *opt)
{
    *c = (struct client){.fd = fd, .heard_ns = net_now_ns()};
    session_start(&c->session, &opt->rules);
}

bool client_send_reply(struct client *c)
{
    const char *rest = c->session.reply + c->sent;
    ssize_t put = net_send(c->fd, rest, c->session.reply_len - c->sent, 0);
    c->blocked = put < 0;

    if (put < 0)
        return net_would_block() &&
               !(stop_requested() && net_stalled(c->fd, &c->progress));
    c->sent += (size_t)put;
    c->heard_ns = net_now_ns();
    return true;
}

bool client_receive(struct client *c)
{
    struct session *s = &c->session;
    ssize_t got = net_recv(c->fd, session_space(s), session_room(s));
    c->blocked = got < 0;

    if (got < 0)
        return net_would_block();
    c->heard_ns = net_now_ns();
    session_received(s, (size_t)got);
    return true;
}

bool client_step(struct client *c, const struct options *opt, int64_t now_ns)
{
    struct session *s = &c->session;
    bool replied = c->sent == s->reply_len;

    if (replied) {
        if (!session_answer(s)) {
            if (session_over(s) || !client_receive(c))
                return false;
            if (!session_answer(s))
                return true;
        }
        c->sent = 0;
        if (opt->delay_ms > 0)
            c->due_ns = net_now_ns() + opt->delay_ms * (int64_t)NET_NS_PER_MS;
    }
    return now_ns < c->due_ns || client_send_reply(c);
}

short client_needs(const struct client *c, int64_t now_ns)
{
    if (now_ns < c->due_ns)
        return 0;
    // Between two replies, one that is pending needs room for it at most.
    bool replied = c->sent == c->session.reply_len;
    return replied && !session_pending(&c->session) ? POLLIN : POLLOUT;
}

int64_t clients_end_silent(const struct client *clients, int count,
                           int64_t now_ns)
{
    static int64_t look_ns;
    if (!net_too_silent(INT64_MAX))
        return INT64_MAX;
    for (int i = 0; i < count && look_ns <= now_ns; i++)
        if (clients[i].fd > 0 && client_needs(&clients[i], now_ns) == POLLIN &&
            net_too_silent(now_ns - clients[i].heard_ns))
            shutdown(clients[i].fd, SHUT_RDWR);
    if (look_ns <= now_ns)
        look_ns = now_ns + NET_NS_PER_S;
    return look_ns;
}

// Of three times the earliest, of `otherwise_ns` only if it is not over yet.
static int64_t earliest(int64_t due_ns, int64_t look_ns, int64_t otherwise_ns,
                        int64_t now_ns)
{
    int64_t first_ns = due_ns < look_ns ? due_ns : look_ns;
    bool sooner = otherwise_ns > now_ns && otherwise_ns < first_ns;
    return sooner ? otherwise_ns : first_ns;
}

int64_t clients_next_ns(const struct client *clients, int count,
                        const struct options *opt, int64_t now_ns,
                        int64_t otherwise_ns)
{
    int64_t due_ns = INT64_MAX;
    for (int i = 0; i < count && opt->delay_ms > 0; i++)
        if (clients[i].due_ns > now_ns && clients[i].due_ns < due_ns)
            due_ns = clients[i].due_ns;
    int64_t look_ns = clients_end_silent(clients, count, now_ns);
    return earliest(due_ns, look_ns, otherwise_ns, now_ns);
}

void client_line_up(struct client_line *line, struct client *c)
{
    c->in_line = true;
    c->next = NULL;
    if (line->first == NULL)
        line->first = c;
    else
        line->last->next = c;
    line->last = c;
}

int64_t client_line_until(const struct client_line *line, int64_t now_ns,
                          int64_t otherwise_ns)
{
    int64_t due_ns = line->first != NULL ? line->first->due_ns : INT64_MAX;
    int64_t look_ns = clients_end_silent(line->all, line->count, now_ns);
    return earliest(due_ns, look_ns, otherwise_ns, now_ns);
}

struct client *client_next_due(struct client_line *line, int64_t now_ns)
{
    struct client *c = line->first;
    if (c == NULL || c->due_ns > now_ns)
        return NULL;
    line->first = c->next;
    c->in_line = false;
    return c;
}

int client_accept(int listener, int64_t *again_ns)
{
    int fd = net_accept_now(listener, SOCK_NONBLOCK);
    if (fd < 0 && !net_would_block() && !stop_requested()) {
        report_shortage("accept");  // Who waits stays in the queue.
        *again_ns = net_now_ns() + NET_RETRY_MS * (int64_t)NET_NS_PER_MS;
    }
    return fd;
}

void client_close(struct client *c)
{
    report_session(&c->session);
    close(c->fd);
    c->fd = 0;
}

bool client_end(struct client *c)
{
    c->over = true;
    if (net_lingers(c->fd, &c->progress))
        return false;
    client_close(c);
    return true;
}

static void finish(struct client *c)
{
    if (!net_half_closed(c->fd))
        session_finish(&c->session, net_unread(c->fd));
}

// Not step by step with a question to the kernel in between: poll() says "not
// now" while less than a third of the buffer is free, and send() takes more.
static bool drain(struct client *c, const struct options *opt)
{
    int64_t now_ns = net_now_ns();
    c->blocked = false;
    while (!c->over && !c->blocked && now_ns >= c->due_ns)
        c->over = !client_step(c, opt, now_ns);
    return !(c->over && client_end(c));
}

// Returns how many are still open.
static int drain_once(struct client *clients, int count,
                      const struct options *opt)
{
    int open = 0;
    for (struct client *c = clients; c < clients + count; c++)
        open += c->fd > 0 && drain(c, opt);
    return open;
}

void clients_drain(struct client *clients, int count, const struct options *opt)
{
    for (struct client *c = clients; c < clients + count; c++)
        if (c->fd > 0)
            finish(c);
    while (drain_once(clients, count, opt) > 0)
        net_backend(NET_LINGER_MS);
}

// connection.c - the connections of a server with one thread and no blocking
// calls.
//
// connection_step() does the same as step() in servers/nonblocking.c: read that
// first. Only connections_drain() blocks.

#include "connection.h"

#include <poll.h>
#include <unistd.h>

#include "server.h"

enum { STEPS_IN_A_ROW = 8 };  // for one client, while the server stops

void connections_open(struct connections *t, const struct options *options,
                      bool by_descriptor, int highest)
{
    int size = options->clients_max;
    if (by_descriptor)
        size = net_limit_descriptors(highest + 1 + options->clients_max);
    *t = (struct connections){.options = options,
                              .all = server_allocate(size, sizeof *t->all),
                              .by_descriptor = by_descriptor};
}

bool connections_may_accept(const struct connections *t)
{
    return t->count < t->options->clients_max &&
           (t->accept_ns == 0 || clock_now_ns() >= t->accept_ns);
}

struct connection *connections_add(struct connections *t, int fd)
{
    int place = t->by_descriptor ? fd : t->count;
    struct connection *c = &t->all[place];
    *c = (struct connection){.fd = fd};
    session_start(&c->session, &t->options->rules);
    t->count++;
    t->used = t->used > place ? t->used : place + 1;
    return c;
}

struct connection *connections_accept(struct connections *t, int listener)
{
    if (t->count == t->options->clients_max)
        return NULL;
    int fd = net_accept_nonblocking(listener);
    if (fd >= 0)
        return connections_add(t, fd);
    if (!net_would_block())
        t->accept_ns = net_backoff_until_ns();
    return NULL;
}

bool connections_accept_some(struct connections *t, int listener,
                             void (*start)(struct connection *c))
{
    int more = t->count + NET_ACCEPTS_IN_A_ROW;
    for (int i = 0; i < more; i++) {
        struct connection *c = connections_accept(t, listener);
        if (c == NULL)
            return !connections_may_accept(t);
        if (start != NULL)
            start(c);
    }
    return true;
}

void connections_close(struct connections *t, struct connection *c)
{
    if (!net_prepare_close(c->fd, &c->progress))
        return;
    report_session(&c->session);
    close(c->fd);
    t->count--;
    if (t->by_descriptor) {
        c->fd = 0;
    } else {
        *c = t->all[t->count];
        t->used = t->count;
    }
}

void connection_start_backend(struct connection *c,
                              const struct options *options)
{
    if (options->delay_ms > 0)
        c->due_ns = clock_now_ns() + options->delay_ms * (int64_t)NS_PER_MS;
}

bool connection_step(struct connection *c, const struct options *options)
{
    struct session *s = &c->session;

    if (c->progress.sent == s->reply_len) {
        if (!session_answer(s)) {
            bool open = net_try_receive(c->fd, s, &c->progress);
            if (!open || !session_answer(s))
                return open;
        }
        c->progress.sent = 0;
        connection_start_backend(c, options);
    }
    return clock_now_ns() < c->due_ns || net_try_send(c->fd, s, &c->progress);
}

short connection_interest(const struct connection *c, int64_t now_ns)
{
    if (now_ns < c->due_ns)
        return 0;
    // After a reply, the next step usually has to wait for input. But if the
    // session already holds more input, or the conversation is over, the step
    // can run now. So the connection waits for POLLOUT, which the kernel
    // usually reports at once.
    bool replied = c->progress.sent == c->session.reply_len;
    bool finished = session_pending(&c->session) || session_over(&c->session);
    return replied && !finished ? POLLIN : POLLOUT;
}

// Shuts down a connection if it is idle, and ends its session. Otherwise the
// next recv(), which returns 0, would make the session treat an incomplete last
// line as a request, although the client has not finished it.
static void end_if_idle(struct connection *c)
{
    if (net_end_if_idle(c->fd, &c->progress))
        session_end(&c->session);
}

void connections_end_idle(struct connections *t)
{
    int64_t now_ns = clock_now_ns();
    if (t->options->idle_timeout_s == 0 || now_ns < t->check_ns)
        return;
    for (int i = 0; i < t->used; i++) {
        struct connection *c = &t->all[i];
        if (c->fd > 0 && connection_interest(c, now_ns) != 0)
            end_if_idle(c);
    }
    t->check_ns = now_ns + NS_PER_S;
}

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

int connections_wait_ms(const struct connections *t, int64_t due_ns)
{
    if (t->options->idle_timeout_s > 0)
        due_ns = earlier(due_ns, t->check_ns);
    if (t->accept_ns > clock_now_ns())
        due_ns = earlier(due_ns, t->accept_ns);
    return clock_ms_until(due_ns);
}

int64_t connections_due_ns(const struct connections *t)
{
    int64_t due_ns = INT64_MAX;
    for (int i = 0; i < t->count; i++)
        if (t->all[i].interest == 0)
            due_ns = earlier(due_ns, t->all[i].due_ns);
    return due_ns;
}

// Makes steps for a connection until a step would have to wait, but at most
// STEPS_IN_A_ROW, and closes it once its conversation is over. Returns true if
// the next step need not wait. Calls send() without asking poll() first: poll()
// reports a socket as writable only if a third of its buffer is free, but
// send() can use a smaller part.
static bool drain(struct connections *t, struct connection *c)
{
    c->progress.blocked = false;
    for (int i = 0; i < STEPS_IN_A_ROW && clock_now_ns() >= c->due_ns; i++) {
        if (!connection_step(c, t->options)) {
            connections_close(t, c);
            return false;
        }
        if (c->progress.blocked)
            return false;
    }
    return clock_now_ns() >= c->due_ns;
}

void connections_drain(struct connections *t)
{
    while (t->count > 0) {
        bool more = false;
        for (int i = t->used - 1; i >= 0; i--)
            if (t->all[i].fd > 0)
                more = drain(t, &t->all[i]) || more;
        sleep_ms(t->count > 0 && !more ? NET_CLOSE_MS : 0);
    }
}

// uring.c - the kernel is asked to do it, and says when it is done.
//
// Model     one thread; requests and results go through two rings (io_uring)
// Waits     in io_uring_enter() only, for all clients at once
// Strength  one system call for many receives and sends, and no call in vain
// Weakness  kernels and containers may refuse it; buffers are lent meanwhile
//
// What changed from callback.c: not "can I receive?", but "receive this": no
// call would block, there are only results. It needs Linux 5.7.

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "../common/client.h"
#include "../common/report.h"
#include "../common/ring.h"
#include "../common/startup.h"
#include "../common/stop.h"

enum { DOOR, STOPPER };  // Requests that are no client's: no descriptor of one.

static struct options opt = {.model = "uring", .no_idle_timeout = true};
static int listener, client_count, end;
static struct ring ring;
static struct client *clients;  // Indexed by descriptor.

// Asks the kernel for something, and for a call of `then` with the result.
static void ask(struct client *c, uint8_t operation, const void *at, size_t len,
                bool (*then)(struct client *c))
{
    c->go_on = then;
    ring_ask(&ring, operation, c->fd, at, len, (uint64_t)(c - clients));
}

static bool go_on(struct client *c);

static bool sent(struct client *c)
{
    c->sent += (size_t)c->result;
    return go_on(c);
}

// What next_reply() in blocking.c does after net_recv().
static bool received(struct client *c)
{
    struct session *s = &c->session;
    if (stop_requested() && !net_half_closed(c->fd))
        session_finish(s, (size_t)c->result + net_unread(c->fd));
    session_received(s, (size_t)c->result);
    return go_on(c);
}

// Asks for what comes next. Returns false when that is nothing.
// LESSON lent-buffers: the kernel reads and writes the session meanwhile, so
// that must stay where it is until the result comes.
static bool go_on(struct client *c)
{
    struct session *s = &c->session;
    bool answered = c->sent == s->reply_len && session_answer(s);
    if (answered)
        c->sent = 0;
    size_t left = s->reply_len - c->sent;
    if (answered && opt.delay_ms > 0)
        ask(c, IORING_OP_TIMEOUT, NULL, (size_t)opt.delay_ms, go_on);
    else if (left > 0)
        ask(c, IORING_OP_SEND, s->reply + c->sent, left, sent);
    else if (!session_over(s))
        ask(c, IORING_OP_RECV, session_space(s), session_room(s), received);
    return left > 0 || !session_over(s);
}

static bool accepted(struct client *door)
{
    int fd = door->result;
    door->go_on = NULL;
    if (fd >= 0) {
        client_start(&clients[fd], fd, &opt);
        client_count++;
        return go_on(&clients[fd]);
    }
    if (fd != -ETIME && fd != -ECONNABORTED && !stop_requested()) {
        errno = -fd;
        report_shortage("accept");  // Who waits stays in the queue.
        ask(door, IORING_OP_TIMEOUT, NULL, NET_RETRY_MS, accepted);
    }
    return true;
}

// LESSON one-call-for-many: submits all that was asked for, sleeps until there
// is a number of results, 0 or 1, and handles as many as there are.
static int run_round(unsigned wanted)
{
    uint64_t who;
    int result, count = 0;
    bool room = client_count < opt.clients_max && !stop_requested();
    if (room && clients[DOOR].go_on == NULL)
        ask(&clients[DOOR], IORING_OP_ACCEPT, NULL, 0, accepted);
    if (ring_enter(&ring, wanted) != 0 && errno != EINTR)
        net_retry_later("io_uring_enter");
    for (; count < RING_SIZE - 1 && ring_take(&ring, &who, &result); count++) {
        struct client *c = &clients[who];
        c->result = result;
        bool failed = who > STOPPER && result < 0 && result != -ETIME;
        if (failed || (who != STOPPER && !c->go_on(c)))
            client_count -= client_end(c);
    }
    return count;
}

static void drain_clients(void)
{
    for (int fd = listener + 1; fd < end; fd++)
        shutdown(fd, SHUT_RD);  // What has arrived is received, then 0.
    for (; client_count > 0; net_backend(NET_LINGER_MS)) {
        while (run_round(0) > 0)
            ;
        for (struct client *c = &clients[listener]; c < clients + end; c++)
            if (c->fd > 0 && c->over)
                client_count -= client_end(c);
            else if (c->fd > 0 && c->go_on == sent &&
                     net_stalled(c->fd, &c->progress))
                shutdown(c->fd, SHUT_RDWR);  // What we asked for fails now.
    }
}

static void end_waits(void)
{
    shutdown(listener, SHUT_RDWR);
}

int main(int argc, char **argv)
{
    listener = startup(&opt, argc, argv);
    if (ring_open(&ring) != 0)
        startup_failed("the kernel refuses io_uring");
    end = net_limit_descriptors(ring.fd + 1 + opt.clients_max);
    clients = calloc((size_t)end, sizeof *clients);
    if (clients == NULL)
        startup_failed("uring");
    clients[DOOR].fd = listener;
    ring_ask(&ring, IORING_OP_POLL_ADD, listener, NULL, 0, STOPPER);
    startup_ready(listener, end_waits);
    while (!stop_requested())
        run_round(1);
    drain_clients();
    return report_summary();
}

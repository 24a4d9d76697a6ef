// uring.c - the kernel does the work, and reports when it is done (io_uring).
//
// Model     one thread; requests and results pass through two shared rings
// Blocks    in io_uring_enter() only, for all clients at once
// Strength  one system call submits many receives and sends
// Weakness  kernels and containers may refuse io_uring; buffers must not move
//
// What changed from callback.c: the server does not wait until it can receive.
// It asks the kernel to receive, and later gets the result. Needs Linux 5.7.

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "../common/connection.h"
#include "../common/server.h"
#include "ring.h"

// `data` of a request: the descriptor of a client (above 3), or one of these.
enum { ACCEPTED, ACCEPT_AGAIN, CHECK_IDLE, LISTENER_CLOSED };
enum { OVER = -1 };  // `interest` of a client whose conversation is over.

static struct options options = {.model = "uring"};
static int listener;
static struct ring ring;
static struct connections clients;
static bool accepting;  // A request ACCEPTED or ACCEPT_AGAIN is in flight.

// Submits the prepared requests. Blocks until at least `results` results (0 or
// 1) are there. Backs off if this fails.
static void submit(unsigned results)
{
    if (ring_enter(&ring, results) != 0 && errno != EINTR && errno != EBUSY)
        net_backoff("io_uring_enter");
}

// Prepares a request. handle_result() gets `data` together with the result.
static void ask(uint8_t operation, int fd, const void *address, size_t len,
                uint64_t data)
{
    const struct ring_request request = {operation, fd, address, len, data};
    while (!ring_prepare(&ring, &request))
        submit(0);
}

// Asks the kernel for the next operation of a client, and sets `interest` to
// what the client waits for. Returns false once the conversation is over.
// LESSON lent-buffers: until the result comes, the kernel reads or writes the
// buffers of the session, so the session must stay where it is.
static bool proceed(struct connection *c)
{
    struct session *s = &c->session;
    uint64_t data = (uint64_t)c->fd;
    bool answered = c->progress.sent == s->reply_len && session_answer(s);
    if (answered) {
        c->progress.sent = 0;
        connection_start_backend(c, &options);
    }
    char *rest = s->reply + c->progress.sent;
    size_t left = s->reply_len - c->progress.sent;
    if (answered && options.delay_ms > 0) {
        c->interest = 0;
        ask(IORING_OP_TIMEOUT, -1, NULL, (size_t)options.delay_ms, data);
    } else if (left > 0) {
        c->interest = POLLOUT;
        ask(IORING_OP_SEND, c->fd, rest, left, data);
    } else if (!session_over(s)) {
        c->interest = POLLIN;
        ask(IORING_OP_RECV, c->fd, session_space(s), session_space_len(s),
            data);
    }
    return left > 0 || !session_over(s);
}

// Closes a client, or leaves this to drain_clients(): see connections_close().
static void end_client(struct connection *c)
{
    c->interest = OVER;
    connections_close(&clients, c);
}

static void handle_client(struct connection *c, int result)
{
    // -EAGAIN: SO_SNDTIMEO has passed. proceed() submits the request again.
    bool again = result == -EAGAIN || result == -EINTR;
    bool failed = result < 0 && result != -ETIME && !again;
    c->progress.active = c->progress.active || !again;
    if (result > 0 && c->interest == POLLOUT)
        c->progress.sent += (size_t)result;
    if (c->interest == POLLOUT && c->progress.sent == c->session.reply_len)
        net_sent(c->fd);
    if (result >= 0 && c->interest == POLLIN)
        net_received(c->fd, &c->session, (size_t)result);
    if (failed || !proceed(c))
        end_client(c);
}

static void handle_accept(int result)
{
    accepting = false;
    if (result >= 0) {
        net_accepted(result);
        proceed(connections_add(&clients, result));
    } else if (result != -ECONNABORTED && !stop_requested()) {
        errno = -result;
        report_exhausted("accept");  // The client stays in the queue.
        ask(IORING_OP_TIMEOUT, -1, NULL, NET_BACKOFF_MS, ACCEPT_AGAIN);
        accepting = true;
    }
}

static void check_idle(void)
{
    connections_end_idle(&clients);
    ask(IORING_OP_TIMEOUT, -1, NULL, MS_PER_S, CHECK_IDLE);
}

static void handle_result(uint64_t data, int result)
{
    if (data == ACCEPTED)
        handle_accept(result);
    else if (data == ACCEPT_AGAIN)
        accepting = false;
    else if (data == CHECK_IDLE)
        check_idle();
    else if (data != LISTENER_CLOSED)
        handle_client(&clients.all[data], result);
}

// LESSON one-call-for-many: one system call submits all prepared requests, and
// blocks until at least `results` results (0 or 1) are there. Then this
// function handles all results, and returns how many there were.
static int run_round(unsigned results)
{
    uint64_t data;
    int result, count = 0;
    if (!accepting && connections_may_accept(&clients) && !stop_requested()) {
        ask(IORING_OP_ACCEPT, listener, NULL, 0, ACCEPTED);
        accepting = true;
    }
    submit(results);
    while (ring_take(&ring, &data, &result)) {
        handle_result(data, result);
        count++;
    }
    return count;
}

static void drain_clients(void)
{
    // An accept request that is in flight may still bring a client.
    while (clients.count > 0 || accepting) {
        while (run_round(0) > 0)
            ;
        for (int fd = listener + 1; fd < clients.used; fd++) {
            struct connection *c = &clients.all[fd];
            if (c->fd > 0 && c->interest == OVER)
                end_client(c);
            else if (c->fd > 0 && c->interest == POLLOUT)
                net_end_if_idle(fd, &c->progress);  // If so, its request fails.
        }
        sleep_ms(clients.count > 0 ? NET_CLOSE_MS : 0);
    }
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    server_require(ring_open(&ring) == 0, "the kernel refuses io_uring");
    connections_open(&clients, &options, true, ring.fd);
    ask(IORING_OP_POLL_ADD, listener, NULL, 0, LISTENER_CLOSED);
    if (options.idle_timeout_s > 0)
        check_idle();
    server_ready();
    while (!stop_requested())
        run_round(1);
    drain_clients();
    return report_summary();  // Reached after SIGTERM: see common/server.c.
}

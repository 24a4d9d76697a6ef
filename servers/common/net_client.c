// net_client.c - the socket calls for an accepted client: receive, send, close.
//
// net_receive(), net_send_all() and net_close() may block, and so may
// net_send_all_with() if `send_some` does.

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "net.h"
#include "report.h"
#include "stop.h"
#include "trace.h"

// ---- What the kernel knows of a connection

// Returns how many bytes have arrived on `fd` that recv() has not returned yet.
static size_t unread(int fd)
{
    int len = 0;
    return ioctl(fd, FIONREAD, &len) == 0 ? (size_t)len : 0;
}

static int tcp_state(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
    return info.tcpi_state;
}

// Returns true if the client has shut down its sending side: no more bytes will
// come.
static bool is_half_closed(int fd)
{
    return tcp_state(fd) == TCP_CLOSE_WAIT;
}

// Returns how many of the bytes sent on `fd` the client's kernel has not yet
// acknowledged: see tcp(7). Returns 0 after a reset: no acknowledgement comes
// then.
static size_t unacknowledged(int fd)
{
    int len = 0;
    if (ioctl(fd, TIOCOUTQ, &len) != 0 || tcp_state(fd) == TCP_CLOSE)
        return 0;
    return (size_t)len;
}

// ---- Receiving

// LESSON last-requests: a client that never stops sending must not keep a
// stopping server running. So when the server first receives from a client
// after the signal, it counts the bytes that have arrived, and takes no more
// than these. No limit is needed for a client that has shut down its sending
// side.
void net_received(int fd, struct session *s, size_t len)
{
    if (stop_requested() && !is_half_closed(fd))
        session_limit(s, len + unread(fd));
    session_received(s, len);
    trace_received(fd, s, len);
}

// Calls recv() for the session, and again if a signal interrupts it. recv()
// must not block once the server is stopping. If the signal to stop comes
// during recv(), the signal handler ends recv() (see server_ready() in
// server.h).
static ssize_t receive(int fd, struct session *s)
{
    int flags = stop_requested() ? MSG_DONTWAIT : 0;
    ssize_t n;
    do
        n = recv(fd, session_space(s), session_space_len(s), flags);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        net_received(fd, s, (size_t)n);
    return n;
}

bool net_try_receive(int fd, struct session *s, struct net_progress *progress)
{
    if (session_over(s))
        return false;
    // Check this before recv(), not after it: a request may arrive after
    // recv(), but before the signal. Then the next round must receive it.
    bool stopping = stop_requested();
    progress->blocked = receive(fd, s) < 0;
    progress->active = progress->active || !progress->blocked;
    if (!progress->blocked ||
        (net_would_block() && !stopping && !net_end_if_idle(fd, progress)))
        return true;
    session_end(s);  // From now on, what the client sends is no request.
    return false;
}

// Repeats recv() on a blocking socket. If there is an idle timeout, a recv()
// without input fails with EAGAIN after that time. But if the client has
// acknowledged replies during this time, it is not idle, and recv() waits once
// more.
bool net_receive(int fd, struct session *s)
{
    struct net_progress progress = {0};
    bool open;
    net_end_if_idle(fd, &progress);  // Notes what is not acknowledged yet.
    do
        open = net_try_receive(fd, s, &progress);
    while (open && progress.blocked);
    return open;
}

// ---- Sending

void net_sent(int fd)
{
    trace_sent(fd);
}

// Calls send(), and again if a signal interrupts it. If the client is gone,
// MSG_NOSIGNAL makes send() fail with EPIPE instead of raising SIGPIPE.
static ssize_t try_send(int fd, const char *data, size_t len, int flags)
{
    ssize_t n;
    do
        n = send(fd, data, len, flags | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

bool net_try_send(int fd, const struct session *s,
                  struct net_progress *progress)
{
    const char *rest = s->reply + progress->sent;
    ssize_t n = try_send(fd, rest, s->reply_len - progress->sent, 0);
    progress->blocked = n < 0;
    if (n < 0)
        return net_would_block() && !net_end_if_idle(fd, progress);
    progress->sent += (size_t)n;
    progress->active = true;
    if (progress->sent == s->reply_len)
        net_sent(fd);
    return true;
}

// Sends on a blocking socket. Blocks for NET_CHECK_MS at most. Returns how many
// bytes the kernel took, or -1.
static ssize_t send_for_a_while(int fd, const char *data, size_t len)
{
    ssize_t n = try_send(fd, data, len, 0);
    // A blocking send() waits until a third of the buffer is free. A slow
    // client may free less than that in NET_CHECK_MS. A non-blocking send() can
    // use this smaller part.
    if (n < 0 && net_would_block())
        n = try_send(fd, data, len, MSG_DONTWAIT);
    return n < 0 && net_would_block() ? 0 : n;
}

int net_send_all_with(ssize_t (*send_some)(int fd, const char *data,
                                           size_t len),
                      int fd, const void *buf, size_t len)
{
    // LESSON partial-writes: if the client does not read, the socket's buffer
    // fills up, and send() takes fewer bytes than it was given. This is not an
    // error: send the rest later, as long as the client still reads.
    struct net_progress progress = {0};
    while (progress.sent < len) {
        const char *rest = (const char *)buf + progress.sent;
        ssize_t n = send_some(fd, rest, len - progress.sent);
        if (n < 0)
            return -1;
        if (n == 0 && net_end_if_idle(fd, &progress)) {
            errno = ETIMEDOUT;
            return -1;
        }
        progress.sent += (size_t)n;
        progress.active = progress.active || n > 0;
    }
    net_sent(fd);
    return 0;
}

int net_send_all(int fd, const void *buf, size_t len)
{
    return net_send_all_with(send_for_a_while, fd, buf, len);
}

// ---- Idle and closing connections

// Gives up a connection: shuts it down, and makes close() drop the bytes that
// the client has not acknowledged.
static void abandon(int fd, size_t undelivered)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    shutdown(fd, SHUT_RDWR);
    if (stop_requested())
        report_undelivered(undelivered);
}

// Returns true if abandon() was called for `fd`: only abandon() sets SO_LINGER.
static bool is_abandoned(int fd)
{
    struct linger linger = {0};
    socklen_t len = sizeof linger;
    getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len);
    return linger.l_onoff;
}

// Returns after how long without progress a client is idle; -1: never.
static int64_t idle_limit_ms(void)
{
    return stop_requested() ? NET_STALL_MS : net_idle_timeout_ms();
}

bool net_end_if_idle(int fd, struct net_progress *progress)
{
    if (idle_limit_ms() < 0)
        return false;
    int64_t now_ns = clock_now_ns(), since_ns = stop_requested_ns();
    if (now_ns < progress->check_ns)
        return false;
    progress->check_ns = now_ns + (int64_t)NET_CHECK_MS * NS_PER_MS;

    size_t left = unacknowledged(fd);
    if (progress->active || left != progress->unacked || progress->last_ns == 0)
        progress->last_ns = now_ns;
    progress->active = false;
    progress->unacked = left;

    // If the client was already idle when the signal to stop came, only the
    // time since the signal counts.
    if (progress->last_ns > since_ns)
        since_ns = progress->last_ns;
    if (now_ns - since_ns < idle_limit_ms() * NS_PER_MS)
        return false;
    abandon(fd, left);
    return true;
}

// Receives what has arrived by now, and drops it.
static void drop_input(int fd)
{
    char dropped[1024];
    size_t left = unread(fd);
    while (left > 0) {
        ssize_t n = recv(fd, dropped, sizeof dropped, MSG_DONTWAIT);
        if (n <= 0)
            return;
        left -= (size_t)n < left ? (size_t)n : left;
    }
}

// LESSON close-can-lose: if close() finds unread input, the kernel resets the
// connection. A reset discards the replies that the client has not read yet. So
// a stopping server drops all input until the client has acknowledged all
// replies.
bool net_prepare_close(int fd, struct net_progress *progress)
{
    if (!stop_requested() || is_abandoned(fd))
        return true;
    drop_input(fd);
    return unacknowledged(fd) == 0 || net_end_if_idle(fd, progress);
}

void net_close(int fd)
{
    struct net_progress progress = {0};
    while (!net_prepare_close(fd, &progress))
        sleep_ms(NET_CLOSE_MS);
    close(fd);
}

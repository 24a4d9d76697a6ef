// net.c - the socket calls, with their everyday surprises handled once.

#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "report.h"
#include "stop.h"

int net_raise_descriptor_limit(void)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur < INT_MAX ? (int)limit.rlim_cur : INT_MAX;
}

int net_limit_descriptors(int end)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return end;
    if (limit.rlim_max > (rlim_t)end)
        limit.rlim_max = (rlim_t)end;
    if (limit.rlim_cur > limit.rlim_max)
        limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return end;
}

// bind(2). With SO_REUSEPORT set before, a port that another server has would
// look free.
static int bind_to(int fd, const struct addrinfo *where,
                   enum net_sharing sharing)
{
    const int on = 1;
    const socklen_t size = sizeof on;
    if (sharing == NET_JOINING &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, size) != 0)
        return -1;
    if (bind(fd, where->ai_addr, where->ai_addrlen) != 0)
        return -1;
    return sharing == NET_FIRST
               ? setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, size)
               : 0;
}

// A socket for `where`, listening, with the options its clients will inherit.
static int listen_on(const struct addrinfo *where, int backlog,
                     enum net_sharing sharing)
{
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;

    // Without SO_REUSEADDR, a restarted server cannot bind for a minute while
    // old connections sit in TIME_WAIT. TCP_NODELAY: replies are tiny, do not
    // let Nagle's algorithm hold one back until the last is acknowledged.
    const int on = 1;
    const struct timeval stall = {.tv_sec = NET_STALL_MS / NET_MS_PER_S};
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall) == 0 &&
        bind_to(fd, where, sharing) == 0 && listen(fd, backlog) == 0)
        return fd;

    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int net_listen(const char *host, int port, int backlog,
               enum net_sharing sharing)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char service[sizeof "65535"];
    snprintf(service, sizeof service, "%d", port);
    if (getaddrinfo(host, service, &hints, &found) != 0) {
        errno = EINVAL;
        return -1;
    }
    int fd = listen_on(found, backlog, sharing);
    int saved = errno;
    freeaddrinfo(found);
    errno = saved;
    return fd;
}

int net_port(int listener)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } addr = {0};
    socklen_t len = sizeof addr;
    if (getsockname(listener, &addr.any, &len) != 0)
        return -1;
    return ntohs(addr.any.sa_family == AF_INET6 ? addr.v6.sin6_port
                                                : addr.v4.sin_port);
}

int net_accept_now(int listener, int flags)
{
    int fd;
    do
        fd = accept4(listener, NULL, NULL, flags | SOCK_CLOEXEC);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    return fd;
}

static int silence_max_s;  // Written once, before the first client.

void net_limit_silence(int timeout_s)
{
    silence_max_s = timeout_s;
}

bool net_too_silent(int64_t ns)
{
    return silence_max_s > 0 && ns / NET_NS_PER_S >= silence_max_s;
}

// Not inherited from the listener: accept() there would give up as well.
static void limit_silence(int fd)
{
    const struct timeval timeout = {.tv_sec = silence_max_s};
    if (fd >= 0 && silence_max_s > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

int net_accept(int listener)
{
    int fd;
    while ((fd = net_accept_now(listener, 0)) < 0 && !net_would_block() &&
           !stop_requested())
        if (!net_retry_later("accept"))
            break;
    limit_silence(fd);
    return fd;
}

// LESSON out-of-descriptors: a full table is no reason to die, and the client
// stays in the queue, so accept() would fail again at once, and again. Pause
// instead: somebody may close a descriptor meanwhile.
bool net_retry_later(const char *what)
{
    report_shortage(what);
    stop_wait(-1, NET_RETRY_MS);
    return !stop_requested();
}

void net_waited(int result)
{
    if (result < 0 && errno != EINTR)
        net_backend(NET_RETRY_MS);
}

int net_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

bool net_would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

ssize_t net_recv(int fd, void *buf, size_t size)
{
    ssize_t got;
    do
        got = recv(fd, buf, size, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

ssize_t net_send(int fd, const void *buf, size_t len, int flags)
{
    ssize_t put;
    do
        put = send(fd, buf, len, flags | MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    return put;
}

// Sends some of it. Returns how much, which is 0 after NET_STALL_MS without any
// progress, or -1.
static ssize_t send_some(int fd, const char *data, size_t len)
{
    ssize_t put = net_send(fd, data, len, 0);
    // send() sleeps until a third of the buffer is free. A slow reader may not
    // have taken that much, but something: see whether there is any room.
    if (put < 0 && net_would_block())
        put = net_send(fd, data, len, MSG_DONTWAIT);
    return put < 0 && net_would_block() ? 0 : put;
}

int net_send_all(int fd, const void *buf, size_t len)
{
    // LESSON partial-writes: send() may take fewer bytes than offered, when the
    // socket's buffer fills up because the client does not read. It is no
    // error: offer the rest again, for as long as it takes.
    size_t sent = 0;
    while (sent < len) {
        ssize_t put = send_some(fd, (const char *)buf + sent, len - sent);
        if (put < 0 || (put == 0 && stop_requested()))
            return -1;
        sent += (size_t)put;
    }
    return 0;
}

size_t net_unread(int fd)
{
    int len = 0;
    return ioctl(fd, FIONREAD, &len) == 0 ? (size_t)len : 0;
}

bool net_half_closed(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
    return info.tcpi_state == TCP_CLOSE_WAIT;
}

bool net_stalled(int fd, struct net_progress *progress)
{
    int left = 0;
    ioctl(fd, TIOCOUTQ, &left);  // Sent, and not yet confirmed: see tcp(7).
    int64_t now_ns = net_now_ns();
    if ((size_t)left != progress->left || left == 0)
        *progress = (struct net_progress){(size_t)left, now_ns};
    return now_ns - progress->since_ns > (int64_t)NET_STALL_MS * NET_NS_PER_MS;
}

// Receives what has arrived by now, for nothing.
static void drop_input(int fd)
{
    char dropped[1024];
    size_t left = net_unread(fd);
    while (left > 0) {
        ssize_t got = recv(fd, dropped, sizeof dropped, MSG_DONTWAIT);
        if (got <= 0)
            return;
        left -= (size_t)got < left ? (size_t)got : left;
    }
}

// LESSON close-can-lose: close() while input is unread resets the connection,
// and a reset throws away the replies that are still on their way. So drop what
// comes in, until all that was sent has been confirmed.
bool net_lingers(int fd, struct net_progress *progress)
{
    if (!stop_requested())
        return false;
    drop_input(fd);
    return !net_stalled(fd, progress) && progress->left > 0;
}

void net_hang_up(int fd)
{
    struct net_progress progress = {0};
    while (net_lingers(fd, &progress))
        net_backend(NET_LINGER_MS);
    close(fd);
}

void net_backend(int delay_ms)
{
    struct timespec left = net_timespec(delay_ms);
    while (delay_ms > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

struct timespec net_timespec(int ms)
{
    return (struct timespec){.tv_sec = ms / NET_MS_PER_S,
                             .tv_nsec =
                                 (long)(ms % NET_MS_PER_S) * NET_NS_PER_MS};
}

int64_t net_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NET_NS_PER_S + now.tv_nsec;
}

int net_ms_until(int64_t until_ns)
{
    if (until_ns == INT64_MAX)
        return -1;
    int64_t left_ns = until_ns - net_now_ns();
    return left_ns > 0 ? (int)((left_ns - 1) / NET_NS_PER_MS) + 1 : 0;
}

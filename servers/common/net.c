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
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur < INT_MAX ? (int)limit.rlim_cur : INT_MAX;
}

// A socket for `where`, listening, with the options its clients will inherit.
static int listen_on(const struct addrinfo *where, int backlog)
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
        bind(fd, where->ai_addr, where->ai_addrlen) == 0 &&
        listen(fd, backlog) == 0)
        return fd;

    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int net_listen(const char *host, int port, int backlog)
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
    int fd = listen_on(found, backlog);
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

int net_accept(int listener)
{
    int fd;
    while ((fd = net_accept_now(listener, 0)) < 0 && !net_would_block() &&
           !stop_requested()) {
        // LESSON out-of-descriptors: a full table is no reason to die, and the
        // client stays in the queue, so accept() would fail again at once, and
        // again. Pause instead: somebody may close a descriptor meanwhile.
        report_shortage("accept");
        stop_wait(-1, NET_RETRY_MS);
    }
    return fd;
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

ssize_t net_send(int fd, const void *buf, size_t len)
{
    ssize_t put;
    do
        put = send(fd, buf, len, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    return put;
}

int net_send_all(int fd, const void *buf, size_t len)
{
    // LESSON partial-writes: send() may take fewer bytes than offered, when the
    // socket's buffer fills up because the client does not read. It is no
    // error: offer the rest again, for as long as it takes.
    for (size_t sent = 0; sent < len;) {
        ssize_t put = net_send(fd, (const char *)buf + sent, len - sent);
        if (put < 0 && (!net_would_block() || stop_requested()))
            return -1;
        sent += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

size_t net_unread(int fd)
{
    int len = 0;
    return ioctl(fd, FIONREAD, &len) == 0 ? (size_t)len : 0;
}

void net_backend(int delay_ms)
{
    struct timespec left = {.tv_sec = delay_ms / NET_MS_PER_S,
                            .tv_nsec = (long)(delay_ms % NET_MS_PER_S) *
                                       NET_NS_PER_MS};
    while (delay_ms > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

int64_t net_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NET_NS_PER_S + now.tv_nsec;
}

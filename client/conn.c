// conn.c - one TCP connection of the client.

#include "conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"

#define SOURCE_NET 0x7f010000U  // 127.1.0.0

void request_make(struct request *request, int n)
{
    *request = (struct request){0};
    request->line_len =
        (uint16_t)snprintf(request->lines, LINE_SIZE, "%d\n", n);
    for (int i = 0; i < PIPELINE_MAX; i++) {
        memcpy(request->lines + request->lines_len, request->lines,
               request->line_len);
        request->lines_len = (uint16_t)(request->lines_len + request->line_len);
    }
    reply_expect(&request->expected, n);
}

// ---- Opening and closing

// Binds a socket to the address 127.1.x.y, without a port. connect() chooses
// the port: bind() would reserve one for this socket alone, for all
// destinations.
static int bind_source(int fd, uint16_t source)
{
    const int on = 1;
    const struct sockaddr_in from = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(SOURCE_NET + source),
    };
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) !=
        0)
        return -1;
    return bind(fd, (const struct sockaddr *)&from, sizeof from);
}

int conn_connect(const struct address *to, uint16_t source, bool stamps)
{
    const int on = 1;
    const struct sockaddr *name = (const void *)&to->storage;
    int fd =
        socket(name->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (stamps)  // If this fails, only the arrival of replies is unknown.
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    // TCP must send a request at once, not after the ACK of the one before.
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
        (source == 0 || bind_source(fd, source) == 0) &&
        (connect(fd, name, to->len) == 0 || errno == EINPROGRESS ||
         errno == EINTR))
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static void set_state(struct conn *c, enum conn_state state)
{
    c->states[c->state]--;
    c->states[state]++;
    c->state = state;
    c->since_ns = clock_now_ns();
}

int conn_open(struct conn *c, int epoll, int fd)
{
    struct epoll_event interest = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    set_state(c, CONN_OPENING);
    c->fd = fd;
    c->reply.len = 0;
    c->slow = false;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest);
}

// Returns whether a socket is connected to itself. If no server listens, the
// kernel may choose the destination's port as our own port, and TCP then
// connects the socket to itself: the client would receive its own requests.
static bool is_connected_to_itself(int fd)
{
    struct sockaddr_storage own = {0}, peer = {0};
    socklen_t own_len = sizeof own, peer_len = sizeof peer;
    return getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 &&
           own_len == peer_len && memcmp(&own, &peer, own_len) == 0;
}

int conn_check_connect(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return -1;
    if (error == 0 && is_connected_to_itself(fd))
        error = ECONNREFUSED;
    errno = error;
    return error == 0 ? 0 : -1;
}

int conn_finish_opening(struct conn *c)
{
    if (conn_check_connect(c->fd) != 0)
        return -1;
    set_state(c, CONN_OPEN);
    return 0;
}

void conn_close(struct conn *c, bool reset)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    int saved = errno;
    if (c->state != CONN_CLOSED && reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (c->state != CONN_CLOSED)
        close(c->fd);
    if (c->in_flight > 0)
        c->request->in_flight -= c->in_flight;
    set_state(c, CONN_CLOSED);
    c->in_flight = 0;
    c->batch_count = 0;
    c->unsent = 0;
    errno = saved;
}

int conn_port(const struct conn *c)
{
    struct sockaddr_in own = {0};  // An IPv6 address has the port there, too.
    socklen_t len = sizeof own;
    if (c->state == CONN_OPEN)
        getsockname(c->fd, (struct sockaddr *)&own, &len);
    return ntohs(own.sin_port);
}

// ---- Requests

int conn_send(struct conn *c, struct request *request, int count,
              int64_t due_ns)
{
    int64_t now_ns = clock_now_ns();
    int newest = c->oldest + c->batch_count++;
    c->batches[newest < c->depth ? newest : newest - c->depth] =
        (struct batch){.due_ns = due_ns != 0 ? due_ns : now_ns,
                       .sent_ns = now_ns,
                       .count = count};
    c->in_flight = (uint16_t)(c->in_flight + count);
    c->request = request;
    request->in_flight += count;
    c->unsent = (uint16_t)(c->unsent + count * request->line_len);
    return conn_flush(c);
}

// All lines are equal, so the unsent bytes are the last ones in `lines`.
int conn_flush(struct conn *c)
{
    const struct request *request = c->request;
    ssize_t sent;
    do
        sent = send(c->fd, request->lines + request->lines_len - c->unsent,
                    c->slow ? 1 : c->unsent, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN)
        return -1;
    if (sent > 0)
        c->unsent = (uint16_t)(c->unsent - sent);
    return 0;
}

// ---- Replies

// Returns the kernel's time stamp of a received message, or 0 without one.
static int64_t stamp_of(struct msghdr *message)
{
    const struct cmsghdr *c = CMSG_FIRSTHDR(message);
    struct timespec stamp;
    if (c == NULL || c->cmsg_type != SCM_TIMESTAMPNS)
        return 0;
    memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
    return (int64_t)stamp.tv_sec * NS_PER_S + stamp.tv_nsec;
}

long conn_receive(struct conn *c, void *buf, size_t size, int64_t *stamp_ns)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec into = {buf, size};
    struct msghdr message = {.msg_iov = &into,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t received;
    do
        received = recvmsg(c->fd, &message, 0);
    while (received < 0 && errno == EINTR);
    *stamp_ns = received > 0 ? stamp_of(&message) : 0;
    return received;
}

// ---- Events

int conn_wait(int epoll, struct epoll_event *events, int size,
              int64_t timeout_ns)
{
#ifndef SYS_epoll_pwait2
    enum { SYS_epoll_pwait2 = 441 };  // on every architecture
#endif
    static atomic_bool missing;
    const struct timespec timeout = {.tv_sec = timeout_ns / NS_PER_S,
                                     .tv_nsec = timeout_ns % NS_PER_S};
    if (!missing) {
        // By number: the C library may be older than the kernel.
        long n = syscall(SYS_epoll_pwait2, epoll, events, size, &timeout, NULL,
                         (size_t)0);
        if (n >= 0 || errno == EINTR)
            return (int)n;
        // Linux before 5.11 has no such call, and a sandbox may refuse it.
        missing = true;
    }
    // Round up: with 0 ms the caller would spin until its time has come.
    int timeout_ms = (int)((timeout_ns + NS_PER_MS - 1) / NS_PER_MS);
    return epoll_wait(epoll, events, size, timeout_ms);
}

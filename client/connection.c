// connection.c - one TCP connection of the client: open, ask, listen.

#include "connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
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
    reply_expect(&request->wanted, n);
}

// The port is left to connect(): bind() would take one for ourselves alone.
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

int connection_open(struct connection *c, const struct addrinfo *to,
                    uint16_t source)
{
    const int on = 1;
    c->fd =
        socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -1;
    c->state = CONNECTION_OPENING;
    c->since_ns = clock_now_ns();
    c->reply.len = 0;
    c->for_request = false;
    c->slow = false;
    // Without stamps we only know less.
    if (c->stamps)
        setsockopt(c->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    // A request must leave at once, not when the last one is acknowledged.
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
        (source == 0 || bind_source(c->fd, source) == 0) &&
        (connect(c->fd, to->ai_addr, to->ai_addrlen) == 0 ||
         errno == EINPROGRESS || errno == EINTR))
        return 0;
    connection_close(c);
    return -1;
}

// Where nobody listens, the kernel may choose the very port we want as our own;
// TCP then connects the socket to itself, and we would talk to ourselves.
static bool connected_to_itself(int fd)
{
    struct sockaddr_storage own = {0}, peer = {0};
    socklen_t own_len = sizeof own, peer_len = sizeof peer;
    return getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 &&
           own_len == peer_len && memcmp(&own, &peer, own_len) == 0;
}

int connection_opened(struct connection *c)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return -1;
    if (error == 0 && connected_to_itself(c->fd))
        error = ECONNREFUSED;
    if (error != 0) {
        errno = error;
        return -1;
    }
    c->state = CONNECTION_OPEN;
    c->since_ns = clock_now_ns();
    return 0;
}

bool connection_has_room(const struct connection *c)
{
    return c->state == CONNECTION_OPEN && c->under_way < c->depth;
}

const struct pending *connection_oldest(const struct connection *c)
{
    return &c->pending[c->oldest];
}

int connection_ask(struct connection *c, struct request *request, int count,
                   int64_t due_ns)
{
    int64_t now_ns = clock_now_ns();
    for (int i = 0; i < count; i++) {
        int at = (c->oldest + c->under_way++) % c->depth;
        c->pending[at].due_ns = due_ns != 0 ? due_ns : now_ns;
        c->pending[at].sent_ns = now_ns;
    }
    c->request = request;
    c->unsent = (uint16_t)(c->unsent + count * request->line_len);
    return connection_push(c);
}

// All lines are the same: what is unsent is the end of many.
int connection_push(struct connection *c)
{
    const struct request *request = c->request;
    ssize_t put;
    do
        put = send(c->fd, request->lines + request->lines_len - c->unsent,
                   c->slow ? 1 : c->unsent, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return errno == EAGAIN ? 0 : -1;
    c->unsent = (uint16_t)(c->unsent - put);
    return 0;
}

void connection_answered(struct connection *c)
{
    c->under_way--;
    c->oldest = (uint16_t)((c->oldest + 1) % c->depth);
}

static int64_t stamp_of(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL;
         c = CMSG_NXTHDR(message, c)) {
        struct timespec stamp;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
        return (int64_t)stamp.tv_sec * CLOCK_NS_PER_S + stamp.tv_nsec;
    }
    return 0;
}

static ssize_t receive_stamped(int fd, void *buf, size_t size,
                               int64_t *stamp_ns)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec into = {buf, size};
    struct msghdr message = {.msg_iov = &into,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &message, 0);
    if (got > 0)
        *stamp_ns = stamp_of(&message);
    return got;
}

long connection_receive(struct connection *c, void *buf, size_t size,
                        int64_t *stamp_ns)
{
    ssize_t got;
    *stamp_ns = 0;
    do
        got = c->stamps ? receive_stamped(c->fd, buf, size, stamp_ns)
                        : recv(c->fd, buf, size, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

void connection_reset_on_close(struct connection *c)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void connection_close(struct connection *c)
{
    int saved = errno;
    close(c->fd);
    c->state = CONNECTION_CLOSED;
    c->under_way = 0;
    c->unsent = 0;
    errno = saved;
}

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

void request_make(struct request *request, int n)
{
    request->len =
        (uint8_t)snprintf(request->line, sizeof request->line, "%d\n", n);
    request->under_way = 0;
    reply_expect(&request->wanted, n);
}

int connection_open(struct connection *c, const struct addrinfo *to)
{
    const int on = 1;
    c->fd =
        socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -1;
    c->state = CONNECTION_OPENING;
    c->since_ns = clock_now_ns();
    c->reply.len = 0;
    // A request must leave at once, not when the last one is acknowledged.
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
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
    c->state = CONNECTION_QUIET;
    return 0;
}

bool connection_is_open(const struct connection *c)
{
    return c->state == CONNECTION_QUIET || c->state == CONNECTION_ASKED;
}

int connection_ask(struct connection *c, struct request *request)
{
    c->state = CONNECTION_ASKED;
    c->request = request;
    c->unsent = request->len;
    c->since_ns = clock_now_ns();
    return connection_push(c);
}

int connection_push(struct connection *c)
{
    const struct request *request = c->request;
    ssize_t put;
    do
        put = send(c->fd, request->line + request->len - c->unsent, c->unsent,
                   MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return errno == EAGAIN ? 0 : -1;
    c->unsent = (uint8_t)(c->unsent - put);
    return 0;
}

long connection_receive(struct connection *c, char *buf, size_t size)
{
    ssize_t got;
    do
        got = recv(c->fd, buf, size, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

void connection_close(struct connection *c)
{
    int saved = errno;
    close(c->fd);
    c->state = CONNECTION_CLOSED;
    errno = saved;
}

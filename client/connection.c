// connection.c - one TCP connection of the client: open, ask, listen.

#include "connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

int connection_open(struct connection *c, const struct addrinfo *to)
{
    const int on = 1;
    c->fd =
        socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -1;
    c->state = CONNECTION_OPENING;
    c->reply.len = 0;
    // A request must leave at once, not when the last one is acknowledged.
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
        (connect(c->fd, to->ai_addr, to->ai_addrlen) == 0 ||
         errno == EINPROGRESS || errno == EINTR))
        return 0;
    int saved = errno;
    connection_close(c);
    errno = saved;
    return -1;
}

int connection_opened(struct connection *c)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return -1;
    if (error != 0) {
        errno = error;
        return -1;
    }
    c->state = CONNECTION_QUIET;
    return 0;
}

int connection_ask(struct connection *c, const char *request, size_t len,
                   int64_t now_ns)
{
    if (c->state != CONNECTION_ASKED) {
        c->state = CONNECTION_ASKED;
        c->since_ns = now_ns;
        c->unsent = (uint8_t)len;
    }
    ssize_t put;
    do
        put = send(c->fd, request + len - c->unsent, c->unsent, MSG_NOSIGNAL);
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
    close(c->fd);
    c->state = CONNECTION_CLOSED;
}

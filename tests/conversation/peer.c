// peer.c - a client that a server has to put up with.

#include "peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "server.h"

bool peer_connect(struct peer *p, int port)
{
    return peer_connect_with(p, port, 0);
}

bool peer_connect_with(struct peer *p, int port, int size)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((unsigned short)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = patience_ms() / 1000};
    const int on = 1;

    p->begin = p->end = 0;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->fd < 0)
        return false;
    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (size > 0) {
        setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    if (connect(p->fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return true;
    peer_close(p);
    return false;
}

bool peer_send(struct peer *p, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t put = send(p->fd, bytes, len, MSG_NOSIGNAL);
        if (put <= 0)
            return false;
        bytes += put;
        len -= (size_t)put;
    }
    return true;
}

bool peer_say(struct peer *p, const char *text)
{
    return peer_send(p, text, strlen(text));
}

// Takes a line off the buffer, if one is there.
static bool take_line(struct peer *p)
{
    char *start = p->buf + p->begin;
    char *newline = memchr(start, '\n', p->end - p->begin);
    if (newline == NULL)
        return false;
    size_t len = (size_t)(newline + 1 - start);
    size_t kept = len < sizeof p->line ? len : sizeof p->line - 1;
    memcpy(p->line, start, kept);
    p->line[kept] = '\0';
    p->begin += len;
    return true;
}

const char *peer_line(struct peer *p)
{
    while (!take_line(p)) {
        memmove(p->buf, p->buf + p->begin, p->end - p->begin);
        p->end -= p->begin;
        p->begin = 0;
        ssize_t got = recv(p->fd, p->buf + p->end, sizeof p->buf - p->end, 0);
        if (got == 0 && p->end == 0)
            return "";
        if (got <= 0)
            return NULL;
        p->end += (size_t)got;
    }
    return p->line;
}

bool peer_hears(struct peer *p, const char *want)
{
    const char *got = peer_line(p);
    if (got != NULL && strcmp(got, want) == 0)
        return true;
    printf("# heard \"%s\" instead of \"%s\"\n", got != NULL ? got : "(error)",
           want);
    return false;
}

bool peer_asks(struct peer *p, const char *text, const char *want)
{
    if (!peer_say(p, text))
        return false;
    while (*want != '\0') {
        char line[PEER_LINE_SIZE] = "";
        size_t len = strcspn(want, "\n") + 1;
        memcpy(line, want, len);
        if (!peer_hears(p, line))
            return false;
        want += len;
    }
    return true;
}

bool peer_hears_nothing(struct peer *p, int ms)
{
    struct pollfd readable = {.fd = p->fd, .events = POLLIN};
    return p->begin == p->end && poll(&readable, 1, ms) == 0;
}

void peer_finish(struct peer *p)
{
    shutdown(p->fd, SHUT_WR);
}

void peer_close(struct peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

void peer_reset(struct peer *p)
{
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(p->fd);
}

// peer.c - a client of the server under test.

#include "peer.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

// Sets up a client's socket. It sends small messages at once, and every call
// has a time limit. Segments are as small as on Ethernet. With the 64 KiB
// segments of loopback, a server could send megabytes to a client that does not
// read.
static void set_options(int fd, int size)
{
    const struct timeval patience = {.tv_sec = patience_ms() / 1000};
    const int on = 1, segment_len = 1400;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment_len, sizeof segment_len);
    if (size > 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
}

static int port_of(int fd)
{
    struct sockaddr_in own = {0};
    socklen_t len = sizeof own;
    getsockname(fd, (struct sockaddr *)&own, &len);
    return ntohs(own.sin_port);
}

bool peer_connect_with(struct peer *p, int port, int size)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *p = (struct peer){.server_port = port};
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->fd < 0)
        return false;
    set_options(p->fd, size);
    if (connect(p->fd, (const struct sockaddr *)&to, sizeof to) == 0) {
        p->own_port = port_of(p->fd);
        return true;
    }
    peer_close(p);
    return false;
}

// ---- What came instead

// Prints a text in quotes, as in C. Cuts a long one.
static void print_quoted(const char *text, size_t len)
{
    putchar('"');
    for (size_t i = 0; i < len && i < PEER_SHOWN_SIZE; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n')
            printf("\\n");
        else if (isprint(c))
            putchar(c);
        else
            printf("\\x%02x", c);
    }
    printf("\"");
    if (len > PEER_SHOWN_SIZE)
        printf(" and so on, %zu bytes", len);
}

// Prints what came, as "heard ...": `line`, the result of peer_line(), or the
// beginning of a line, or why nothing came. Then errno is 0 if the server has
// closed the connection.
static void print_heard(const struct peer *p, const char *line)
{
    printf("heard ");
    if (line != NULL && *line != '\0') {
        print_quoted(line, strlen(line));
    } else if (p->end > p->begin) {
        print_quoted(p->buf + p->begin, p->end - p->begin);
        printf(" without a newline");
    } else if (p->fd < 0) {
        printf("nothing, as there is no connection,");
    } else if (errno == EAGAIN) {
        printf("nothing for %d s", patience_ms() / 1000);
    } else if (errno != 0) {
        printf("of an error (%s)", strerror(errno));
    } else {
        printf("the end of the connection");
    }
}

// Prints what was sent last, what came, and what `expected` is. `line` is the
// result of peer_line(). Keeps errno. Returns false.
static bool report_line(const struct peer *p, const char *line,
                        const char *expected)
{
    int error = errno;
    printf("# ");
    if (p->last_sent_len > 0) {
        printf("sent ");
        print_quoted(p->last_sent, p->last_sent_len);
        printf(", ");
    }
    print_heard(p, line);
    printf(" instead of ");
    if (*expected != '\0')
        print_quoted(expected, strlen(expected));
    else
        printf("the end of the connection");
    printf("\n");
    errno = error;
    return false;
}

// Prints that the last text could not be sent, and why. Returns false.
static bool report_unsent(const struct peer *p)
{
    int error = errno;
    printf("# could not send ");
    print_quoted(p->last_sent, p->last_sent_len);
    if (p->fd < 0)
        printf(": there is no connection\n");
    else if (error == EAGAIN)
        printf(": the server received nothing for %d s\n",
               patience_ms() / 1000);
    else
        printf(": %s\n", strerror(error));
    return false;
}

// ---- What is sent and received

static void note_sent(struct peer *p, const char *bytes, size_t len)
{
    if (len == 0)
        return;
    p->last_sent_len = len;
    memcpy(p->last_sent, bytes,
           len < sizeof p->last_sent ? len : sizeof p->last_sent);
}

bool peer_send(struct peer *p, const char *bytes, size_t len)
{
    note_sent(p, bytes, len);
    while (len > 0) {
        ssize_t n = send(p->fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return report_unsent(p);
        bytes += n;
        len -= (size_t)n;
        p->sent += (size_t)n;
    }
    return true;
}

bool peer_say(struct peer *p, const char *text)
{
    return peer_send(p, text, strlen(text));
}

// Moves the next line from the buffer to p->line. Returns false if the buffer
// has no complete line.
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
        errno = 0;
        ssize_t n = recv(p->fd, p->buf + p->end, sizeof p->buf - p->end, 0);
        if (n == 0 && p->end == 0)
            return "";
        if (n <= 0)
            return NULL;
        p->end += (size_t)n;
    }
    return p->line;
}

bool peer_hears(struct peer *p, const char *expected)
{
    const char *line = peer_line(p);
    return (line != NULL && strcmp(line, expected) == 0) ||
           report_line(p, line, expected);
}

bool peer_hears_error(struct peer *p)
{
    static const char start[] = "error: ";
    const char *line = peer_line(p);
    return (line != NULL && strncmp(line, start, sizeof start - 1) == 0) ||
           report_line(p, line, "error: ...");
}

bool peer_asks(struct peer *p, const char *text, const char *expected)
{
    if (!peer_say(p, text))
        return false;
    while (*expected != '\0') {
        char line[PEER_LINE_SIZE] = "";
        size_t len = strcspn(expected, "\n") + 1;
        memcpy(line, expected, len);
        if (!peer_hears(p, line))
            return false;
        expected += len;
    }
    return true;
}

bool peer_has_heard(const struct peer *p)
{
    char byte;
    return p->begin != p->end ||
           recv(p->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

void peer_finish(struct peer *p)
{
    shutdown(p->fd, SHUT_WR);
    p->finished = true;
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
    if (p->fd >= 0)
        setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    peer_close(p);
}

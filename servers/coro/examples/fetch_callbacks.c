// fetch_callbacks.c - ten slow replies, all at once, by callbacks over epoll.
//
// All ten replies take one second, as in fetch_coroutines.c. But no function
// may wait. So each event has a function of its own, and what was a local
// variable in fetch_blocking.c is now in struct call.
//
//     make examples && bin/examples/fetch_callbacks [DELAY_MS]
//
// Notice that the order, first send, then receive, cannot be read from top to
// bottom. Each function calls await(), which says which function comes next.

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fetch.h"

struct call {
    struct fetch *fetch;
    int fd;
    size_t sent, received;
    void (*on_event)(struct call *c);  // what to do at the next event
};

static int epoll;
static int unfinished;

static void finish(struct call *c, int result)
{
    fetch_report(c->fetch, result);
    close(c->fd);
    unfinished--;
}

static void await(struct call *c, uint32_t event,
                  void (*on_event)(struct call *c))
{
    struct epoll_event request = {.events = event, .data.ptr = c};
    int op = c->on_event == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    c->on_event = on_event;
    if (epoll_ctl(epoll, op, c->fd, &request) != 0)
        finish(c, -1);
}

static bool must_wait(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static void on_readable(struct call *c)
{
    char *line = c->fetch->reply;
    ssize_t n = recv(c->fd, line + c->received, LINE_SIZE - 1 - c->received, 0);
    if (n < 0 && must_wait())
        return;
    if (n == 0)
        errno = EPROTO;  // The line has no end, or is too long.
    if (n <= 0) {
        finish(c, -1);
        return;
    }
    c->received += (size_t)n;
    if (strchr(line, '\n') != NULL)
        finish(c, 0);
}

static void on_writable(struct call *c)
{
    const char *line = c->fetch->request;
    size_t len = strlen(line);
    ssize_t n = send(c->fd, line + c->sent, len - c->sent, MSG_NOSIGNAL);
    if (n < 0 && must_wait())
        return;
    if (n < 0) {
        finish(c, -1);
        return;
    }
    c->sent += (size_t)n;
    if (c->sent == len)
        await(c, EPOLLIN, on_readable);
}

static void start(struct call *c)
{
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd >= 0 &&
        (connect(c->fd, (struct sockaddr *)&backend, sizeof backend) == 0 ||
         errno == EINPROGRESS))
        await(c, EPOLLOUT, on_writable);  // If it fails, send() does, too.
    else
        finish(c, -1);
}

void fetch_all(struct fetch all[FETCHES])
{
    struct call calls[FETCHES];
    epoll = epoll_create1(0);
    unfinished = FETCHES;
    for (int i = 0; i < FETCHES; i++) {
        calls[i] = (struct call){.fetch = &all[i]};
        start(&calls[i]);
    }
    while (unfinished > 0) {
        struct epoll_event events[FETCHES];
        int count = epoll_wait(epoll, events, FETCHES, -1);
        for (int i = 0; i < count; i++) {
            struct call *c = events[i].data.ptr;
            c->on_event(c);
        }
    }
    close(epoll);
}

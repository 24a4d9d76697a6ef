// fetch_callbacks.c - ten slow replies, all at once, by callbacks over epoll.
//
// One second for all ten, like fetch_coroutines.c. But no function may wait, so
// what was one function has become one for each event, and what was a local
// variable must be kept from one event to the next, in struct call.
//
//     make examples && bin/examples/fetch_callbacks [DELAY_MS]
//
// Notice that nothing here reads "send, then receive": which function follows
// which is said by await(), somewhere in the middle of each.

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
    void (*go_on)(struct call *c);  // what to do at the next event
};

static int epoll;
static int unfinished;

static void finish(struct call *c, int result)
{
    fetch_done(c->fetch, result);
    close(c->fd);
    unfinished--;
}

static void await(struct call *c, uint32_t event, void (*go_on)(struct call *c))
{
    struct epoll_event wanted = {.events = event, .data.ptr = c};
    int op = c->go_on == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    c->go_on = go_on;
    if (epoll_ctl(epoll, op, c->fd, &wanted) != 0)
        finish(c, -1);
}

static bool must_wait(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static void on_readable(struct call *c)
{
    char *line = c->fetch->reply;
    ssize_t got =
        recv(c->fd, line + c->received, LINE_SIZE - 1 - c->received, 0);
    if (got < 0 && must_wait())
        return;
    if (got == 0)
        errno = EPROTO;  // It ended, or does not end, in mid-line.
    if (got <= 0) {
        finish(c, -1);
        return;
    }
    c->received += (size_t)got;
    if (strchr(line, '\n') != NULL)
        finish(c, 0);
}

static void on_writable(struct call *c)
{
    const char *line = c->fetch->request;
    size_t len = strlen(line);
    ssize_t put = send(c->fd, line + c->sent, len - c->sent, MSG_NOSIGNAL);
    if (put < 0 && must_wait())
        return;
    if (put < 0) {
        finish(c, -1);
        return;
    }
    c->sent += (size_t)put;
    if (c->sent == len)
        await(c, EPOLLIN, on_readable);
}

static void start(struct call *c)
{
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd >= 0 &&
        (connect(c->fd, (struct sockaddr *)&backend, sizeof backend) == 0 ||
         errno == EINPROGRESS))
        await(c, EPOLLOUT, on_writable);  // If it fails, send() says so.
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
            c->go_on(c);
        }
    }
    close(epoll);
}

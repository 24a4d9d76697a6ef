// fetch_coroutines.c - ten slow replies, all at once, by ten coroutines.
//
// Each of them waits as in fetch_blocking.c; but while one waits, the others
// run: one second for all ten. See fetch.h for how to run and compare it.
//
//     make examples && bin/examples/fetch_coroutines [DELAY_MS]

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../co.h"
#include "fetch.h"

// Returns a descriptor, or -1.
static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&backend, sizeof backend) == 0)
        return fd;
    if (errno == EINPROGRESS && co_poll(fd, EPOLLOUT) == 0)
        return fd;  // Or it has failed: then the first co_send() says so.
    co_close(fd);
    return -1;
}

static int send_line(int fd, const char *line)
{
    size_t len = strlen(line), sent = 0;
    while (sent < len) {
        ssize_t put = co_send(fd, line + sent, len - sent);
        if (put < 0)
            return -1;
        sent += (size_t)put;
    }
    return 0;
}

static int receive_line(int fd, char *line)
{
    size_t len = 0;
    while (strchr(line, '\n') == NULL) {
        ssize_t got = co_recv(fd, line + len, LINE_SIZE - 1 - len);
        if (got == 0)
            errno = EPROTO;  // It ended, or does not end, in mid-line.
        if (got <= 0)
            return -1;
        len += (size_t)got;
    }
    return 0;
}

static int fetch(struct fetch *f)
{
    int fd = dial();
    if (fd < 0)
        return -1;
    int result = send_line(fd, f->request);
    if (result == 0)
        result = receive_line(fd, f->reply);
    co_close(fd);
    return result;
}

static void fetch_one(void *arg)
{
    struct fetch *f = arg;
    fetch_done(f, fetch(f));
}

void fetch_all(struct fetch all[FETCHES])
{
    for (int i = 0; i < FETCHES; i++)
        co_go(fetch_one, &all[i]);
    co_run();
}

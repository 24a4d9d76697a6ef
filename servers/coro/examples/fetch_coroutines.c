// fetch_coroutines.c - ten slow replies, all at once, by ten coroutines.
//
// Each coroutine waits as fetch_blocking.c does. While it waits, the others
// run: all ten replies take one second. fetch.h says how to run and compare it.
//
//     make examples && bin/examples/fetch_coroutines [DELAY_MS]

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../co.h"
#include "fetch.h"

// Connects to the backend. Returns a descriptor, or -1.
static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (co_connect(fd, (struct sockaddr *)&backend, sizeof backend) == 0)
        return fd;
    co_close(fd);
    return -1;
}

static int receive_line(int fd, char *line)
{
    size_t len = 0;
    while (strchr(line, '\n') == NULL) {
        ssize_t n = co_recv(fd, line + len, LINE_SIZE - 1 - len);
        if (n == 0)
            errno = EPROTO;  // The line has no end, or is too long.
        if (n <= 0)
            return -1;
        len += (size_t)n;
    }
    return 0;
}

static int fetch(struct fetch *f)
{
    int fd = dial();
    if (fd < 0)
        return -1;
    int result = co_send_all(fd, f->request, strlen(f->request));
    if (result == 0)
        result = receive_line(fd, f->reply);
    co_close(fd);
    return result;
}

static void fetch_one(void *arg)
{
    struct fetch *f = arg;
    fetch_report(f, fetch(f));
}

void fetch_all(struct fetch all[FETCHES])
{
    for (int i = 0; i < FETCHES; i++)
        co_go(fetch_one, &all[i]);
    co_run();
}

// fetch_blocking.c - ten slow replies, one after the other.
//
// While it waits for one backend, nothing else happens: ten seconds for ten
// replies of a second each. See fetch.h for how to run and compare it.
//
//     make examples && bin/examples/fetch_blocking [DELAY_MS]

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fetch.h"

// Returns a descriptor, or -1.
static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&backend, sizeof backend) == 0)
        return fd;
    close(fd);
    return -1;
}

static int send_line(int fd, const char *line)
{
    size_t len = strlen(line), sent = 0;
    while (sent < len) {
        ssize_t put = send(fd, line + sent, len - sent, MSG_NOSIGNAL);
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
        ssize_t got = recv(fd, line + len, LINE_SIZE - 1 - len, 0);
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
    close(fd);
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
        fetch_one(&all[i]);
}

// fetch_blocking.c - ten slow replies, one after the other.
//
// While the program waits for one backend, it does nothing else: if each of ten
// replies takes a second, all take ten. fetch.h says how to run and compare it.
//
//     make examples && bin/examples/fetch_blocking [DELAY_MS]

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fetch.h"

// Connects to the backend. Returns a descriptor, or -1.
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

static int send_all(int fd, const char *data, size_t len)
{
    size_t sent = 0;
    while (sent < len) {
        ssize_t n = send(fd, data + sent, len - sent, MSG_NOSIGNAL);
        if (n < 0)
            return -1;
        sent += (size_t)n;
    }
    return 0;
}

static int receive_line(int fd, char *line)
{
    size_t len = 0;
    while (strchr(line, '\n') == NULL) {
        ssize_t n = recv(fd, line + len, LINE_SIZE - 1 - len, 0);
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
    int result = send_all(fd, f->request, strlen(f->request));
    if (result == 0)
        result = receive_line(fd, f->reply);
    close(fd);
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
        fetch_one(&all[i]);
}

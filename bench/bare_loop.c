// bare_loop.c - a load client that only sends, receives and waits.
//
//     bare_loop PORT CONNECTIONS DEPTH MILLISECONDS
//
// Asks for fib(1) on each connection, keeps DEPTH requests in flight on it, and
// prints how many replies came. It derives this number from the bytes that it
// received, measures no latency, and checks no reply. A complete load client
// needs more CPU time, and the difference is the cost of its checks and
// measurements. The loop polls all connections round-robin, which is cheaper
// than epoll as long as one of them has a reply. It blocks in epoll_wait() only
// when none has.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "measure.h"

enum {
    DEPTH_MAX = 64,
    EVENTS_AT_ONCE = 256,
    REQUEST_LEN = sizeof "1\n" - 1,
    REPLY_LEN = sizeof "fib: 1\n" - 1,
};

static char requests[DEPTH_MAX * REQUEST_LEN];

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int connect_to(uint16_t port, int epoll)
{
    const int on = 1;
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct epoll_event interest = {.events = EPOLLIN, .data.fd = fd};
    if (fd < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        connect(fd, (const struct sockaddr *)&at, sizeof at) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest) != 0)
        measure_failed("bare_loop");
    return fd;
}

static void send_requests(int fd, size_t count)
{
    if (send(fd, requests, count * REQUEST_LEN, MSG_NOSIGNAL) < 0)
        measure_failed("bare_loop: send");
}

// Receives the replies that have arrived on one connection, and sends the same
// number of requests. Returns this number.
static size_t receive_replies(int fd)
{
    char buf[4096];
    ssize_t received = recv(fd, buf, sizeof buf, 0);
    if (received == 0 || (received < 0 && errno != EAGAIN))
        measure_failed("bare_loop: recv");
    if (received < REPLY_LEN)
        return 0;
    send_requests(fd, (size_t)received / REPLY_LEN);
    return (size_t)received / REPLY_LEN;
}

static size_t loop(int epoll, const int *fds, size_t count, int64_t end_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    size_t replies = 0;
    while (now_ms() < end_ms) {
        size_t previous = replies;
        for (size_t i = 0; i < count; i++)
            replies += receive_replies(fds[i]);
        if (replies == previous)
            epoll_wait(epoll, events, EVENTS_AT_ONCE, 100);
    }
    return replies;
}

int main(int argc, char **argv)
{
    size_t port = measure_argument(argc, argv, 1);
    size_t count = measure_argument(argc, argv, 2);
    size_t depth = measure_argument(argc, argv, 3);
    size_t duration_ms = measure_argument(argc, argv, 4);
    int *fds = calloc(count, sizeof *fds);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (fds == NULL || epoll < 0)
        measure_failed("bare_loop");
    for (size_t i = 0; i < DEPTH_MAX; i++)
        memcpy(requests + i * REQUEST_LEN, "1\n", REQUEST_LEN);
    for (size_t i = 0; i < count; i++)
        fds[i] = connect_to((uint16_t)port, epoll);

    int64_t end_ms = now_ms() + (int64_t)duration_ms;
    for (size_t i = 0; i < count; i++)
        send_requests(fds[i], depth < DEPTH_MAX ? depth : DEPTH_MAX);
    measure_print("replies", (double)loop(epoll, fds, count, end_ms), "1");
    free(fds);
    return EXIT_SUCCESS;
}

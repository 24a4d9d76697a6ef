// null_server.c - a server that does nothing, as fast as it can.

#include "null_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 256, LINES_MAX = 1024, BACKLOG = 4096, REPLY_LEN = 7 };

static int listen_anywhere(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(listener, BACKLOG) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &len) != 0)
        return -1;
    *port = ntohs(at.sin_port);
    return listener;
}

static void watch(int epoll, int fd)
{
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted) != 0)
        close(fd);
}

static void accept_all(int epoll, int listener)
{
    const int on = 1;
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(epoll, client);
    }
}

// A client that does not read its replies is not worth waiting for.
static void answer(int client)
{
    static char replies[LINES_MAX * REPLY_LEN];
    char buf[LINES_MAX];
    size_t len = 0;
    ssize_t got = recv(client, buf, sizeof buf, 0);
    for (ssize_t i = 0; i < got; i++)
        if (buf[i] == '\n') {
            memcpy(replies + len, "fib: 1\n", REPLY_LEN);
            len += REPLY_LEN;
        }
    if (got <= 0 || send(client, replies, len, MSG_NOSIGNAL) != (ssize_t)len)
        close(client);
}

_Noreturn static void serve(int listener)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, listener);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                answer(events[i].data.fd);
    }
}

pid_t null_server_start(int *port)
{
    int listener = listen_anywhere(port);
    if (listener < 0)
        return -1;
    pid_t server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGINT, SIG_IGN);  // Our parent's Ctrl-C: it will tell us.
        serve(listener);
    }
    close(listener);
    return server;
}

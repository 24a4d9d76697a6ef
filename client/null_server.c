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

enum { EVENTS_AT_ONCE = 256, RECEIVE_SIZE = 1024, BACKLOG = 4096 };

static char mark, replies[RECEIVE_SIZE * NULL_SERVER_REPLY_MAX];
static size_t reply_len;

// As many replies as may be wanted at once.
static void prepare(char request_mark, const char *reply)
{
    mark = request_mark;
    reply_len = strlen(reply);
    for (size_t i = 0; i < RECEIVE_SIZE; i++)
        memcpy(replies + i * reply_len, reply, reply_len);
}

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
    char buf[RECEIVE_SIZE];
    size_t len = 0;
    ssize_t got = recv(client, buf, sizeof buf, 0);
    for (ssize_t i = 0; i < got; i++)
        len += buf[i] == mark ? reply_len : 0;
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

pid_t null_server_start(char request_mark, const char *reply, int *port)
{
    prepare(request_mark, reply);
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

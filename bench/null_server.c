// null_server.c - answers every request at once with a constant reply.
//
//     null_server fib|http|redis
//
// Prints its port, and speaks the protocol of one kind of load client. It
// counts one byte per request, and does no other work. So if two clients reach
// different rates with it, the difference is in the clients. `fibload
// --calibrate` uses the same server.

#include "../client/run.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "measure.h"

static const struct protocol {
    const char *name;
    char mark;  // occurs once in a request; wrk and ab send 'G' only in GET
    const char *reply;
} protocols[] = {
    {"fib", '\n', "fib: 1\n"},
    {"http", 'G',
     "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n1"},
    {"redis", '\n', "+PONG\r\n"},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        const struct protocol *p = &protocols[i];
        int port;
        if (argc != 2 || strcmp(argv[1], p->name) != 0)
            continue;
        pid_t server = null_server_start(p->mark, p->reply, &port);
        if (server < 0)
            measure_failed("null_server");
        printf("%d\n", port);
        fflush(stdout);
        waitpid(server, NULL, 0);
        return 0;
    }
    fprintf(stderr, "usage: null_server fib|http|redis\n");
    return 2;
}

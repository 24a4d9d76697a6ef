// first.c - a server without helpers: the four calls that make one.
//
// It works, and makes at least six mistakes that servers/blocking.c avoids.
// Chapter 1 of TUTORIAL.md names them.
//     cc -o build/first course/first.c fib/fib.c && build/first 9999

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../fib/fib.h"

static void serve_client(int client)
{
    char request[100], reply[100];
    ssize_t n;
    while ((n = recv(client, request, sizeof request - 1, 0)) > 0) {
        request[n] = '\0';
        unsigned long long value = fib((unsigned)atoi(request));
        int len = snprintf(reply, sizeof reply, "fib: %llu\n", value);
        send(client, reply, (size_t)len, 0);
    }
    close(client);
}

int main(int argc, char **argv)
{
    in_port_t port = htons((in_port_t)(argc > 1 ? atoi(argv[1]) : 9999));
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = port,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, len) != 0 ||
        listen(listener, 10) != 0) {
        perror("first");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&address, &len);
    printf("first: listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;)
        serve_client(accept(listener, NULL, NULL));
}

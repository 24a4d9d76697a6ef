// early.c - a client that connects before the server is ready.

#include "early.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../conversation/server.h"
#include "trial.h"

// Binds a socket to a free port and sets `port` to its number. A server can
// bind to the port as well, because both set SO_REUSEADDR. Until the caller
// closes the socket, the kernel gives the port to no other program. Returns the
// descriptor.
static int reserve_port(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        abort();
    *port = ntohs(address.sin_port);
    return fd;
}

// Sends requests to a server that has stopped itself, and continues it. Returns
// what the client has received.
static enum reception serve_early(struct server *s)
{
    struct peer p;
    trial_begin(&p, s->port);
    kill(s->pid, SIGCONT);
    return server_await_ready(s) ? trial_finish(&p) : LOST;
}

void early_run(const struct fault_case *c, struct outcome *o)
{
    int port, reserved = reserve_port(&port);
    char text[sizeof "65535"];
    snprintf(text, sizeof text, "%d", port);
    const char *arguments[] = {"--quiet", "--port", text, NULL};
    struct server s;
    trial_set_fault(c->fault)->armed = true;
    server_spawn(&s, COMMAND(c->path), arguments, NULL);
    s.port = port;
    o->reached = trial_await_stopped(&s);
    bool served = o->reached && serve_early(&s) == SERVED;
    int status = server_end(&s, SIGTERM);
    close(reserved);
    o->passed =
        (served && status == 0) ||
        fails(o, "client %s, status %d", served ? "served" : "lost", status);
}

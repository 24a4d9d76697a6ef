// turns.c - a small request beside many others while the server stops.

#include "turns.h"

#include <signal.h>

#include "../conversation/await.h"
#include "../conversation/server.h"
#include "trial.h"

enum { CLIENTS = 3, SMALL = 1, REQUESTS = 60 };

// Connects the clients, and waits until the server has replied to each.
static bool connect_all(struct peer peers[CLIENTS], int port)
{
    bool connected = true;
    for (int i = 0; i < CLIENTS; i++)
        connected = peer_connect(&peers[i], port) &&
                    peer_asks(&peers[i], "1\n", "fib: 1\n") && connected;
    return connected;
}

// Sends one request of the client SMALL and REQUESTS of each other one. Waits
// until they have arrived at the server, which is stopped.
static bool ask(struct peer peers[CLIENTS])
{
    bool asked = true;
    for (int i = 0; i < CLIENTS; i++) {
        for (int j = 0; j < (i == SMALL ? 1 : REQUESTS); j++)
            asked = peer_say(&peers[i], "1\n") && asked;
        asked = asked && await_arrived(&peers[i]);
    }
    return asked;
}

// Sends all requests and SIGTERM while the server is stopped, and continues it.
// Returns whether it has replied to the client SMALL by the time that it stops
// itself. Sets `reached` if it stops itself.
static bool replies_in_time(struct server *s, struct peer peers[CLIENTS],
                            struct fault_counts *counts, bool *reached)
{
    kill(s->pid, SIGSTOP);
    bool asked = trial_await_stopped(s) && ask(peers);
    size_t before = peer_flow(&peers[SMALL]).sent;
    counts->armed = true;
    kill(s->pid, SIGTERM);
    kill(s->pid, SIGCONT);
    *reached = asked && trial_await_stopped(s);
    // The server may have closed this connection already, after the reply.
    bool replied = peer_flow(&peers[SMALL]).sent > before ||
                   !peer_is_accepted(&peers[SMALL]);
    kill(s->pid, SIGCONT);
    return replied;
}

void turns_run(const struct fault_case *c, struct outcome *o)
{
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    struct peer peers[CLIENTS];
    struct fault_counts *counts = trial_set_fault(c->fault);
    if (!server_launch(&s, COMMAND(c->path), arguments, NULL) ||
        !connect_all(peers, s.port)) {
        server_end(&s, SIGKILL);
        fails(o, "it does not serve the clients before the signal");
        return;
    }
    bool replied = replies_in_time(&s, peers, counts, &o->reached);
    int status = server_wait(&s);
    for (int i = 0; i < CLIENTS; i++)
        peer_close(&peers[i]);
    o->passed = (replied && status == 0) ||
                fails(o, "%s to the small request, status %d",
                      replied ? "replies in time" : "has not replied", status);
}

// crowd.c - a server whose accept queue is long.

#include "crowd.h"

#include <signal.h>

#include "../conversation/await.h"
#include "residents.h"
#include "trial.h"

// A server that accepts as many clients per turn as it has looks twice at each
// client until it has accepted the last, one that accepts 16 ten times.
enum { REQUESTS = 20, RECV_MAX = 4 * CROWD_SIZE };

// Sends requests for each resident, and waits until they have arrived at the
// server's socket.
static bool ask(struct residents *r)
{
    bool asked = true;
    for (int i = 0; i < r->count; i++) {
        for (int j = 0; j < REQUESTS; j++)
            asked = peer_say(&r->peers[i], "10\n") && asked;
        asked = await_arrived(&r->peers[i]) && asked;
    }
    return asked;
}

// Receives the replies. Returns how many residents got all of them.
static int finish(struct residents *r)
{
    int served = 0;
    for (int i = 0; i < r->count; i++) {
        int replies = 0;
        while (replies < REQUESTS && peer_hears(&r->peers[i], "fib: 55\n"))
            replies++;
        served += replies == REQUESTS;
        peer_close(&r->peers[i]);
    }
    return served;
}

static bool connect_crowd(struct peer *crowd, int port)
{
    bool connected = true;
    for (int i = 0; i < CROWD_SIZE; i++)
        connected = peer_connect(&crowd[i], port) && connected;
    return connected;
}

// Continues a stopped server when the residents' requests and the crowd are
// there. Returns false if it does not stop itself after the call in c->fault.
static bool meet(const struct server *s, struct residents *residents,
                 struct peer *crowd, struct fault_counts *counts)
{
    bool asked = ask(residents) && connect_crowd(crowd, s->port);
    counts->armed = true;
    kill(s->pid, SIGCONT);
    return asked && trial_await_stopped(s);
}

// Returns whether a server that has stopped itself was fair so far: to the
// residents after one of its replies, to the crowd after it accepted the last.
static bool is_fair(enum kind kind, const struct fault_counts *counts)
{
    if (kind == CROWD)
        return counts->seen[CALL_accept4] < CROWD_SIZE;
    return counts->seen[CALL_recv] <= RECV_MAX;
}

void crowd_run(const struct fault_case *c, struct outcome *o)
{
    static struct peer crowd[CROWD_SIZE];
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    struct residents residents;
    struct fault_counts *counts = trial_announce(c->fault);
    if (!server_launch(&s, COMMAND(c->path), arguments, NULL) ||
        !residents_connect(&residents, &s)) {
        server_end(&s, SIGKILL);
        fails(o, "it does not serve the clients before the crowd");
        return;
    }
    kill(s.pid, SIGSTOP);
    trial_await_stopped(&s);
    o->reached = meet(&s, &residents, crowd, counts);
    bool fair = is_fair(c->kind, counts);
    int accepted = counts->seen[CALL_accept4],
        received = counts->seen[CALL_recv];
    kill(s.pid, SIGCONT);
    int served = finish(&residents);
    for (int i = 0; i < CROWD_SIZE; i++)
        peer_close(&crowd[i]);
    int status = server_end(&s, SIGTERM);
    o->passed =
        (o->reached && fair && served == residents.count && status == 0) ||
        fails(o,
              "%d times accept4() and %d times recv() when it stopped itself, "
              "%d of %d residents served, status %d",
              accepted, received, served, residents.count, status);
}

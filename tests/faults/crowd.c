// crowd.c - tests that a server with a long accept queue treats clients fairly.

#include "crowd.h"

#include <signal.h>

#include "../conversation/await.h"
#include "residents.h"
#include "trial.h"

// A fair server accepts, in each turn, about as many clients as it has. Until
// it has accepted the last one, it calls recv() about twice per client. If it
// accepted only 16 clients in each turn, it would call recv() ten times per
// client.
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

// Continues a stopped server when the residents' requests have arrived and the
// crowd has connected. Returns false if the server does not stop itself after
// the call in c->fault.
static bool run_until_stopped(const struct server *s,
                              struct residents *residents, struct peer *crowd,
                              struct fault_counts *counts)
{
    bool asked = ask(residents) && connect_crowd(crowd, s->port);
    counts->armed = true;
    kill(s->pid, SIGCONT);
    return asked && trial_await_stopped(s);
}

// Returns whether a server that has stopped itself was fair so far. After one
// of its replies (CROWD), it must not have accepted the whole crowd. After it
// has accepted the crowd (QUEUE), it must not have called recv() too often.
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
    struct fault_counts *counts = trial_set_fault(c->fault);
    if (!server_launch(&s, COMMAND(c->path), arguments, NULL) ||
        !residents_connect(&residents, &s)) {
        server_end(&s, SIGKILL);
        fails(o, "it does not serve the clients before the crowd");
        return;
    }
    kill(s.pid, SIGSTOP);
    trial_await_stopped(&s);
    o->reached = run_until_stopped(&s, &residents, crowd, counts);
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

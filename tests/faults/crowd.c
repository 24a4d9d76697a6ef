// crowd.c - a server whose accept queue is long.

#include "crowd.h"

#include <signal.h>

#include "../conversation/await.h"
#include "residents.h"
#include "trial.h"

enum { NEWCOMERS = 300, REQUESTS = 20 };

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
    for (int i = 0; i < NEWCOMERS; i++)
        connected = peer_connect(&crowd[i], port) && connected;
    return connected;
}

// Continues a stopped server when the residents' requests and the crowd are
// there. The server stops itself after one of its replies. Returns how many
// clients it has accepted by then, or -1 if it does not reply.
static int accepted_before_replies(const struct server *s,
                                   struct residents *residents,
                                   struct peer *crowd,
                                   struct fault_counts *counts)
{
    bool asked = ask(residents) && connect_crowd(crowd, s->port);
    counts->armed = true;
    kill(s->pid, SIGCONT);
    if (!asked || !trial_await_stopped(s))
        return -1;
    int accepted = counts->seen[CALL_accept4];
    kill(s->pid, SIGCONT);
    return accepted;
}

void crowd_run(const struct fault_case *c, struct outcome *o)
{
    static struct peer crowd[NEWCOMERS];
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
    int accepted = accepted_before_replies(&s, &residents, crowd, counts);
    int served = finish(&residents);
    for (int i = 0; i < NEWCOMERS; i++)
        peer_close(&crowd[i]);
    int status = server_end(&s, SIGTERM);
    o->reached = accepted >= 0;
    o->passed =
        (accepted < NEWCOMERS && served == residents.count && status == 0) ||
        fails(o,
              "%d accepted before the replies, %d of %d "
              "residents served, status %d",
              accepted, served, residents.count, status);
}

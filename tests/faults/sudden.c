// sudden.c - SIGTERM for a server, right after one of its system calls.

#include "sudden.h"

#include <signal.h>

#include "residents.h"
#include "trial.h"

enum { IDLE = 2, ASKING = 3 };

// Clients that connect just before the signal.
struct newcomers {
    struct peer idle[IDLE], asking[ASKING];
    int idle_count;  // 0 for a server that serves one client at a time
};

static void connect_newcomers(struct newcomers *n, int port)
{
    for (int i = 0; i < n->idle_count; i++)
        peer_connect(&n->idle[i], port);
    for (int i = 0; i < ASKING; i++)
        trial_begin(&n->asking[i], port);
}

// Receives the replies. Returns how many clients got a wrong one or only some.
static int finish_asking(struct newcomers *n)
{
    int cut = 0;
    for (int i = 0; i < ASKING; i++) {
        enum reception reception = trial_finish(&n->asking[i]);
        cut += reception == CUT || reception == WRONG;
    }
    return cut;
}

// Stops the server with SIGSTOP, sends the requests of residents and newcomers,
// and continues the server. So all requests have arrived before its next call.
// Returns false if a resident's connection is closed.
static bool send_while_stopped(struct server *s, struct residents *residents,
                               struct newcomers *newcomers,
                               struct fault_counts *counts)
{
    kill(s->pid, SIGSTOP);
    bool asked = residents_ask_last(residents);
    counts->armed = true;
    newcomers->idle_count = residents->count > 0 ? IDLE : 0;
    connect_newcomers(newcomers, s->port);
    kill(s->pid, SIGCONT);
    return asked;
}

void sudden_run(const struct fault_case *c, struct outcome *o)
{
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    struct residents residents;
    struct newcomers newcomers;
    struct fault_counts *counts = trial_set_fault(c->fault);
    bool ready = server_launch(&s, COMMAND(c->path), arguments, NULL) &&
                 residents_connect(&residents, &s) &&
                 send_while_stopped(&s, &residents, &newcomers, counts);
    if (!ready) {
        server_end(&s, SIGKILL);
        fails(o, "it does not serve the clients before the signal");
        return;
    }
    int served = residents_leave(&residents);
    int cut = finish_asking(&newcomers);
    o->reached = !atomic_exchange(&counts->armed, false);
    int status = o->reached ? server_wait(&s) : server_end(&s, SIGTERM);
    for (int i = 0; i < newcomers.idle_count; i++)
        peer_close(&newcomers.idle[i]);
    o->passed = (served == residents.count && cut == 0 && status == 0) ||
                fails(o, "%d of %d clients served, %d cut off, status %d",
                      served, residents.count, cut, status);
}

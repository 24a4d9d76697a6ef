// leaps.c - a clock that moves on between any two looks at it.
//
// A server that looks twice and takes that for one moment forgets what became
// due in between, perhaps once in ten thousand sleeps. With leaps almost as
// long as its backend takes, it does so within a few rounds of clients.

#include "leaps.h"

#include <signal.h>
#include <stdlib.h>

#include "../conversation/server.h"
#include "trial.h"

enum { CLIENTS = 2, ROUNDS = 60, LEAPS_MIN = ROUNDS };

// Has clients ask, all at the same time. Returns how many were lost.
static int lose_some(int port)
{
    struct peer peers[CLIENTS];
    int lost = 0;
    for (int i = 0; i < CLIENTS; i++)
        trial_begin(&peers[i], port);
    for (int i = 0; i < CLIENTS; i++)
        lost += trial_finish(&peers[i]) != SERVED;
    return lost;
}

void leaps_run(const struct fault_case *c, struct outcome *o)
{
    const char *arguments[] = {"--delay", "3", "--quiet", NULL};
    struct server s;
    const struct fault_counts *counts = trial_announce(NULL);
    setenv("LEAP_US", "2000", true);
    bool started = server_launch(&s, COMMAND(c->path), arguments, NULL);
    unsetenv("LEAP_US");
    if (!started) {
        server_wait(&s);
        fails(o, "it does not start");
        return;
    }
    int lost = 0;
    for (int round = 0; round < ROUNDS && lost == 0; round++)
        lost = lose_some(s.port);
    int status = server_end(&s, SIGTERM);
    o->reached = counts->leaps >= LEAPS_MIN;
    o->passed = (lost == 0 && status == 0) ||
                fails(o, "%d clients lost, status %d", lost, status);
}

// leaps.c - a server whose clock leaps between any two readings.
//
// Suppose that a server reads the clock twice and treats both readings as the
// same moment. Then it misses whatever becomes due between them, perhaps once
// in ten thousand sleeps. Here the leaps are almost as long as the delay of the
// backend, so a few rounds of clients are enough to show this bug.

#include "leaps.h"

#include <signal.h>
#include <stdlib.h>

#include "../conversation/server.h"
#include "trial.h"

enum { CLIENTS = 2, ROUNDS = 60, LEAPS_MIN = ROUNDS };

// Has CLIENTS clients send requests at the same time. Returns how many did not
// get all their replies.
static int count_lost(int port)
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
    const char *arguments[] = {"--delay", "3", "--quiet", c->option, NULL};
    struct server s;
    const struct fault_counts *counts = trial_set_fault(NULL);
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
        lost = count_lost(s.port);
    int status = server_end(&s, SIGTERM);
    o->reached = counts->leaps >= LEAPS_MIN;
    o->passed = (lost == 0 && status == 0) ||
                fails(o, "%d clients lost, status %d", lost, status);
}

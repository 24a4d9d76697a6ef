// second.c - a second signal while the main process or thread serves a client.

#include "second.h"

#include <signal.h>

#include "../conversation/await.h"
#include "../conversation/server.h"
#include "trial.h"

// If the second signal comes sooner, the server may take both for one.
enum { SECOND_SIGNAL_MS = 250 };

// Returns the exit status of a server after two signals. Sets `reached` if the
// server received the client's request before the second signal.
static int signal_twice(struct server *s, struct fault_counts *counts,
                        bool *reached)
{
    struct peer p;
    counts->armed = true;
    bool asked = peer_connect(&p, s->port) && peer_say(&p, "10\n");
    if (asked)
        trial_await_failure(counts);
    kill(s->pid, SIGTERM);
    *reached = asked && await_received(&p);
    sleep_ms(SECOND_SIGNAL_MS);
    int status = server_end(s, SIGTERM);
    peer_close(&p);
    return status;
}

void second_run(const struct fault_case *c, struct outcome *o)
{
    const char *arguments[] = {"--quiet", "--delay", "600000", NULL};
    struct server s;
    struct fault_counts *counts = trial_set_fault(c->fault);
    if (!server_launch(&s, COMMAND(c->path), arguments, NULL)) {
        server_wait(&s);
        fails(o, "it does not start");
        return;
    }
    int status = signal_twice(&s, counts, &o->reached);
    o->passed = status == 256 + SIGTERM ||
                fails(o, "status %d after the second signal", status);
}

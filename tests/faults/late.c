// late.c - a request that comes after the signal to stop, in two pieces.

#include "late.h"

#include <signal.h>
#include <string.h>

#include "../conversation/await.h"
#include "../conversation/server.h"
#include "trial.h"

enum { REQUESTS = 1000, BUFFER_SIZE = 2048 };

// Sends empty lines, and waits until the server has received them. Their
// replies are error messages. They fill the client's receive buffer, and most
// of them remain at the server. Returns false on an error.
static bool ask(struct peer *p, int port)
{
    char requests[REQUESTS];
    memset(requests, '\n', sizeof requests);
    return peer_connect_with(p, port, BUFFER_SIZE) &&
           peer_send(p, requests, sizeof requests) && await_received(p);
}

// Sends both pieces. Returns false if the server has ended before, or has not
// stopped itself.
static bool ask_late(struct peer *p, const struct server *s,
                     struct fault_counts *counts)
{
    kill(s->pid, SIGSTOP);
    bool stopped = trial_await_stopped(s);
    counts->armed = true;
    kill(s->pid, SIGTERM);
    kill(s->pid, SIGCONT);
    if (!stopped || !trial_await_stopped(s))
        return false;
    bool sent = peer_say(p, "4") && await_arrived(p);
    kill(s->pid, SIGCONT);
    return sent && await_received(p) && peer_say(p, "5\n");
}

// Receives all replies. Returns how many are error messages, or -1 if there is
// another reply.
static int finish(struct peer *p)
{
    int errors = 0;
    const char *line;
    while ((line = peer_line(p)) != NULL && *line != '\0' && errors >= 0)
        errors = strncmp(line, "error: ", 7) == 0 ? errors + 1 : -1;
    return errors;
}

void late_run(const struct fault_case *c, struct outcome *o)
{
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    struct peer p;
    struct fault_counts *counts = trial_set_fault(c->fault);
    if (!server_launch(&s, COMMAND(c->path), arguments, NULL) ||
        !ask(&p, s.port)) {
        server_end(&s, SIGKILL);
        fails(o, "it does not receive the requests before the signal");
        return;
    }
    o->reached = ask_late(&p, &s, counts);
    int errors = finish(&p);
    peer_close(&p);
    int status = server_wait(&s);
    o->passed =
        ((errors == REQUESTS || !o->reached) && status == 0) ||
        fails(o, "%d of %d replies, status %d", errors, REQUESTS, status);
}

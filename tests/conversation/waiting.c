// waiting.c - who waits for whom: the simulated backend, and doing nothing.

#include <string.h>

#include "../tap.h"
#include "conversation.h"
#include "peer.h"
#include "server.h"

enum { CLIENTS = 60, DELAY_MS = 40, SILENT = 50 };

// How many of the backend's delays went on at the same time, on average, while
// CLIENTS asked once each; 0 when a reply was missing.
static double parallel_delays(const struct server *s)
{
    static struct peer peers[CLIENTS];
    int answered = 0;
    int64_t begin_ms = now_ms();

    for (int i = 0; i < CLIENTS; i++)
        if (peer_connect(&peers[i], s->port) && peer_say(&peers[i], "10\n"))
            peer_finish(&peers[i]);
    for (int i = 0; i < CLIENTS; i++) {
        answered += peer_hears(&peers[i], "fib: 55\n");
        peer_close(&peers[i]);
    }
    return answered < CLIENTS
               ? 0
               : CLIENTS * (double)DELAY_MS / (double)(now_ms() - begin_ms);
}

static void check_delay(const struct subject *subject, const char *trap)
{
    const char *arguments[] = {"--delay", "40", "--quiet", trap, NULL};
    struct server s;
    if (!server_start(&s, subject->path, arguments, NULL))
        return;
    double parallel = parallel_delays(&s);
    if (subject->one_at_a_time || trap != NULL)
        ok(parallel > 0 && parallel < 1.1,
           "%s60 clients wait for their backends one after the other (%.1f)",
           trap != NULL ? "--trap: " : "", parallel);
    else
        ok(parallel > 5, "60 clients wait for their backends together (%.1f)",
           parallel);
    server_stop(&s, "--delay");
}

static void check_idle(const struct subject *subject)
{
    static struct peer peers[SILENT];
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    bool asked = false;
    if (!server_start(&s, subject->path, arguments, NULL))
        return;
    for (int i = 0; i < SILENT; i++)
        if (peer_connect(&peers[i], s.port) && i == 0)
            asked = peer_asks(&peers[i], "10\n", "fib: 55\n");
    int percent = server_cpu_percent(&s, 1000);
    if (subject->always_busy)
        ok(asked && percent >= 20,
           "while nobody talks, it takes what it gets of a core (%d %%)",
           percent);
    else
        // ThreadSanitizer has a thread of its own that looks around.
        ok(asked && percent <= 10,
           "while nobody talks, it takes no CPU (%d %%)", percent);
    for (int i = 0; i < SILENT; i++)
        peer_close(&peers[i]);
    server_stop(&s, "idle");
}

void test_waiting(const struct subject *subject)
{
    check_delay(subject, NULL);
    if (strcmp(subject->model, "coroutine") == 0)
        check_delay(subject, "--trap");
    check_idle(subject);
}

// waiting.c - who waits for whom: the simulated backend, and doing nothing.

#include <errno.h>
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

// With --idle-timeout 1: who is silent is closed, also if it has said half a
// request or got a reply before; who talks or waits for a reply is not.
static void check_idle_timeout(const struct subject *subject)
{
    const char *arguments[] = {"--idle-timeout", "1",       "--delay",
                               "1500",           "--quiet", NULL};
    struct server s;
    struct peer silent, half, other;
    if (!server_start(&s, subject->path, arguments, NULL))
        return;
    int64_t begin_ms = now_ms();
    bool connected = peer_connect(&silent, s.port) &&
                     peer_connect(&half, s.port) && peer_say(&half, "1") &&
                     peer_connect(&other, s.port);
    ok(connected && peer_hears(&silent, "") && now_ms() - begin_ms >= 900,
       "--idle-timeout: a silent client is closed, but not at once");
    ok(peer_hears(&half, "") || errno == ECONNRESET,
       "and one that has said half a request");
    peer_close(&other);
    peer_close(&half);
    connected = peer_connect(&other, s.port);
    ok(connected && peer_asks(&other, "10\n", "fib: 55\n"),
       "one that waits for its reply is not");
    ok(peer_hears(&other, ""), "until it is silent as well");
    peer_close(&silent);
    peer_close(&other);
    server_stop(&s, "--idle-timeout");
}

void test_waiting(const struct subject *subject)
{
    check_delay(subject, NULL);
    if (strcmp(subject->model, "coroutine") == 0)
        check_delay(subject, "--trap");
    check_idle(subject);
    if (!subject->has_no_idle_timeout)
        check_idle_timeout(subject);
}

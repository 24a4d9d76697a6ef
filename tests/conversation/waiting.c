// waiting.c - who waits for whom: the simulated backend, and idle connections.

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../tap.h"
#include "await.h"
#include "conversation.h"
#include "peer.h"
#include "resources.h"
#include "subject.h"

enum {
    CLIENTS = 60,
    TOGETHER_MIN = 6,   // of CLIENTS
    SERVED_MIN = 5,     // beside a long request
    COMPUTING_MS = 30,  // of CPU time, which the kernel counts in steps of 10
    SHORT_DELAY_MS = 10,
    ALL_DELAYS_MS = CLIENTS * SHORT_DELAY_MS,
    IDLE_CLIENTS = 50,
    IDLE_TIMEOUT_MS = 1000,
    SLACK_MS = 100,  // clocks are read, and timers kept, in steps
};

static struct peer peers[CLIENTS];

// Connects CLIENTS and sends a request on each connection.
static void ask_all(const struct server *s)
{
    for (int i = 0; i < CLIENTS; i++)
        if (peer_connect(&peers[i], s->port) && peer_say(&peers[i], "10\n"))
            peer_finish(&peers[i]);
}

// Receives the replies and closes the connections. Returns whether all came.
static bool hear_all(void)
{
    int answered = 0;
    for (int i = 0; i < CLIENTS; i++) {
        answered += answered == i && peer_hears(&peers[i], "fib: 55\n");
        peer_close(&peers[i]);
    }
    return answered == CLIENTS;
}

// How many requests wait for their backend at this moment. Those that the
// server had received before the moment and has not answered after it.
static int count_in_flight(void)
{
    bool received[CLIENTS];
    int count = 0;
    for (int i = 0; i < CLIENTS; i++)
        received[i] = peer_unreceived(&peers[i]) == 0;
    for (int i = 0; i < CLIENTS; i++)
        count += received[i] && !peer_has_heard(&peers[i]);
    return count;
}

// The highest number of requests in flight that is seen until the last client
// has its reply, or until there are enough.
static int watch_in_flight(void)
{
    int64_t until_ms = now_ms() + patience_ms();
    int most = 0;
    while (most < TOGETHER_MIN && !peer_has_heard(&peers[CLIENTS - 1]) &&
           now_ms() < until_ms) {
        int count = count_in_flight();
        most = count > most ? count : most;
        sleep_ms(LOOK_MS);
    }
    return most;
}

// Returns the highest number of requests in flight while the backend takes
// `delay_ms`, or 0 if there were enough and a reply is missing.
static int most_together(const char *delay_ms)
{
    const char *arguments[] = {"--delay", delay_ms, "--quiet", NULL};
    struct server s;
    if (!subject_start(&s, arguments))
        return 0;
    ask_all(&s);
    int together = watch_in_flight();
    bool missed = together >= TOGETHER_MIN && !hear_all();
    for (int i = 0; i < CLIENTS; i++)
        peer_reset(&peers[i]);  // No reply is missed any more.
    server_stop(&s, "--delay");
    return missed ? 0 : together;
}

// On a very busy machine the first replies may come before six requests have
// been received: then a backend that takes ten times as long tells.
static void check_delays_together(void)
{
    if (subject.one_at_a_time)
        return;
    int together = most_together("1000");
    if (together > 1 && together < TOGETHER_MIN)
        together = most_together("10000");
    ok(together >= TOGETHER_MIN,
       "60 clients wait for their backends together (%d at once)", together);
}

// One delay after the other takes as long as all of them: a busy machine only
// makes that longer.
static void check_delays_in_turn(const char *trap)
{
    const char *arguments[] = {"--delay", "10", "--quiet", trap, NULL};
    struct server s;
    if (!subject_start(&s, arguments))
        return;
    int64_t start_ms = now_ms();
    ask_all(&s);
    bool answered = hear_all();
    ok(answered && now_ms() - start_ms >= ALL_DELAYS_MS,
       "%s60 clients wait for their backends one after the other",
       trap != NULL ? "--trap: " : "");
    server_stop(&s, "--delay");
}

static void check_delay_of_blocking(void)
{
    if (subject.one_at_a_time)
        check_delays_in_turn(NULL);
}

static void check_trap(void)
{
    if (strcmp(subject.model, "coroutine") == 0)
        check_delays_in_turn("--trap");
}

#ifdef SANITIZED
#define LONG_REQUEST "38\n"
#else
#define LONG_REQUEST "42\n"
#endif

// Waits until the server computes, and so has begun with what it received:
// nothing else takes so much CPU time.
static bool await_computing(const struct server *s)
{
    int64_t until_ms = now_ms() + patience_ms();
    long before_ms = server_resources(s).cpu_ms, taken_ms = 0;
    while (taken_ms < COMPUTING_MS && now_ms() < until_ms) {
        sleep_ms(LOOK_MS);
        taken_ms = server_resources(s).cpu_ms - before_ms;
    }
    return taken_ms >= COMPUTING_MS;
}

// The long request is sent first. It takes longer than a few requests that
// each wait for a lock or a core. Then it is cancelled.
static void check_beside_long(void)
{
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    struct peer asking;
    if (!subject.computes_beside || !subject_start(&s, arguments))
        return;
    bool asked = peer_connect(&asking, s.port) &&
                 peer_say(&asking, LONG_REQUEST) && await_computing(&s);
    int served = 0;
    while (asked && served < SERVED_MIN && is_served(&s))
        served++;
    // If the long one is not answered yet, it may be so just by chance.
    bool computing = served == SERVED_MIN && await_computing(&s);
    ok(computing && !peer_has_heard(&asking),
       "beside a long request, other clients are served");
    peer_reset(&asking);
    server_stop(&s, "beside a long request");
}

static void check_idle(void)
{
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    bool answered = false;
    if (!subject_start(&s, arguments))
        return;
    for (int i = 0; i < IDLE_CLIENTS; i++)
        if (peer_connect(&peers[i], s.port) && i == 0)
            answered = peer_asks(&peers[i], "10\n", "fib: 55\n");
    int percent;
    bool idles = subject_idles(&s, &percent);
    ok(answered && idles,
       subject.always_busy
           ? "while no client sends, it takes what it gets of a core (%d %%)"
           : "while no client sends, it takes no CPU (%d %%)",
       percent);
    for (int i = 0; i < IDLE_CLIENTS; i++)
        peer_close(&peers[i]);
    server_stop(&s, "idle");
}

// With --idle-timeout 1 an idle connection is closed, also one that has sent
// half a request or has received a reply; one that waits for a reply is not.
static void check_idle_timeout(void)
{
    const char *arguments[] = {"--idle-timeout", "1",       "--delay",
                               "1500",           "--quiet", NULL};
    struct server s;
    struct peer silent, half, other;
    if (!subject_start(&s, arguments))
        return;
    int64_t start_ms = now_ms();
    bool connected = peer_connect(&silent, s.port) &&
                     peer_connect(&half, s.port) && peer_say(&half, "1") &&
                     peer_connect(&other, s.port) && peer_say(&other, "10\n");
    ok(connected && peer_hears(&silent, "") &&
           now_ms() - start_ms >= IDLE_TIMEOUT_MS - SLACK_MS,
       "--idle-timeout: a silent client is closed, but not at once");
    ok(peer_hears(&half, "") || errno == ECONNRESET,
       "and one that has said half a request");
    peer_close(&half);
    ok(peer_hears(&other, "fib: 55\n"), "one that waits for its reply is not");
    ok(peer_hears(&other, ""), "until it is silent as well");
    peer_close(&silent);
    peer_close(&other);
    server_stop(&s, "--idle-timeout");
}

// Idle means no progress in either direction.
static void check_idle_reader(void)
{
    static char requests[1 << 16];
    const char *arguments[] = {"--idle-timeout", "1", "--quiet", NULL};
    struct server s;
    struct peer p;
    if (!subject_start(&s, arguments))
        return;
    memset(requests, '\n', sizeof requests);
    bool asked = peer_connect(&p, s.port);
    while (asked && send(p.fd, requests, sizeof requests,
                         MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        ;
    ok(asked && await_closed(&p),
       "--idle-timeout: a client that never reads is closed as well");
    peer_close(&p);
    server_stop(&s, "--idle-timeout without a reader");
}

void test_waiting(void)
{
    static void (*const checks[])(void) = {check_idle_timeout,
                                           check_idle_reader,
                                           check_delays_together,
                                           check_delay_of_blocking,
                                           check_trap,
                                           check_beside_long,
                                           check_idle};
    tap_side_by_side(checks, sizeof checks / sizeof checks[0]);
}

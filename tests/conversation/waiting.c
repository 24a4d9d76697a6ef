// waiting.c - which waits happen at the same time: backends, idle connections.

#include <errno.h>
#include <signal.h>
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
    TOGETHER_MIN = 6,   // requests in flight at the same time
    SERVED_MIN = 5,     // replies to others during a long request
    COMPUTING_MS = 30,  // of CPU time, which the kernel counts in steps of 10
    SHORT_DELAY_MS = 10,
    ALL_DELAYS_MS = CLIENTS * SHORT_DELAY_MS,
    IDLE_CLIENTS = 50,
    IDLE_TIMEOUT_MS = 1000,
    SLACK_MS = 100,          // clocks and timers are not exact
    STEADY_REQUESTS = 5000,  // their replies have 35,000 bytes
    STEADY_LEN = 30000,      // of these, how many are read steadily: for 3 s
    STEADY_SIZE = 1000,      // in one piece, which opens the window again
    STEADY_PAUSE_MS = 100,
    STEADY_BUFFER_SIZE = 2048,
    STEADY_TRIES = 5,
    LONG_PAUSE_MS = 250,
};

static struct peer peers[CLIENTS];

// Connects CLIENTS clients and sends a request on each connection.
static void ask_all(const struct server *s)
{
    for (int i = 0; i < CLIENTS; i++)
        if (peer_connect(&peers[i], s->port) && peer_say(&peers[i], "10\n"))
            peer_finish(&peers[i]);
}

// Receives one reply per client and closes the connections. Returns whether all
// replies came.
static bool hear_all(void)
{
    int answered = 0;
    for (int i = 0; i < CLIENTS; i++) {
        answered += answered == i && peer_hears(&peers[i], "fib: 55\n");
        peer_close(&peers[i]);
    }
    return answered == CLIENTS;
}

// Returns how many requests the server has received but not answered at one
// moment, between the two loops: each of them waits for its backend.
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

// Returns the highest number of requests seen in flight, up to TOGETHER_MIN.
// Stops when the last client has its reply.
static int watch_in_flight(void)
{
    int64_t until_ms = now_ms() + patience_ms();
    int most = 0;
    while (most < TOGETHER_MIN && !peer_has_heard(&peers[CLIENTS - 1]) &&
           now_ms() < until_ms) {
        int count = count_in_flight();
        most = count > most ? count : most;
        sleep_ms(CHECK_PAUSE_MS);
    }
    return most;
}

// Starts a server with --delay and sends it CLIENTS requests. Sets `most` to
// the highest number seen in flight. Returns false if the server does not start
// or, when that number was enough, a reply is missing. Then `most` is 0.
static bool count_together(const char *delay_ms, int *most)
{
    const char *arguments[] = {"--delay", delay_ms, "--quiet", NULL};
    struct server s;
    *most = 0;
    if (!subject_start(&s, arguments))
        return false;
    ask_all(&s);
    int together = watch_in_flight();
    bool missed = together >= TOGETHER_MIN && !hear_all();
    for (int i = 0; i < CLIENTS; i++)
        peer_reset(&peers[i]);  // The remaining replies do not matter.
    server_stop(&s, "--delay");
    *most = missed ? 0 : together;
    return !missed;
}

// Checks that the clients wait for their simulated backends at the same time.
// On a very busy machine, replies may come before six requests have been
// received, or all of them before the test has counted. Then the check tries
// again with ten times the delay.
static void check_delays_together(void)
{
    if (subject.one_at_a_time)
        return;
    int together;
    if (count_together("1000", &together) && together < TOGETHER_MIN)
        count_together("10000", &together);
    ok(together >= TOGETHER_MIN,
       "60 clients wait for their backends together (%d at once)", together);
}

// Checks that the clients wait for their simulated backends one after the
// other: in all, that takes at least the sum of the delays. On a busy machine
// it takes even longer.
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

// Checks that a model that counts spurious wakeups counts none if no client has
// connected. The wakeup by the signal to stop must not count.
static void check_no_wakeup(void)
{
    struct server s;
    bool counts = strcmp(subject.model, "prefork") == 0 ||
                  strcmp(subject.model, "workers") == 0;
    if (!counts || !subject_start(&s, NULL))
        return;
    server_await_rest(&s);
    int status = server_end(&s, SIGTERM);
    ok(status == 0 && (strstr(s.err_text, " woke 0 times ") != NULL ||
                       strstr(s.err_text, " 0 wakeups ") != NULL),
       "without a client, no wakeup is spurious");
}

// It takes some 0.3 s of CPU time. The address sanitizer slows fib() down, but
// tests.mk keeps fib() from the thread sanitizer.
#ifdef __SANITIZE_ADDRESS__
#define LONG_REQUEST "38\n"
#else
#define LONG_REQUEST "42\n"
#endif

// Waits until the server has used COMPUTING_MS of CPU time, and so has begun to
// compute the long request. Returns false after patience_ms().
static bool await_computing(const struct server *s)
{
    int64_t until_ms = now_ms() + patience_ms();
    long before_ms = server_resources(s).cpu_ms, taken_ms = 0;
    while (taken_ms < COMPUTING_MS && now_ms() < until_ms) {
        sleep_ms(CHECK_PAUSE_MS);
        taken_ms = server_resources(s).cpu_ms - before_ms;
    }
    return taken_ms >= COMPUTING_MS;
}

// Checks that the server serves other clients during a long request. The long
// one is sent first, and takes longer than several short ones, even if each
// waits for a lock or a core. At the end its client resets the connection.
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
    // The check counts only if the server is still computing the long request.
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
           ? "while no client sends, it uses all of its share of a core (%d %%)"
           : "while no client sends, it uses no CPU time (%d %%)",
       percent);
    for (int i = 0; i < IDLE_CLIENTS; i++)
        peer_close(&peers[i]);
    server_stop(&s, "idle");
}

// Checks that --idle-timeout closes idle connections: one without a request,
// one with half a request, and one that has its reply. A connection that waits
// for a reply must stay open. The summary must count one request only.
static void check_idle_timeout(void)
{
    const char *arguments[] = {"--idle-timeout", "1",       "--delay",
                               "1500",           "--quiet", NULL};
    struct server s;
    struct peer idle, half, other;
    if (!subject_start(&s, arguments))
        return;
    int64_t start_ms = now_ms();
    bool connected = peer_connect(&idle, s.port) &&
                     peer_connect(&half, s.port) && peer_say(&half, "1") &&
                     peer_connect(&other, s.port) && peer_say(&other, "10\n");
    ok(connected && peer_hears(&idle, "") &&
           now_ms() - start_ms >= IDLE_TIMEOUT_MS - SLACK_MS,
       "--idle-timeout: an idle client is closed, but not at once");
    ok(peer_hears(&half, "") || errno == ECONNRESET,
       "--idle-timeout: a client that sent half of a request is closed");
    peer_close(&half);
    ok(peer_hears(&other, "fib: 55\n"),
       "--idle-timeout: a client that waits for its reply is not closed");
    ok(peer_hears(&other, ""),
       "--idle-timeout: after its reply, this client is closed, too");
    peer_close(&idle);
    peer_close(&other);
    server_stop(&s, "--idle-timeout");
    const char *summary = strstr(s.out_text, "connections, ");
    if (summary == NULL)
        summary = "no summary\n";
    bool one = strncmp(summary, "connections, 1 request", 22) == 0;
    if (!one)
        printf("# it printed %s", summary);
    ok(one, "--idle-timeout: half of a request is not answered");
}

// Checks that --idle-timeout also closes a connection whose client sends
// requests but never reads. Idle means: no progress in either direction.
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
       "--idle-timeout: a client that never reads is closed, too");
    peer_close(&p);
    server_stop(&s, "--idle-timeout without a reader");
}

// Receives replies in small pieces, one after each short pause, for several
// times the idle timeout. Returns the longest time between two of them.
static int64_t read_steadily(const struct peer *p)
{
    char piece[STEADY_SIZE];
    int64_t last_ms = now_ms(), longest_ms = 0;
    for (ssize_t len = 0, n = 1; n > 0 && len < STEADY_LEN; len += n) {
        n = recv(p->fd, piece, sizeof piece, 0);
        sleep_ms(STEADY_PAUSE_MS);
        int64_t pause_ms = now_ms() - last_ms;
        longest_ms = pause_ms > longest_ms ? pause_ms : longest_ms;
        last_ms += pause_ms;
    }
    return longest_ms;
}

// Sends many requests at once, reads the replies steadily, and then sends one
// more. Returns whether it is answered. Sets `paused_ms` to the longest time in
// which the client read nothing.
static bool is_answered_after_reading(const struct server *s,
                                      int64_t *paused_ms)
{
    struct peer p;
    char requests[2 * STEADY_REQUESTS];
    for (size_t i = 0; i < sizeof requests; i++)
        requests[i] = "1\n"[i % 2];
    bool asked = peer_connect_with(&p, s->port, STEADY_BUFFER_SIZE) &&
                 peer_send(&p, requests, sizeof requests);
    *paused_ms = read_steadily(&p);
    asked = asked && peer_say(&p, "7\n");
    const char *line = asked ? peer_line(&p) : NULL;
    while (line != NULL && *line != '\0' && strcmp(line, "fib: 13\n") != 0)
        line = peer_line(&p);
    bool answered = line != NULL && *line != '\0';
    peer_close(&p);
    return answered;
}

// Checks that a client that reads its replies is not idle, even if it sends
// nothing. On a very busy machine, the client itself may pause for as long as
// the timeout. Then the check tries again.
static void check_steady_reader(void)
{
    const char *arguments[] = {"--idle-timeout", "1", "--quiet", NULL};
    struct server s;
    if (!subject_start(&s, arguments))
        return;
    int64_t paused_ms = INT64_MAX;
    bool answered = false;
    for (int i = 0; i < STEADY_TRIES && !answered && paused_ms > LONG_PAUSE_MS;
         i++)
        answered = is_answered_after_reading(&s, &paused_ms);
    if (!answered)
        printf("# no reply to its last request; it paused for at most %d ms\n",
               (int)paused_ms);
    ok(answered, "--idle-timeout: a client that only reads is not idle");
    server_stop(&s, "--idle-timeout with a reader");
}

void test_waiting(void)
{
    static void (*const checks[])(void) = {
        check_idle_timeout,    check_idle_reader,       check_steady_reader,
        check_delays_together, check_delay_of_blocking, check_trap,
        check_no_wakeup,       check_beside_long,       check_idle};
    tap_side_by_side(checks, sizeof checks / sizeof checks[0]);
}

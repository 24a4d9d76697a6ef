// phases.c - the phases of a run: probes, the warm-up, the measured window, and
// the grace period for requests that are unanswered at its end.

#include <signal.h>
#include <stdio.h>

#include "../tap.h"
#include "client.h"
#include "parts.h"
#include "phrases.h"
#include "record.h"
#include "server.h"

// Replies to probes after 5 ms, like a server that first starts a thread.
static bool reply_to_probe_slowly(struct peer *peer, int i)
{
    sleep_ms(5);
    return reply_to_probe(peer, i);
}

// Checks that the load begins after all connections have been accepted. The
// client waits for the replies to its probes for up to twice the warm-up.
void test_probe(void)
{
    const struct script slow_to_reply = {.answer = soon,
                                         .probe = reply_to_probe_slowly};
    const struct outcome *o =
        RUN_SCRIPT(&slow_to_reply, "-c", "20", "-n", "200", "--warmup", "1s");
    ok(o->status == 0 && column(o, "served") == 20 &&
           column(o, "probed") == 20 && column(o, "requests") == 200,
       "20 connections that are accepted within 5 ms each are all served");
    ok(record->probes_at_first == 20,
       "all connections are accepted before the warm-up");
}

void test_unanswered_probe(void)
{
    const struct script first_only = {.answer = soon,
                                      .probe = reply_to_first_probe};
    const struct outcome *o =
        RUN_SCRIPT(&first_only, "-c", "3", "--warmup", "500ms", "-d", "500ms",
                   "--grace", "200ms");
    ok(o->status == 1 && column(o, "probed") == 1 && column(o, "served") == 1 &&
           column(o, "unanswered") == 2 && column(o, "requests") > 0,
       "the load begins without connections that are not accepted");
    o = RUN_SCRIPT(&first_only, "-c", "3", "-n", "50", "--grace", "0",
                   "--timeout", "1h");
    ok(column(o, "requests") == 50 && column(o, "unanswered") == 2,
       "50 requests do not wait for connections that are not accepted");
}

// Returns how long a run takes in ns: the wait for probes, and a warm-up.
static int64_t run_ns(behaviour *to_probe)
{
    const struct script script = {.answer = soon, .probe = to_probe};
    int64_t begin_ns = record_now_ns();
    RUN_SCRIPT(&script, "-c", "3", "--warmup", "2s", "-d", "1ms", "--grace",
               "0");
    return record_now_ns() - begin_ns;
}

// Checks that the client waits for missing replies to its probes for two
// warm-ups if none comes, but for one if some come. On a busy machine a run may
// take half a warm-up longer: then the check tries again.
void test_wait_for_probes(void)
{
    enum { TRIES = 3 };
    const int64_t half_ns = 1000000000;
    bool is_shorter = false;
    for (int i = 0; i < TRIES && !is_shorter; i++)
        is_shorter = run_ns(reply_to_first_probe) + half_ns < run_ns(no_reply);
    ok(is_shorter,
       "if the server replies to one probe, the wait for others is shorter");
}

static bool reply_to_probe_after_2_ms(struct peer *peer, int i)
{
    sleep_ms(2);
    return reply_to_probe(peer, i);
}

static bool reply_to_probe_after_100_ms(struct peer *peer, int i)
{
    sleep_ms(100);
    return reply_to_probe(peer, i);
}

static bool reply_to_probe_and_close(struct peer *peer, int i)
{
    reply_to_probe(peer, i);
    return false;
}

// Runs the client with so many `connections`, without a warm-up. Returns how
// many probes the server has replied to when the load begins. Sets `pace_ms` to
// the time of the run divided by this number.
static double count_probed(const char *connections, behaviour *to_probe,
                           double *pace_ms)
{
    const struct script script = {.answer = right, .probe = to_probe};
    int64_t begin_ns = record_now_ns();
    const struct outcome *o =
        RUN_SCRIPT(&script, "-c", connections, "-d", "1ms", "--warmup", "0",
                   "--grace", "0");
    double probed = column(o, "probed");
    *pace_ms = (double)(record_now_ns() - begin_ns) / 1e6 / probed;
    return probed;
}

// Checks that the wait for replies to probes depends on the pace at which they
// come. On a busy machine, a server that takes 2 ms may be as slow as one for
// which the client does not wait. Client or server may also get no core for
// longer than the client waits without a reply: then the check tries again.
void test_pace_of_probes(void)
{
    enum { PACE_MS_MAX = 25, TRIES_MAX = 5 };
    double pace_ms = 0, probed = 0;
    for (int i = 0; i < TRIES_MAX && probed < 300 && pace_ms <= PACE_MS_MAX;
         i++)
        probed = count_probed("300", reply_to_probe_after_2_ms, &pace_ms);
    ok(probed == 300 || pace_ms > PACE_MS_MAX,
       "the load begins after 300 probes of 2 ms each: %.0f", probed);
    probed = count_probed("30", reply_to_probe_after_100_ms, &pace_ms);
    ok(probed >= 0 && probed < 30,
       "the load does not wait for 30 probes of 100 ms each");
    RUN_SCRIPT(
        (&(struct script){.answer = right, .probe = reply_to_probe_and_close}),
        "-c", "100", "-n", "100", "--warmup", "500ms");
    ok(record->probes >= 100 && record->probes < 3000,
       "the load does not wait for connections that are closed after a probe: "
       "%d",
       record->probes);
}

static bool later(struct peer *peer, int i)
{
    (void)i;
    sleep_ms(1000);
    return reply(peer);
}

void test_window(void)
{
    const struct outcome *o =
        RUN(soon, "-c", "2", "-d", "300ms", "--warmup", "100ms");
    ok(o->status == 0 && column(o, "duration_s") >= 0.3 &&
           column(o, "duration_s") <=
               (double)(record->closed_ns - record->probe_ns) / 1e9,
       "a window of 300 ms lasts at least 300 ms");
    ok(column(o, "requests") > 0 && column(o, "requests") < record->replies &&
           column(o, "replies") >= column(o, "requests"),
       "requests in the warm-up are not counted");
    ok(column(o, "late") <= 2 &&
           column(o, "samples") == column(o, "requests") + column(o, "late"),
       "the latency of requests in the warm-up is not counted");
    o = RUN(later, "-c", "1", "--warmup", "0", "-d", "200ms", "--grace", "1m");
    ok(o->status == 1 && column(o, "served") == 0 &&
           column(o, "requests") == 0 && column(o, "late") == 1,
       "a reply in the grace period is late, and its connection unserved");
    o = RUN(first_wrong, "-c", "1", "--warmup", "500ms", "--think", "5", "-n",
            "50");
    ok(o->status == 1 && column(o, "wrong") == 1 && column(o, "requests") == 50,
       "a wrong reply in the warm-up is reported");
}

static bool interrupt_at_tenth(struct peer *peer, int i)
{
    while (record->client == 0)
        sleep_ms(1);
    if (i == 9)
        kill(record->client, SIGINT);
    return reply(peer);
}

void test_interrupts(void)
{
    const struct outcome *o = RUN(interrupt_at_tenth, "--warmup", "1h");
    ok(o->status == 1 && says(o, SAYS_INTERRUPTED_IN_WARMUP) &&
           !says(o, SAYS_PROBLEM) && column(o, "interrupted") == 1,
       "an interrupt in the warm-up is reported");
    o = RUN(interrupt_at_tenth, "-c", "1", "--warmup", "0", "-d", "1h",
            "--grace", "20s");
    ok(o->status == 0 && says(o, SAYS_INTERRUPTED) && column(o, "requests") > 0,
       "an interrupt in the window ends it early, with a report");
    o = RUN(interrupt_at_tenth, "-c", "1", "--warmup", "0", "-d", "1h",
            "--grace", "20s", "--strict");
    ok(o->status == 1 && column(o, "requests") > 0,
       "with --strict, an interrupt gives status 1");
}

static bool hang_up_at_tenth(struct peer *peer, int i)
{
    while (record->client == 0)
        sleep_ms(1);
    if (i == 9)
        kill(record->client, SIGHUP);
    return reply(peer);
}

static int interrupt_after_ms;

static bool interrupt_later(struct peer *peer, int i)
{
    (void)peer;
    sleep_ms(interrupt_after_ms);
    if (i == 0)
        kill(record->client, SIGINT);
    return true;
}

// Runs the client so that SIGINT arrives in its grace period. Only the client
// knows when its window ends. On a busy machine it may send no request in a
// short window, or end the window late. So the function doubles the window and
// the delay of the signal until the signal comes after the window.
static const struct outcome *run_interrupted_in_grace(void)
{
    enum { LATEST_MS = 30000 };
    const struct outcome *o = NULL;
    char window[16];
    interrupt_after_ms = 10;
    do {
        snprintf(window, sizeof window, "%dms", interrupt_after_ms);
        interrupt_after_ms *= 2;
        o = RUN(interrupt_later, "-c", "1", "-d", window, "--warmup", "0",
                "--timeout", "1h", "--grace", "1h");
    } while ((column(o, "interrupted") == 1 || record->requests == 0) &&
             interrupt_after_ms < LATEST_MS);
    return o;
}

static void ignore_hang_up(void)
{
    signal(SIGHUP, SIG_IGN);
}

void test_interrupted_grace(void)
{
    const struct outcome *o = run_interrupted_in_grace();
    ok(o->status == 1 && column(o, "unanswered") == 1 &&
           column(o, "interrupted") == 0 &&
           near(column(o, "duration_s") * 2000, interrupt_after_ms, 0.001),
       "an interrupt in the grace period does not change the window");
    o = RUN(hang_up_at_tenth, "-c", "1", "-d", "1h", "--warmup", "0", "--grace",
            "20s");
    ok(o->status == 0 && column(o, "interrupted") == 1 &&
           column(o, "requests") >= 9 && says(o, SAYS_INTERRUPTED),
       "a closed terminal is an interrupt, and the report is printed");
    client_prepare = ignore_hang_up;
    o = RUN(hang_up_at_tenth, "-c", "1", "-n", "20");
    client_prepare = NULL;
    ok(o->status == 0 && column(o, "requests") == 20 &&
           column(o, "interrupted") == 0,
       "a client that nohup has started ignores SIGHUP");
}

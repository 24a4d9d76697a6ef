// replies.c - checks that every reply is checked, and that every request ends
// in one outcome: a correct reply, a wrong reply, an error, a lost connection,
// a timeout, or no reply.

#include <string.h>
#include <sys/socket.h>

#include "../tap.h"
#include "client.h"
#include "parts.h"
#include "phrases.h"
#include "record.h"
#include "server.h"

// ---- Right replies

static bool bare(struct peer *peer, int i)
{
    (void)i;
    return say(peer, "55\n");
}

// Sends a reply in three pieces, each of which the client receives by a recv()
// of its own.
static bool in_pieces(struct peer *peer, int i)
{
    (void)i;
    say(peer, "fib:");
    wait_until_read(peer);
    say(peer, " 5");
    wait_until_read(peer);
    return say(peer, "5\n");
}

void test_right_replies(void)
{
    const struct outcome *o = RUN(right, "-n", "1000", "-c", "10");
    ok(o->status == 0 && column(o, "requests") == 1000,
       "1000 right replies are counted");
    ok(column(o, "served") == 10 &&
           near(column(o, "jain"), record_jain(10), 0.0001),
       "the fairness over 10 connections is that of the server's replies");
    ok(column(o, "p50_us") > 0 && column(o, "p50_us") <= column(o, "p99_us") &&
           column(o, "p99_us") <= column(o, "max_us"),
       "the percentiles are in ascending order");
    double rate = column(o, "requests") / column(o, "duration_s");
    ok(near(rate / column(o, "req_per_s"), 1, 0.01),
       "the rate is requests divided by duration");
    o = RUN(bare, "-n", "100");
    ok(o->status == 0 && column(o, "requests") == 100,
       "replies without 'fib: ' are right");
    o = RUN(in_pieces, "-n", "3", "-c", "1", "--timeout", "100s");
    ok(o->status == 0 && column(o, "requests") == 3,
       "replies that arrive in pieces are right");
    o = RUN(right, "-n", "500", "-c", "5", "--idle", "20");
    ok(o->status == 0 && column(o, "idle_connected") == 20 &&
           column(o, "requests") == 500 && column(o, "served") == 5,
       "--idle 20 opens 20 idle connections beside 5 others");
    ok(record->connections == 25 && record->probes == 5,
       "the idle connections never send anything");
}

// ---- Wrong replies

static bool one_in_a_thousand_wrong(struct peer *peer, int i)
{
    return i % 1000 == 700 ? say(peer, "fib: 56\n") : reply(peer);
}

static bool every_tenth_error(struct peer *peer, int i)
{
    return i % 10 == 9 ? say(peer, "error: tired\n") : reply(peer);
}

static bool twice(struct peer *peer, int i)
{
    (void)i;
    return say(peer, "fib: 55\nfib: 55\n");
}

static bool endless(struct peer *peer, int i)
{
    (void)i;
    static char bytes[1 << 16];
    memset(bytes, '5', sizeof bytes);
    return send(peer->fd, bytes, sizeof bytes, MSG_NOSIGNAL) > 0;
}

static bool unprintable(struct peer *peer, int i)
{
    (void)i;
    return say(peer, "\x01\xff\\\n");
}

static int times_said(const struct outcome *o, const char *phrase)
{
    int times = 0;
    for (const char *at = o->out; (at = strstr(at, phrase)) != NULL; at++)
        times++;
    return times;
}

void test_shown_replies(void)
{
    const struct outcome *o = RUN(every_tenth_wrong, "-n", "100", "-c", "1");
    ok(times_said(o, SAYS_WRONG) == 3, "the first three wrong replies are shown"
                                       ", with what should have come");
    o = RUN(unprintable, "-n", "1");
    ok(says(o, SAYS_ESCAPED),
       "control characters in a wrong reply are escaped");
    o = RUN(endless, "-n", "1");
    ok(says(o, SAYS_LONG), "the beginning of an endless reply is shown");
    o = RUN(right, "-n", "10");
    ok(!says(o, SAYS_INSTEAD), "right replies are not shown");
}

void test_wrong_replies(void)
{
    const struct outcome *o = RUN(every_tenth_wrong, "-n", "1000", "-c", "4");
    ok(o->status == 1 && column(o, "wrong") == 100 &&
           column(o, "requests") == 900,
       "100 wrong replies of 1000 are counted apart from right ones");
    o = RUN(one_in_a_thousand_wrong, "-n", "5000", "-c", "4", "-t", "2", "-P",
            "16");
    ok(o->status == 1 && column(o, "wrong") == 5 &&
           column(o, "requests") == 4995,
       "one wrong reply in a thousand is counted exactly");
    o = RUN(every_tenth_error, "-n", "1000", "-c", "4");
    ok(o->status == 1 && column(o, "error_replies") == 100 &&
           column(o, "requests") == 900,
       "error replies are counted apart from right ones");
    o = RUN(twice, "-n", "10", "-c", "1");
    ok(o->status == 1 && column(o, "wrong") == record->requests &&
           column(o, "requests") == 10,
       "a second reply to one request is wrong");
    o = RUN(endless, "-n", "5", "-c", "1");
    ok(o->status == 1 && column(o, "wrong") == 5,
       "a reply without an end is wrong");
}

// ---- Broken connections

static bool close_after_third(struct peer *peer, int i)
{
    return i % 4 != 3 && reply(peer);
}

static bool reset_after_third(struct peer *peer, int i)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (i % 4 == 3)
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return close_after_third(peer, i);
}

void test_closed_connections(void)
{
    const struct outcome *o = RUN(close_after_third, "-n", "40", "-c", "1");
    ok(o->status == 1 && column(o, "failed") == 10 &&
           column(o, "closed_by_server") == 10 && column(o, "requests") == 30,
       "connections that the server closes are counted");
    ok(column(o, "lost") == 10 && says(o, SAYS_LOST),
       "the requests on closed connections are lost");
}

void test_reset_connections(void)
{
    const struct outcome *o = RUN(reset_after_third, "-n", "40", "-c", "1");
    ok(o->status == 1 && column(o, "failed") == 10 &&
           column(o, "closed_by_server") == 0 && column(o, "lost") == 10 &&
           says(o, SAYS_RESET),
       "a reset is counted and reported apart");
}

// ---- No replies

// Checks requests without a reply: at the end they count as unanswered, with
// their age as latency. The client sends them when the window begins, after the
// probe. So their age is at least the window less the time until the server
// received them.
void test_missing_replies(void)
{
    last_request = 3;
    const struct outcome *o = RUN_TO_LAST("-c", "3");
    ok(o->status == 1 && column(o, "served") == 0 &&
           column(o, "unanswered") == 3 && column(o, "requests") == 0,
       "without replies, three requests are unanswered");
    int64_t last_ns = record->received_ns[record->requests - 1];
    double delay_us = (double)(last_ns - record->probe_ns) / 1e3;
    double window_us = column(o, "duration_s") * 1e6;
    ok(column(o, "p50_us") >= 0.99 * (window_us - delay_us),
       "the ages of unanswered requests count as latencies");

    last_request = 15;
    o = RUN_TO_LAST("-c", "3", "-P", "5");
    ok(column(o, "unanswered") == 15 && column(o, "samples") == 15,
       "with five in flight on each of three connections, all 15 count");
    last_request = 5;
    o = RUN_TO_LAST("-c", "5", "-t", "2", "--idle", "3");
    ok(column(o, "unanswered") == 5 && column(o, "samples") == 5 &&
           column(o, "idle_connected") == 3,
       "the unanswered requests of two threads are added up");
}

static bool just_late(struct peer *peer, int i)
{
    (void)i;
    sleep_ms(505);
    return reply(peer);
}

// Checks --timeout. The same limit holds for the probe of each connection,
// which needs only a small part of it.
void test_timeouts(void)
{
    const struct outcome *o =
        RUN(no_reply, "-n", "4", "--timeout", "500ms", "-c", "2");
    ok(o->status == 1 && column(o, "timeouts") == 4,
       "requests without a reply time out");
    o = RUN(no_reply, "-n", "8", "--timeout", "500ms", "-c", "2", "-P", "4");
    ok(o->status == 1 && column(o, "timeouts") == 8,
       "all requests in flight time out");
    o = RUN(no_reply, "-n", "4", "--timeout", "500ms", "-c", "2", "--churn");
    ok(o->status == 1 && column(o, "timeouts") == 4,
       "with --churn, requests time out, too");
    o = RUN(just_late, "-c", "1", "-n", "3", "--timeout", "500ms");
    ok(o->status == 1 && column(o, "timeouts") == 3 &&
           column(o, "requests") == 0,
       "replies after the timeout are not counted");
}

// load.c - the options that shape the load: pipelines, new connections,
// threads, pauses between requests, and hogs, which send expensive requests.

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "../tap.h"
#include "client.h"
#include "parts.h"
#include "phrases.h"
#include "record.h"
#include "server.h"

// ---- Pipelines

enum { DEPTH = 4, PIPELINED = 40 };

// Replies to the oldest request once DEPTH requests have arrived, or if no more
// will come. So each request waits for those before it, and all waiting
// requests have arrived at the server.
static bool answer_the_oldest(struct peer *peer, int i)
{
    int keep = i < PIPELINED - 1 ? DEPTH - 1 : 0;
    while (record->requests - record->replies > keep) {
        sleep_ms(SLOW_MS);
        if (!reply(peer))
            return false;
    }
    return true;
}

void test_pipeline(void)
{
    const struct outcome *o = RUN(right, "-n", "1000", "-c", "3", "-P", "16");
    ok(o->status == 0 && column(o, "requests") == 1000 &&
           column(o, "samples") == 1000 && column(o, "pipeline") == 16,
       "-P 16: 1000 requests, 16 at a time on each connection");
    o = RUN(every_tenth_wrong, "-n", "1000", "-c", "3", "-P", "16");
    ok(column(o, "wrong") == 100 && column(o, "requests") == 900,
       "each reply is checked");
    o = RUN(right, "-n", "500", "-c", "3", "-P", "16", "-R", "5k");
    ok(o->status == 0 && column(o, "requests") == 500,
       "pipelines work in an open loop, too");
    o = RUN(right, "-n", "20", "-c", "10", "-P", "16", "-t", "3");
    ok(o->status == 0 && column(o, "served") == 10,
       "the first connections leave requests for the others");
    o = RUN(answer_the_oldest, "-n", "40", "-c", "1", "-P", "4");
    struct bounds p50_us = record_latency(50, DEPTH);
    ok(column(o, "p50_us") >= DEPTH * SLOW_MS * 1000 * 0.99 &&
           column(o, "p50_us") >= p50_us.low_us * 0.99 &&
           column(o, "p50_us") <= p50_us.high_us * 1.01 &&
           column(o, "duration_s") >= record_span_s(),
       "with four requests in flight, each takes the time of four");
}

// ---- A new connection for each request

// Checks --churn, which makes a new connection for each request. A run has 500
// connections, more than the server can have at the same time.
void test_churn(void)
{
    const struct outcome *o = RUN(right, "-n", "500", "-c", "3", "--churn");
    ok(o->status == 0 && column(o, "requests") == 500 &&
           column(o, "connects") == 500 && column(o, "served") == 3,
       "--churn: 500 requests on 500 connections, three at a time");
    ok(column(o, "connect_p50_us") > 0 &&
           column(o, "connect_p50_us") <= column(o, "connect_max_us") &&
           says(o, SAYS_CONNECTING),
       "the time to connect is shown apart");
    o = RUN(slow, "-n", "20", "-c", "1", "--churn");
    ok(column(o, "connect_p50_us") < column(o, "p50_us") / 2 &&
           column(o, "p50_us") >= SLOW_MS * 1000 * 0.99,
       "the time to connect does not contain the reply");
    o = RUN(right, "-n", "200", "-R", "1k", "-c", "3", "--churn");
    ok(o->status == 0 && column(o, "requests") == 200 &&
           column(o, "connects") == 200 && column(o, "duration_s") > 0.19,
       "--churn works in an open loop, too");
    o = RUN(soon, "-n", "50", "-c", "2", "--churn", "--warmup", "200ms");
    ok(o->status == 0 && column(o, "connects") == 50,
       "connections of the warm-up are not counted");
}

static bool refuse_after_first(struct peer *peer, int i)
{
    if (i > 0)
        return reply(peer);
    int filler = fill_queue();
    bool said = reply(peer);
    empty_queue_after_refusal(filler);
    return said;
}

// Returns an upper bound for the latency of both requests, in us, if connecting
// took the client a second. Most of the time between the first reply and the
// second request is then not part of a latency.
static double latency_beside_connecting_us(void)
{
    int64_t first_ns = record->received_ns[1] - record->probe_ns;
    int64_t second_ns = record->closed_ns - record->replied_ns[0];
    int64_t longer_ns = first_ns > second_ns ? first_ns : second_ns;
    return (double)longer_ns / 1e3 - 990000;
}

// Checks whether the time to connect is part of the latency. The server's
// kernel drops the first SYN of the second connection, and the client's kernel
// sends it again after a second.
void test_connecting(void)
{
    const struct outcome *o =
        RUN(refuse_after_first, "-n", "2", "-c", "1", "--churn");
    ok(o->status == 0 && column(o, "connect_max_us") >= 990000 &&
           column(o, "max_us") <= 1.01 * latency_beside_connecting_us(),
       "a second to connect is not in the latency of a closed loop");
    o = RUN(refuse_after_first, "-n", "2", "-R", "100", "-c", "1", "--churn");
    ok(o->status == 0 && column(o, "max_us") >= 900000,
       "a second to connect is part of the latency of an open loop");
}

// ---- Threads

// Checks that the counts of several threads are added up, each count once.
void test_threads(void)
{
    const struct outcome *o = RUN(right, "-n", "10001", "-c", "7", "-t", "2");
    ok(o->status == 0 && column(o, "requests") == 10001 &&
           column(o, "samples") == 10001 && column(o, "served") == 7 &&
           column(o, "client_threads") == 2,
       "10001 requests of two threads are all in the histogram");
    ok(column(o, "min_replies") == record_fewest(7) &&
           column(o, "max_replies") == record_most(7) &&
           near(column(o, "jain"), record_jain(7), 0.0001),
       "the fairness is that of all connections");
    o = RUN(right, "-n", "3", "-c", "2", "-t", "2");
    ok(column(o, "min_replies") == 1 && column(o, "max_replies") == 2 &&
           near(column(o, "jain"), 0.9, 0.0001),
       "the fewest and the most replies may be in different threads");
    o = RUN(every_tenth_wrong, "-n", "1000", "-c", "4", "-t", "3", "-P", "8");
    ok(column(o, "wrong") == 100 && column(o, "requests") == 900,
       "each reply is checked");
    o = RUN(right, "-n", "300", "-R", "1k", "-c", "4", "-t", "2");
    ok(o->status == 0 && column(o, "requests") == 300 &&
           column(o, "duration_s") >= 0.299,
       "the rate is that of both threads together");
}

// Returns whether about eight requests were in flight. By Little's law this
// does not depend on the speed of server and machine. It may be fewer near the
// end, when some threads have sent all their requests.
static bool has_eight_in_flight(const struct outcome *o)
{
    return column(o, "in_flight") > 4 && column(o, "in_flight") < 8.1;
}

void test_equal_threads(void)
{
    const struct outcome *o = RUN(soon, "-c", "8", "-n", "401");
    ok(column(o, "requests") == 401 && has_eight_in_flight(o),
       "eight connections have eight requests in flight");
    o = RUN(soon, "-c", "8", "-n", "401", "-t", "4");
    ok(o->status == 0 && column(o, "requests") == 401 &&
           column(o, "samples") == 401 && column(o, "replies") == 401 &&
           column(o, "served") == 8 && has_eight_in_flight(o),
       "four threads have the same results as one");
}

void test_few_requests(void)
{
    const struct outcome *o =
        RUN(right, "-c", "10", "-R", "5", "-d", "1s", "--warmup", "0");
    ok(o->status == 0 && column(o, "requests") + column(o, "late") == 5 &&
           column(o, "unserved") == 0 && !says(o, SAYS_PROBLEM),
       "five requests on ten connections leave none of these unserved");
}

// ---- Pauses

enum { THINK_MS = 50, THINKING = 6 };

// Checks --think. One connection sends one request after the other, so the
// duration is the sum of the latencies, the pauses and the client's overhead.
void test_think(void)
{
    const struct outcome *o = RUN(right, "-n", "6", "-c", "1", "--think", "50");
    double pauses_s = (THINKING - 1) * THINK_MS / 1000.0;
    double latencies_s = THINKING * column(o, "mean_us") / 1e6;
    ok(o->status == 0 && column(o, "duration_s") >= pauses_s &&
           record_span_s() - record_held_s() >= pauses_s,
       "--think 50: there are 50 ms between two requests");
    ok(latencies_s + pauses_s <= column(o, "duration_s") + 0.0001,
       "no latency contains the pauses");
    o = RUN(right, "-n", "12", "-c", "2", "--think", "50");
    ok(o->status == 0 && column(o, "requests") == 12 &&
           column(o, "duration_s") >= pauses_s,
       "--think holds for each of two connections");
}

enum { ROOM = 8 };  // requests that may be in flight on each connection

// Replies on the first connection only while its pipeline is full. The client
// then waits for --think before it sends the next request on it.
static bool answer_first_when_full(struct peer *peer, int i)
{
    static int waiting;
    (void)i;
    return peer->number != 0 || ++waiting >= ROOM ? reply(peer) : true;
}

// Checks that a connection that waits for --think does not hold up another one
// that has room in its pipeline. Both connections wait for 3 s after their
// probes; by then 12 requests are due. At 3.75 s the pipeline of the first one
// is full. At 4 s the second one sends request 17, and by the end another 9
// requests are due.
void test_think_with_pipeline(void)
{
    RUN(answer_first_when_full, "-c", "2", "-P", "8", "-R", "4", "--think",
        "3s", "-d", "6500ms", "--warmup", "0", "--grace", "0");
    ok(record->requests >= 21,
       "a connection that waits does not hold up the other: %d requests",
       record->requests);
}

void test_slow(void)
{
    const struct outcome *o = RUN(right, "-n", "4", "-c", "2", "--slow", "100");
    double p50_us = column(o, "p50_us");
    ok(o->status == 0 && column(o, "requests") == 4 && p50_us >= 90000,
       "--slow 100: three bytes sent and eight received take 100 ms");
    ok(1.01 * p50_us - 0.99 * column(o, "arrival_p50_us") >= 70000,
       "the last seven bytes are read after the reply has arrived");
}

// ---- Hogs

// What a timeline shows of the hogs and of the stream, which are the normal
// requests. The three intervals are those of the client: the first third of the
// window, then `during_s` seconds, then the rest.
struct hog_times {
    double first_s, last_s;  // first request of a hog, last reply to a hog
    int replies[3];          // to the stream, by interval
    int beside;              // of these, between first_s and last_s
    double p99_s;            // of the latency in the second interval
};

static int interval_of(double done_s, double third_s, double during_s)
{
    return (done_s >= third_s) + (done_s >= third_s + during_s);
}

static struct hog_times hog_times_of(const struct timeline *t, double window_s,
                                     double during_s)
{
    static double during[TIMELINE_MAX];
    struct hog_times times = {.first_s = INFINITY};
    for (int i = 0; i < t->count; i++) {
        const struct timeline_line *line = &t->lines[i];
        if (line->is_hog && line->sent_s < times.first_s)
            times.first_s = line->sent_s;
        if (line->is_hog && line->done_s > times.last_s)
            times.last_s = line->done_s;
    }
    for (int i = 0; i < t->count; i++) {
        double done_s = t->lines[i].done_s;
        if (t->lines[i].is_hog || done_s > window_s)
            continue;
        int interval = interval_of(done_s, window_s / 3, during_s);
        if (interval == 1)
            during[times.replies[1]] = done_s - t->lines[i].due_s;
        times.replies[interval]++;
        times.beside += done_s > times.first_s && done_s <= times.last_s;
    }
    record_sort(during, times.replies[1]);
    if (times.replies[1] > 0)
        times.p99_s = during[(int)ceil(0.99 * times.replies[1]) - 1];
    return times;
}

// Returns whether the client's rates in the three intervals agree with the
// timeline. A reply at the very end of an interval may count in this or the
// next one.
static bool has_rates_of(const struct outcome *o, const struct hog_times *times)
{
    static const char *const rates[] = {"rate_before", "rate_during",
                                        "rate_after"};
    static const char *const lengths[] = {"before_s", "during_s", "after_s"};
    bool right = true;
    for (int i = 0; i < 3; i++) {
        double length_s = column(o, lengths[i]);
        double replies = length_s > 0 ? column(o, rates[i]) * length_s : 0;
        right =
            right && near(replies, times->replies[i], 1.1 + 0.05 * length_s);
    }
    return right;
}

// Checks that hogs slow the stream down. A hog's request takes 50 ms, and
// during this time the server serves no other client. Two hogs leave at most 80
// replies a second for the stream. A very slow machine may reach no more even
// without hogs, so a lower rate before the hogs is no failure.
void test_hogs(void)
{
    const double third_s = 0.5, most_beside = 80;
    char path[] = TEMPORARY_FILE;
    make_file(path);
    const struct outcome *o =
        RUN(soon, "-c", "2", "-d", "1500ms", "--warmup", "0", "--grace", "20s",
            "--hogs", "2", "--hog-fib", "20", "--timeline", path);
    struct hog_times times = hog_times_of(
        timeline_read(path), column(o, "duration_s"), column(o, "during_s"));
    unlink(path);
    ok(o->status == 0 && column(o, "hog_requests") >= 2 &&
           column(o, "hog_requests") == record->hogs &&
           column(o, "hog_unanswered") == 0 &&
           column(o, "hog_p50_us") >= HOG_MS * 1000 * 0.99,
       "hogs have figures of their own");
    ok(times.beside <= 4 * record->hogs + 4 &&
           (column(o, "rate_during") < column(o, "rate_before") ||
            column(o, "rate_before") < most_beside),
       "the stream gets fewer replies during the hogs");
    ok(near(column(o, "before_s"), third_s, 1e-5) && has_rates_of(o, &times),
       "the rates before, during and after the hogs agree with the timeline");
    ok(near(column(o, "p99_during_us") / times.p99_s / 1e6, 1, 0.01) &&
           column(o, "during_s") >= 2 * third_s - times.first_s &&
           column(o, "during_s") >= times.last_s - times.first_s,
       "the latency during the hogs counts until the last hog has its reply");
    ok(says(o, SAYS_DURING) && says(o, SAYS_HOGS),
       "the report has lines for the hogs");
    // A hog that is sent after a third of 60 ms and takes 50 ms.
    o = RUN(soon, "-c", "1", "-d", "60ms", "--warmup", "0", "--grace", "20s",
            "--hogs", "1", "--hog-fib", "20");
    ok(says(o, SAYS_HOGS) && says(o, SAYS_AFTER) == (column(o, "after_s") > 0),
       "the report has no line for a time after the hogs that did not exist");
}

// Checks the intervals of a run without hogs: the second one is the middle
// third. On a busy machine no reply may fall into a short interval. Then the
// check tries again with twice the window.
void test_thirds(void)
{
    enum { LONGEST_MS = 30000 };
    char path[] = TEMPORARY_FILE, window[16];
    const struct outcome *o = NULL;
    struct hog_times times = {0};
    make_file(path);
    for (int ms = 60; times.replies[1] == 0 && ms < LONGEST_MS; ms *= 2) {
        snprintf(window, sizeof window, "%dms", ms);
        o = RUN(soon, "-c", "1", "-d", window, "--warmup", "0", "--timeline",
                path);
        times = hog_times_of(timeline_read(path), ms / 1e3, ms / 3e3);
    }
    unlink(path);
    ok(times.replies[1] > 0 && has_rates_of(o, &times) &&
           near(column(o, "during_s") * 3, column(o, "duration_s"), 1e-5) &&
           column(o, "hogs") == 0,
       "without hogs, the second interval is the middle third");
}

void test_all_together(void)
{
    const struct outcome *o =
        RUN(right, "-R", "200", "-d", "3s", "-c", "4", "--churn", "--arrivals",
            "poisson", "--think", "2", "--idle", "5", "--hogs", "1",
            "--hog-fib", "20", "-t", "2", "--interval", "100ms", "--timeline",
            "/dev/null", "--hist", "/dev/null", "--json", "/dev/null", "--each",
            "--grace", "20s");
    ok(o->status == 0 && column(o, "hog_requests") > 0 &&
           column(o, "connects") > 0 && column(o, "requests") > 0 &&
           column(o, "idle_connected") == 5,
       "nearly all options work at the same time");
    o = RUN(right, "-R", "1k", "-n", "100", "-c", "4", "--spin", "-t", "2");
    ok(o->status == 0 && column(o, "requests") == 100,
       "--spin works with two threads");
}

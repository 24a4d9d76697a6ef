// latency.c - checks that the client's latencies are those that its server has
// caused. record.h explains how a test can check this on any machine.

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tap.h"
#include "client.h"
#include "parts.h"
#include "phrases.h"
#include "record.h"
#include "server.h"

enum { LONG_STALL_MS = 1000, LONG_STALL_AT = 50 };

static bool stall_for_a_second(struct peer *peer, int i)
{
    if (i == LONG_STALL_AT)
        sleep_ms(LONG_STALL_MS);
    return reply(peer);
}

// Return whether a latency is at least the lower bound, or within both bounds.
// The client's histogram has errors of up to 1 %.
static bool is_above(double us, struct bounds bounds)
{
    return us >= 0.99 * bounds.low_us - 1;
}

static bool is_within(double us, struct bounds bounds)
{
    return is_above(us, bounds) && us <= 1.01 * bounds.high_us + 1;
}

// ---- Latency from sending a request to its reply

static const struct {
    const char *column;
    double percent;
} percentiles[] = {
    {"p50_us", 50}, {"p90_us", 90}, {"p99_us", 99}, {"max_us", 100}};
enum { PERCENTILE_COUNT = sizeof percentiles / sizeof percentiles[0] };

// Checks the percentiles of a closed loop with one connection against the
// bounds from the server's record. Returns whether is_right() holds for all.
static bool agree(const struct outcome *o,
                  bool (*is_right)(double us, struct bounds bounds))
{
    bool right = true;
    for (int i = 0; i < PERCENTILE_COUNT; i++)
        right = right && is_right(column(o, percentiles[i].column),
                                  record_latency(percentiles[i].percent, 1));
    return right;
}

// Returns whether the latency of each request in the timeline is within the
// bounds from the server's record.
static bool each_agrees(const struct timeline *t)
{
    bool right = true;
    for (int i = 0; i < t->count; i++) {
        struct bounds bounds = record_latency_of(i, 1);
        double us = (t->lines[i].done_s - t->lines[i].sent_s) * 1e6;
        right = right && us >= bounds.low_us && us <= bounds.high_us;
    }
    return right;
}

void test_accuracy(void)
{
    char path[] = TEMPORARY_FILE;
    make_file(path);
    const struct outcome *o =
        RUN(slow, "-n", "50", "-c", "1", "--timeline", path);
    ok(agree(o, is_above),
       "no percentile is below the server's own record of 50 replies");
    ok(agree(o, is_within),
       "no percentile is above the upper bound from that record");
    const struct timeline *t = timeline_read(path);
    ok(t->count == 50 && each_agrees(t),
       "the latency of each single reply is within its bounds");
    double duration_s = column(o, "duration_s");
    double in_flight = column(o, "in_flight");
    ok(in_flight >= record_held_s() / duration_s - 0.001 && in_flight < 1.001,
       "one request is in flight on one connection");
    ok(near(in_flight,
            column(o, "requests") / duration_s * column(o, "mean_us") / 1e6,
            0.002),
       "the number in flight is the rate times the mean latency");
    unlink(path);

    o = RUN(stall_once, "-n", "100", "-c", "1");
    ok(column(o, "max_us") >= STALL_MS * 1000 && agree(o, is_within),
       "the reply that takes 300 ms is the longest");
}

// ---- Latency from due time to reply, too: the open loop

// Copies the due times of all requests, in ascending order. Returns how many
// there are.
static int due_times(const struct timeline *t, double due_s[TIMELINE_MAX])
{
    for (int i = 0; i < t->count; i++)
        due_s[i] = t->lines[i].due_s;
    record_sort(due_s, t->count);
    return t->count;
}

static bool evenly_spaced(const struct timeline *t, double gap_s)
{
    double due_s[TIMELINE_MAX];
    bool even = true;
    int count = due_times(t, due_s);
    for (int i = 0; i < count; i++)
        even = even && near(due_s[i], i * gap_s, 1e-6);
    return even;
}

// Returns the standard deviation of the gaps between due times, divided by
// their mean. It is 0 for evenly spaced requests, and 1 for a Poisson process.
static double variation(const struct timeline *t)
{
    double due_s[TIMELINE_MAX], sum = 0, squares = 0;
    int count = due_times(t, due_s);
    for (int i = 1; i < count; i++) {
        double gap_s = due_s[i] - due_s[i - 1];
        sum += gap_s;
        squares += gap_s * gap_s;
    }
    double mean = sum / (count - 1);
    return sqrt(squares / (count - 1) - mean * mean) / mean;
}

void test_open_loop(void)
{
    char path[] = TEMPORARY_FILE;
    make_file(path);
    const struct outcome *o =
        RUN(right, "-R", "500", "-n", "100", "-c", "4", "--timeline", path);
    ok(o->status == 0 && column(o, "requests") == 100 &&
           column(o, "rate") == 500 && column(o, "unsent") == 0 &&
           column(o, "duration_s") >= 99.0 / 500,
       "a hundred requests at 500 a second take at least 198 ms");
    const struct timeline *t = timeline_read(path);
    ok(t->count == 100 && evenly_spaced(t, 1.0 / 500),
       "the requests of an open loop are evenly spaced");
    o = RUN(right, "-R", "200", "-d", "1s", "--warmup", "0", "--grace", "20s",
            "--arrivals", "poisson", "--timeline", path);
    t = timeline_read(path);
    ok(o->status == 0 && column(o, "poisson") == 1 && t->count > 120 &&
           t->count < 290 &&
           column(o, "requests") + column(o, "late") == t->count,
       "with Poisson arrivals, about 200 requests come in a second");
    ok(near(variation(t), 1, 0.3),
       "the gaps of Poisson arrivals deviate as much as their mean");
    unlink(path);
}

// Checks how a stall of 300 ms shows. At 500 requests a second, 150 are due
// during the stall. In an open loop the latency of all of them grows. In a
// closed loop only one request sees the stall.
void test_stall(void)
{
    const struct outcome *o =
        RUN(stall_once, "-n", "200", "-R", "500", "-c", "1");
    ok(o->status == 0 && column(o, "p50_us") > 10000 &&
           column(o, "p50_us") > 3 * column(o, "service_p50_us") &&
           column(o, "queued") >= 100,
       "requests that were due during a stall waited");
    ok(column(o, "max_us") >= STALL_MS * 1000 &&
           column(o, "service_max_us") >= STALL_MS * 1000,
       "from due time and from sending, one request took 300 ms");
    o = RUN(stall_once, "-n", "200", "-c", "1");
    ok(column(o, "p90_us") < column(o, "max_us") / 2 && agree(o, is_within) &&
           near(column(o, "p50_us"), column(o, "service_p50_us"), 0.01),
       "a closed loop has only one latency, which hides the stall");
}

// Checks how a stall of a second shows in the 99th percentile. Of 200 requests,
// 10 ms apart, half are due during the stall. But only one of them is in
// flight, so the percentile from sent to reply does not show it.
void test_long_stall(void)
{
    const struct outcome *o =
        RUN(stall_for_a_second, "-n", "200", "-R", "100", "-c", "1");
    double p99_us = column(o, "p99_us");
    ok(o->status == 0 && p99_us >= 900000 &&
           is_within(p99_us, record_latency_from_due(99, 100)) &&
           is_within(column(o, "p50_us"), record_latency_from_due(50, 100)),
       "a second without replies shows in p99 from due time");
    ok(column(o, "service_p99_us") < p99_us / 2 &&
           is_within(column(o, "service_p99_us"), record_latency(99, 1)) &&
           column(o, "service_max_us") >= LONG_STALL_MS * 1000,
       "from sending, a second without replies shows only in the maximum");
    o = RUN(stall_for_a_second, "-n", "200", "-c", "1");
    ok(column(o, "p99_us") < column(o, "max_us") / 2 &&
           column(o, "max_us") >= LONG_STALL_MS * 1000 && agree(o, is_within),
       "a second without replies does not show in p99 of a closed loop");
}

// Checks that no request disappears when the server is too slow. 500 requests a
// second are due. With 20 ms per reply, one connection gets only 50 replies.
void test_overload(void)
{
    const struct outcome *o = RUN(slow, "-R", "500", "-c", "1", "-d", "400ms",
                                  "--warmup", "0", "--grace", "100ms");
    double all = column(o, "requests") + column(o, "late") +
                 column(o, "unanswered") + column(o, "unsent");
    ok(o->status == 1 && near(all, 200, 1) && column(o, "unsent") > 100,
       "each of 200 requests was answered, late, unanswered or never sent");
    ok(column(o, "samples") == all && column(o, "max_us") >= 400000,
       "all 200 requests are in the latency, at their age");
    ok(says(o, SAYS_UNSENT),
       "the report has the requests that were never sent");
}

// ---- A ramp

enum { ROWS_MAX = 10 };

// An interval of the report: its begin and end, its requests and correct
// replies.
struct row {
    double from_s, to_s, due_per_s, right_per_s;
};

// Reads the intervals in a file of --json. Returns how many there are.
static int read_rows(const char *path, struct row rows[ROWS_MAX])
{
    static char text[1 << 18];
    int fd = open(path, O_RDONLY | O_CLOEXEC), count = 0;
    read_text(fd, text, sizeof text);
    close(fd);
    for (const char *at = text;
         (at = strstr(at, "{\"from_s\"")) != NULL && count < ROWS_MAX; at++) {
        struct row *row = &rows[count++];
        sscanf(at,
               "{\"from_s\": %lf, \"to_s\": %lf, \"due_per_s\": %lf, "
               "\"right_per_s\": %lf",
               &row->from_s, &row->to_s, &row->due_per_s, &row->right_per_s);
    }
    return count;
}

// Returns whether the rows cover the run without gaps, and each has the rate
// that is due in its middle. That rate grows from 100 to 500 a second within a
// second.
static bool is_ramp(const struct row *rows, int count)
{
    double end_s = 0;
    bool right = count > 0;
    for (int i = 0; i < count; i++) {
        double middle_s = (rows[i].from_s + rows[i].to_s) / 2;
        right = right && near(rows[i].from_s, end_s, 1e-5) &&
                near(rows[i].due_per_s, 100 + 400 * middle_s, 0.2);
        end_s = rows[i].to_s;
    }
    return right && near(end_s, 1, 1e-5);
}

// Checks a rate that grows during the run. A busy machine may print an interval
// late and leave out the next one, so the number of rows is not checked.
void test_ramp(void)
{
    char json[] = TEMPORARY_FILE, csv[] = TEMPORARY_FILE;
    struct row rows[ROWS_MAX];
    make_file(json);
    make_file(csv);
    const struct outcome *o =
        RUN(right, "--ramp", "100..500/1s", "--interval", "100ms", "--warmup",
            "0", "--grace", "20s", "--json", json, "--timeline", csv);
    int count = read_rows(json, rows), before = 0;
    double replies = 0;
    for (int i = 0; i < count; i++)
        replies += rows[i].right_per_s * (rows[i].to_s - rows[i].from_s);
    ok(o->status == 0 && column(o, "ramp_from") == 100 &&
           column(o, "ramp_to") == 500 && column(o, "rate") == 300 &&
           column(o, "requests") + column(o, "late") == 300,
       "a ramp has as many requests as its mean rate");
    const struct timeline *t = timeline_read(csv);
    for (int i = 0; i < t->count; i++)
        before += t->lines[i].due_s < 0.5;
    ok(before == 100,
       "a third of the requests are due in the first half of a ramp");
    ok(is_ramp(rows, count) && says(o, SAYS_ROWS),
       "the rows cover the whole ramp, each with its own rate");
    ok(near(replies, column(o, "requests"), 1),
       "the replies of all rows are those of the run");
    unlink(json);
    unlink(csv);
}

// ---- The client's own share of the latency

// Blocks until a signal has stopped the process, or it has ended.
static void wait_until_stopped(pid_t pid)
{
    char path[32], line[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    for (;;) {
        FILE *file = fopen(path, "re");
        if (file == NULL || fgets(line, sizeof line, file) == NULL)
            line[0] = '\0';
        if (file != NULL)
            fclose(file);
        const char *state = strrchr(line, ')');
        if (state == NULL || state[2] == 'T')
            return;
        sleep_ms(1);
    }
}

// Stops the client, sends the reply, and continues the client 100 ms later.
// During this time the reply is in the client's socket, but the client cannot
// read it.
static bool stop_client(struct peer *peer, int i)
{
    (void)i;
    while (record->client == 0)
        sleep_ms(1);
    kill(record->client, SIGSTOP);
    wait_until_stopped(record->client);
    sleep_ms(10);
    bool said = reply(peer);
    sleep_ms(100);
    kill(record->client, SIGCONT);
    return said;
}

void test_own_share(void)
{
    const struct outcome *o = RUN(stop_client, "-n", "10", "-c", "1");
    double p50_us = column(o, "p50_us");
    double arrival_us = column(o, "arrival_p50_us");
    ok(column(o, "stamped") >= 9 && arrival_us >= 9000 &&
           1.01 * p50_us - 0.99 * arrival_us >= 100000,
       "a reply counts as arrived even if the client has not read it");
    ok(near(column(o, "own_share"), 1 - arrival_us / p50_us, 0.002) &&
           says(o, SAYS_ARRIVAL),
       "the report says which part of the latency is the client's own");
}

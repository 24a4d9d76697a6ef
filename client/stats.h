// stats.h - what a worker counts while it runs, and the result of a whole run.
//
// Each worker counts in a `struct stats` of its own, so that the workers share
// nothing. stats_add() adds these up, for lines of progress even while the
// workers keep counting.

#ifndef STATS_H
#define STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "histogram.h"
#include "options.h"
#include "procstat.h"
#include "reply.h"

enum { STATS_ERRNO_MAX = 134 };

// Every request ends in exactly one outcome: replied (right, late, wrong or an
// error), lost (its connection broke or could not be made), timed out,
// unanswered, or never sent. Problems count at any time, right replies only in
// the window.
enum counter {
    COUNT_RIGHT,
    COUNT_LATE,     // right replies after the window, in the grace period
    COUNT_REPLIES,  // replies of any kind since the window began
    COUNT_WRONG,    // replies that are neither right nor "error: ..."
    COUNT_ERROR_REPLIES,
    COUNT_TIMEOUTS,    // requests given up after --timeout
    COUNT_LOST,        // requests whose connection broke or could not be made
    COUNT_UNANSWERED,  // requests still outstanding at the end
    COUNT_UNSENT,      // requests that were due and never sent
    COUNT_QUEUED,      // requests that were due before a connection was free
    COUNT_SERVED,      // connections with a right reply in the window
    COUNT_PROBED,      // connections whose probe was answered before the load
    COUNT_CONNECTED,   // connections of the stream that are open at the end
    COUNT_IDLE_CONNECTED,
    COUNT_HOGS_UNANSWERED,  // hogs with an outstanding request at the end
    // Connections that broke or could not be made: COUNT_FAILED + their errno,
    // which is 0 if the server closed the connection.
    COUNT_FAILED,
    COUNTERS = COUNT_FAILED + STATS_ERRNO_MAX,
};

// Histograms of times, in ns. The latency of a request is counted from when it
// was due, which in a closed loop is when it was sent.
enum timing {
    // Latencies of right replies that were read in the three intervals of the
    // window, and after it. LATENCY_LATE also has the ages of requests that
    // timed out, were unanswered, or were never sent.
    LATENCY_BEFORE,
    LATENCY_DURING,
    LATENCY_AFTER,
    LATENCY_LATE,
    LATENCY,       // the sum of these four
    LATENCY_HOG,   // latencies of hogs, which are in no other histogram
    TIME_ARRIVAL,  // times from due until the reply reached this host
    TIME_SERVICE,  // open loop: times from sent to reply
    TIME_DELAY,    // open loop: send delays, from when it could be sent
    TIME_CONNECT,  // times to make a connection for one request
    TIMINGS,
    INTERVALS = LATENCY_AFTER + 1,  // number of intervals of the window
};

struct stats {
    uint64_t counters[COUNTERS];
    struct histogram timings[TIMINGS];
    int64_t longest_gap_ns;  // between right replies on one connection
    int64_t oldest_ns;       // age of a request without reply, at the end
};

// Adds what `part` has counted so far, while its thread may keep counting.
static inline void stats_add(struct stats *total, const struct stats *part)
{
    for (int i = 0; i < COUNTERS; i++)
        total->counters[i] += COUNT_READ(part->counters[i]);
    for (int i = 0; i < TIMINGS; i++)
        histogram_merge(&total->timings[i], &part->timings[i]);
    total->longest_gap_ns =
        clock_max(total->longest_gap_ns, COUNT_READ(part->longest_gap_ns));
    total->oldest_ns = clock_max(total->oldest_ns, part->oldest_ns);
}

// The first bytes of a reply that is not right, and the right reply.
struct wrong_reply {
    size_t len, expected_len;
    char text[REPLY_SIZE], expected[REPLY_SIZE];
};

enum { WRONG_REPLIES_MAX = 3 };

// The first replies that are not right, of all workers.
struct wrong_replies {
    atomic_int count;
    struct wrong_reply replies[WRONG_REPLIES_MAX];
};

// An interval of a run with --ramp, and the latencies of the replies in it.
struct ramp_row {
    double from_s, to_s;  // since the window began
    double due_per_s, right_per_s;
    double p50_us, p99_us;  // NAN: too few replies
};

// The values of `marked`. A larger value is a worse verdict.
enum verdict {
    VERDICT_OK,
    VERDICT_CLIENT_LIMITED,  // fibload was the limit, or sent late
    VERDICT_NOISY,           // other programs disturbed the run
    VERDICT_INCOMPLETE,      // not every request had a right reply
};

// The result of a run. What is unknown is NAN.
struct result {
    const struct options *opt;
    struct stats stats;  // of all workers
    struct wrong_replies wrong;
    struct ramp_row rows[RAMP_ROWS_MAX];
    int row_count;
    bool measured;           // false: the run ended before its window
    struct procstat server;  // its costs in the window and the grace period

    double interrupted;  // 1: the user ended the run early
    double gone;         // 1: it ended because no connection could be opened
    double ramp_s;       // time until all connections were open, or 5 s
    double duration_s;   // length of the window
    double interval_s[INTERVALS];     // lengths of its intervals
    double min_replies, max_replies;  // fewest and most of one connection
    double sum_of_squares;            // squares of the replies of each
    double client_cores;              // cores that fibload kept busy
    double busy_cores;                // cores that all programs kept busy
    double delay_share;  // share of the time that workers waited for a core
    double stopped_s;    // time in which a worker could not run, on average
    double
        server_wall_s;  // time from the start of the window to the last reply

    // What figures.c computes from this. Its table describes each figure.
    double errors, failed, unserved, idle_lost, server_lost, longest_gap_us,
        oldest_us;
    double req_per_s, rate_before, rate_during, rate_after, connects_per_s;
    double jain, in_flight, own_share, mean_us, hog_p50_us, think_us, warmup_s;
    double server_user_s, server_sys_s, server_cpu_us_per_req, server_cores;
    double client_cpu_us_per_req, others_cores, marked;
    const char *because;  // the reason for the verdict, in a sentence
};

#endif

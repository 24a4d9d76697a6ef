// record.h - what a scripted server received and sent, and the bounds that
// follow for the client's figures.
//
// Tests compare the client's latencies with this record, not with a limit in
// milliseconds. On a busy machine, client and server both take longer, and the
// bounds grow by the same amount. The record is in memory that the test shares
// with its server. The test reads it after the server has ended.

#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { RECORD_TIMES_MAX = 4096, RECORD_CONNECTIONS_MAX = 1024 };

// The record of one run. Times are in ns on the monotonic clock. A probe is the
// request for fib(1) that begins each connection; it does not count as a
// request.
struct record {
    volatile pid_t client;  // the client's process; 0: not started yet
    int connections;        // connections accepted
    int probes;             // replies to probes sent
    int probes_at_first;    // of these, before the first request
    int requests;           // requests received
    int replies;            // correct replies sent
    int hogs;               // replies to hogs sent
    int replies_on[RECORD_CONNECTIONS_MAX];  // of `replies`, by connection
    int64_t probe_ns;        // just before the first reply to a probe
    int64_t closed_ns;       // after the last connection was closed
    int64_t longest_gap_ns;  // between two requests received
    int64_t received_ns[RECORD_TIMES_MAX];  // after request i was received
    int64_t replied_ns[RECORD_TIMES_MAX];   // just before reply i was sent
    int64_t cpu_ns;    // CPU time that the server has used in all
    int64_t burnt_ns;  // of this, the CPU time of the behaviour burn()
};

// The record of the current run or, between two runs, of the last one.
extern struct record *record;

// Empties the record. Each run begins with an empty one.
void record_clear(void);

// Returns the time on the monotonic clock.
int64_t record_now_ns(void);

// Returns the CPU time that this process has used.
int64_t record_cpu_ns(void);

// The server calls record_request() when it has received a request. It calls
// record_reply() just before it sends a correct reply on a connection; the
// connections are numbered in the order of accept().
void record_request(void);
void record_reply(int connection);

// Returns the time from the first request to the last reply, in seconds.
double record_span_s(void);

// Returns the sum of the times from receiving a request to sending its reply,
// in seconds.
double record_held_s(void);

// Returns Jain's fairness index of the correct replies per connection, for
// `count` connections: (sum x)^2 / (count * sum x^2). Valid without --churn.
double record_jain(int count);

// Return the fewest and the most correct replies on one of `count` connections.
int record_fewest(int count);
int record_most(int count);

// Sorts `count` values in ascending order.
void record_sort(double *values, int count);

// The range that a latency of the client must be in.
struct bounds {
    double low_us, high_us;
};

// Returns bounds for the latency of request i, from sending it to reading its
// reply. The run must have one connection with `depth` requests in flight, and
// all requests must be measured and answered.
struct bounds record_latency_of(int i, int depth);

// Returns bounds for a percentile of these latencies.
struct bounds record_latency(double percent, int depth);

// Returns bounds for a percentile of the latencies from due time to reply. The
// run must have `rate` requests per second on one connection, with one in
// flight.
struct bounds record_latency_from_due(double percent, double rate);

#endif

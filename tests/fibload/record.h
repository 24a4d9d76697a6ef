// record.h - what a scripted server saw and did in a run, and between which
// bounds the figures of the client must then lie.
//
// Tests compare the client with this record instead of with a limit in
// milliseconds: on a busy machine both take longer, and the bounds move apart
// by exactly that. The record is in memory that the test shares with its
// server; the test reads it once the server has ended.

#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { RECORD_TIMES_MAX = 4096, RECORD_CONNECTIONS_MAX = 1024 };

// All times are in ns on the monotonic clock. A hello is the request for
// fib(1) that each connection begins with, and no request in this list.
struct record {
    volatile pid_t client;  // the client under test; 0: not started yet
    int connections;        // accepted
    int hellos;             // replies to hellos
    int hellos_at_first;    // of these, before the first request was received
    int requests;           // received
    int replies;            // correct ones
    int hogs;               // replies to hogs
    int replies_on[RECORD_CONNECTIONS_MAX];  // correct ones, by connection
    int64_t hello_ns;        // just before the first reply to a hello was sent
    int64_t closed_ns;       // after the client had closed its last connection
    int64_t longest_gap_ns;  // between two requests received
    int64_t received_ns[RECORD_TIMES_MAX];  // after request i was received
    int64_t replied_ns[RECORD_TIMES_MAX];   // just before reply i was sent
    int64_t cpu_ns;    // CPU time that the server had used in the end
    int64_t burnt_ns;  // CPU time that it used on purpose, for requests
};

// The record of the current or last run. Starts empty in each run.
extern struct record *record;

// Empties the record.
void record_clear(void);

// The monotonic clock.
int64_t record_now_ns(void);

// The CPU time that this process has used.
int64_t record_cpu_ns(void);

// Notes that a request was received, or that a correct reply is about to be
// sent on the connection accepted as number `connection`.
void record_request(void);
void record_reply(int connection);

// From the last reply back to the first request, in seconds.
double record_span_s(void);

// How long requests were with the server, added up, in seconds.
double record_held_s(void);

// Jain's index of the correct replies on the `count` connections of a run
// without churn: (sum x)^2 / (count * sum x^2).
double record_jain(int count);

// The fewest and the most correct replies on one of `count` connections.
int record_fewest(int count);
int record_most(int count);

// Sorts values, the smallest first.
void record_sort(double *values, int count);

struct bounds {
    double low_us, high_us;
};

// Bounds for the latency of request i, from sending it to reading its reply, in
// a run on one connection with `depth` requests in flight, whose requests were
// all measured and answered.
struct bounds record_latency_of(int i, int depth);

// Bounds for a percentile of those latencies.
struct bounds record_latency(double percent, int depth);

// The same from when a request was due, at `rate` requests per second, with one
// in flight.
struct bounds record_latency_from_due(double percent, double rate);

#endif

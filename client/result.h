// result.h - what happened in a run: counted, summed up, and what follows.
//
// A run has a warm-up, a measured window and, after it, a grace in which no
// more is asked. Problems count whenever they occur; replies count towards the
// rate, and towards the fairness over connections, within the window only.

#ifndef RESULT_H
#define RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "connection.h"
#include "histogram.h"
#include "usage.h"

enum { RESULT_ERRNO_MAX = 134 };

// When a request should have been sent, was sent, when its reply reached this
// host (0: unknown), and when we read it.
struct sample {
    int64_t due_ns, sent_ns, arrived_ns, done_ns;
};

// The thirds of the window; see stages.h.
enum stage { STAGE_BEFORE, STAGE_DURING, STAGE_AFTER, STAGE_OVER };

// What the stream had meanwhile.
struct stage_result {
    double duration_s;
    struct histogram latency;  // in ns, of correct replies
};

// Counts are totals over all connections; nothing is left out.
struct result {
    bool churn;         // a new connection for each request
    bool open_loop;     // requests were due at times of their own
    bool measured;      // false: the run ended before the window
    bool interrupted;   // ended by the user
    bool gone;          // ended because the server could not be reached
    double duration_s;  // of the window
    uint64_t right;     // correct replies within the window
    uint64_t late;      // correct replies after it, within the grace
    uint64_t replies;   // all replies since the window began, of any kind
    uint64_t wrong;     // replies that were something else
    uint64_t error_replies;
    uint64_t failed;      // connections that broke, or could not be made
    uint64_t timeouts;    // requests given up after --timeout
    uint64_t unanswered;  // requests still under way at the very end
    uint64_t lost;        // requests under way on a connection that broke
    uint64_t unsent;      // requests that were due and never sent
    uint64_t queued;      // requests that were due before a connection was free
    int64_t oldest_ns;    // the age of the oldest of these
    uint64_t failed_by_errno[RESULT_ERRNO_MAX];  // [0]: closed by the server
    int connections, idle;                       // as asked for
    double ramp_s;  // until all connections were open, or given up
    int greeted;    // connections answered before the warm-up
    int connected, idle_connected;  // open at the end
    int served;            // connections with a correct reply in the window
    uint64_t least, most;  // correct replies of a connection in the window
    double squares;        // sum of the squares of these numbers
    int64_t silence_ns;    // the longest a connection had no correct reply
    double busy_cores;     // cores that anybody kept busy; < 0: unknown
    double others_cores;   // cores that other programs kept busy; < 0: unknown
    double delay_share;  // of the window: we could run, and others had the core
    double client_cpu_share;  // of one core; 1 per thread: it set the limit
    bool server_known;
    struct usage server;   // from before the window to after the grace
    double server_wall_s;  // from the window's begin to the last reply
    // In ns, from when a request was due, which in a closed loop is when it was
    // sent; what was given up or is unanswered, at its age.
    struct histogram latency;
    // In an open loop only: the same from when it was sent, answered only; and
    // how late we were to send what was due when a connection was free.
    struct histogram service, lateness;
    // As `latency`, of correct replies until they reached this host. What is
    // left of the latency is our own doing: we were asleep, or busy.
    struct histogram arrival;
    struct histogram connects;  // in ns; of connections made for one request
    enum stage stage;
    struct stage_result stages[STAGE_OVER + 1];  // OVER: within the grace
    int hogs;                                    // as asked for
    int hogs_unanswered;  // hogs whose last request was, at the very end
    struct histogram hog_latency;  // in ns, of correct replies
};

// Counts a connection that broke, or could not be made, because of `error` (0:
// the server closed it).
void result_count_failure(struct result *r, int error);

// Counts a right reply on `c`, and its latency; `in_window` or in the grace.
void result_count_right(struct result *r, struct connection *c,
                        const struct sample *sample, bool in_window);

// Counts a right reply to a hog: they are in no other figure.
void result_count_hog(struct result *r, int64_t latency_ns);

// Counts a connection that was opened for one request, and took so long.
void result_count_connect(struct result *r, int64_t latency_ns);

// Counts how late we are to send a request now that was due at `due_ns`, on a
// connection that has room for it since `ready_ns`.
void result_count_lateness(struct result *r, int64_t due_ns, int64_t ready_ns);

// Enters the age of a request that was given up.
void result_count_age(struct result *r, int64_t age_ns);

// Counts a request that was still unanswered at the end, or was due and never
// sent, at its age.
void result_count_unanswered(struct result *r, int64_t age_ns);
void result_count_unsent(struct result *r, int64_t age_ns);

// Counts a reply that was not right.
void result_count_bad(struct result *r, enum reply_verdict verdict);

// Counts how all connections stand at the end, with their share of the replies.
// Call once, before they are closed; `end_ns` is the end of the window.
void result_sum_up(struct result *r, const struct connection *connections,
                   int count, int64_t end_ns);

// Adds what another thread has counted. What was asked for and what is known of
// the server stay; the shares of cores are sums.
void result_merge(struct result *r, const struct result *from);

// Fairness over connections by their numbers of replies, 1 is equal. 0 if there
// were none.
double result_jain(const struct result *r);

// True when every request had a right reply, on every connection.
bool result_is_good(const struct result *r);

// Correct replies per second, within the window.
double result_rate(const struct result *r);

// Correct replies per second within a stage.
double result_stage_rate(const struct result *r, enum stage stage);

// Which part of the median latency passed after the reply had reached this
// host, 0..1. 0 if the kernel did not stamp most replies.
double result_own_share(const struct result *r);

// How many requests were under way on average, by Little's law: a closed loop
// keeps one on each connection, unless the client itself is the limit.
double result_in_flight(const struct result *r);

// CPU time of the server for each reply, in microseconds. 0 if unknown.
double result_server_cpu_us(const struct result *r);

// How many cores the server kept busy while there were replies. 0 if unknown.
double result_server_cores(const struct result *r);

#endif

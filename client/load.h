// load.h - the connections, and the loop that keeps them busy.
//
// A closed loop: every connection has one request under way, and sends the next
// when its reply has come. What is measured is therefore the service time; a
// server that stands still is asked less often meanwhile.

#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "options.h"
#include "usage.h"

enum { LOAD_ERRNO_MAX = 134 };

// What happened. Counts are totals over all connections; nothing is left out.
struct load_result {
    bool interrupted;
    double duration_s;  // measured, without warm-up and grace
    uint64_t right;     // correct replies within the duration
    uint64_t late;      // correct replies after it, within the grace
    uint64_t wrong;     // replies that were something else
    uint64_t error_replies;
    uint64_t failed;      // connections that broke, or could not be made
    uint64_t timeouts;    // requests given up after --timeout
    uint64_t unanswered;  // requests still open after the grace
    int64_t oldest_ns;    // the age of the oldest of these
    uint64_t failed_by_errno[LOAD_ERRNO_MAX];  // [0]: closed by the server
    int connections, idle;                     // as asked for
    int connected, idle_connected;
    int served;               // connections that had at least one correct reply
    uint64_t least, most;     // correct replies of a connection
    double jain;              // fairness over connections, 1 is equal
    double client_cpu_share;  // of one core; 1: the client set the limit
    bool server_known;
    struct usage server;
    struct histogram latency;  // in ns; unanswered requests at their age
};

// Runs the whole load: connects, warms up, measures, waits for the rest. Prints
// progress and single requests as `opt` says. Ends early, with what there is,
// when load_interrupt() is called. Returns 0, or -1 after printing why no
// connection could be made at all.
int load_run(const struct options *opt, struct load_result *result);

// Asks load_run() to finish. Safe in a signal handler.
void load_interrupt(void);

#endif

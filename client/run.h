// run.h - a whole run: the coordinator of the workers.
//
// The thread that calls run_load() decides what all workers do: it sets the
// phase and its times, waits until the time has come or every worker has
// nothing left to do, and sets the next phase. It prints progress, and reads
// what the server and the machine did. Threads: one per worker, from the
// beginning to the end of the run.

#ifndef RUN_H
#define RUN_H

#include "conn.h"
#include "stats.h"

// A server that accepts connections.
struct target {
    struct address address;
    int fd;  // a socket connected to it, which will be the first of the load
};

// Chooses the first address of opt->host that can be connected to; blocks for
// up to 5 s for each. Returns 0; or -1, and why in result->failure. After
// run_interrupt() it returns 0 without a target.
int run_reach(const struct options *opt, struct target *target,
              struct result *result);

// Raises the limit on descriptors so far that all connections of the load can
// be open at once. Returns 0; or -1, and why in result->failure.
int run_raise_limit(const struct options *opt, struct result *result);

// Runs the load: connects, warms up, measures, waits for the rest. Ends early,
// with what there is, after run_interrupt() or when the server has gone. Takes
// the socket of `target`. Returns 0; or -1, and why in result->failure, if
// there was nothing to run it with.
int run_load(const struct options *opt, struct target *target,
             struct result *result);

// Asks run_load() to finish. Safe in a signal handler.
void run_interrupt(void);

#endif

// run.h - a whole run: the coordinator of the workers. And several in a row.
//
// The thread that calls run_load() decides what all workers do: it sets the
// phase and its times, waits until the time has come or every worker has
// nothing left to do, and sets the next phase. It prints progress, and reads
// what the server and the machine did. Threads: one per worker, from the
// beginning to the end of the run.

#ifndef RUN_H
#define RUN_H

#include <sys/types.h>

#include "conn.h"
#include "stats.h"

// Functions that return a text return NULL, or why there is no run: a sentence
// that is valid until the next call.

// A server that accepts connections.
struct target {
    struct address address;
    int fd;  // a socket connected to it, which will be the first of the load
};

// Chooses the first address of opt->host that can be connected to; blocks for
// up to 5 s for each. After run_interrupt() there is no target, and no reason.
const char *run_reach(const struct options *opt, struct target *target);

// Raises the limit on descriptors so far that all connections of the load can
// be open at once.
const char *run_raise_limit(const struct options *opt);

// Runs the load: connects, warms up, measures, waits for the rest. Ends early,
// with what there is, after run_interrupt() or when the server has gone. Takes
// the socket of `target`. The result is complete: figures_derive() has been
// called.
const char *run_load(const struct options *opt, struct target *target,
                     struct result *result);

// Asks run_load() to finish. For sigaction().
void run_interrupt(int signo);

// ---- Several runs in a row (trials.c)

enum { NULL_SERVER_REPLY_MAX = 64 };

// Makes runs (open loop) at rates from opt->rate up and down, until the highest
// one that keeps opt->find_rate without an error is known to 5 %. A run that
// does not is made once more. One with too few requests for a percentile is
// made again for longer, up to a limit. The first has the socket of `target`.
// Prints a line for each on standard error. Sets `best` to the result at that
// rate, and opt->rate to the rate.
const char *trials_find_rate(struct options *opt, struct target *target,
                             struct result *best);

// Measures some kinds of load with the server that does nothing, and prints a
// table on standard output. No figure of another server can be better. Blocks
// for some seconds.
const char *trials_calibrate(const struct options *opt);

// Starts that server: a process that sends `reply` for every byte `mark` that
// it receives, as fast as it can, on a free port of the loopback; it ends with
// ours. Returns its id, for the caller to kill and wait for, or -1 with errno.
pid_t null_server_start(char mark, const char *reply, int *port);

#endif

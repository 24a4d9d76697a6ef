// run.h - a run: the coordinator of the workers; and several runs in a row.
//
// The thread that calls run_load() is the coordinator. It sets the phase for
// all workers, waits until the phase is over or every worker has nothing left
// to do in it, and sets the next one. It also prints progress, and reads how
// much CPU time the server and other programs used. Each worker is a thread
// that lives as long as the run.

#ifndef RUN_H
#define RUN_H

#include <sys/types.h>

#include "conn.h"
#include "stats.h"

// Functions that return a text return NULL on success. On failure it says why;
// it is valid until the next call.

// A server that accepts connections.
struct target {
    struct address address;
    int fd;  // a connected socket, for the load's first connection; or -1
};

// Connects to the first address of opt->host that accepts. Blocks for up to 5 s
// for each address. Returns NULL after run_interrupt(), too; then target->fd is
// -1.
const char *run_reach(const struct options *opt, struct target *target);

// Raises the limit on descriptors if the load needs more.
const char *run_raise_limit(const struct options *opt);

// Runs the load, and fills in all of `result`. Takes the socket of `target`.
// After run_interrupt(), or when the server has gone, it ends early: the result
// then has what was measured so far.
const char *run_load(const struct options *opt, struct target *target,
                     struct result *result);

// Makes run_load() end early. A signal handler, for sigaction().
void run_interrupt(int signo);

// ---- Several runs in a row (trials.c)

enum { NULL_SERVER_REPLY_MAX = 64 };

// Searches for the highest rate at which an open loop keeps the limits of
// opt->find_rate without an error, to 5 %. The first run has the rate opt->rate
// and takes the socket of `target`. A run that breaks a limit is repeated once,
// and one with too few requests for a percentile is repeated for longer. Prints
// a line for each run on standard error. Sets opt->rate to the rate that was
// found, and `best` to its result.
const char *trials_find_rate(struct options *opt, struct target *target,
                             struct result *best);

// Measures some kinds of load with a server that computes nothing, and prints a
// table on standard output. No other server can have better figures. Blocks for
// some seconds.
const char *trials_calibrate(const struct options *opt);

// Starts that server, on a free port of the loopback interface. It sends
// `reply` for every byte `mark` that it receives, and ends with our process.
// Returns its process id, for the caller to kill and wait for, or -1 with
// errno.
pid_t null_server_start(char mark, const char *reply, int *port);

#endif

// trials.h - several runs, one after the other: the highest rate that keeps
// limits, and what fibload and this machine can do at most.

#ifndef TRIALS_H
#define TRIALS_H

#include <sys/types.h>

#include "run.h"

enum { NULL_SERVER_REPLY_MAX = 64 };

// Makes runs (open loop) at rates from opt->rate up and down, until the highest
// one that keeps opt->find_rate without an error is known to 5 %. A run that
// does not is made once more. The first has the socket of `target`. Prints a
// line for each on standard error. Sets `best` to the result at that rate, and
// opt->rate to the rate. Returns 0; or -1, and why in best->failure, if a run
// could not be made or no rate keeps the limits.
int trials_find_rate(struct options *opt, struct target *target,
                     struct result *best);

// Measures some kinds of load with the server that does nothing, and prints a
// table on standard output. No figure of another server can be better. Blocks
// for some seconds. Returns 0; or -1, after it has said why on standard error.
int trials_calibrate(const struct options *opt);

// Starts that server: a process that sends `reply` for every byte `mark` that
// it receives, as fast as it can, on a free port of the loopback; it ends with
// ours. Returns its id, for the caller to kill and wait for, or -1 with errno.
pid_t null_server_start(char mark, const char *reply, int *port);

#endif

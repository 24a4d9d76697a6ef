// calibrate.h - what fibload and this machine can do at most: the server that
// does nothing, and a table of runs against it.

#ifndef CALIBRATE_H
#define CALIBRATE_H

#include <sys/types.h>

#include "options.h"

enum { NULL_SERVER_REPLY_MAX = 64 };

// Starts a process that sends `reply` for every byte `mark` that it receives,
// as fast as it can, on a free port of the loopback; it ends with ours. Returns
// its id, for the caller to kill and wait for, or -1 with errno.
pid_t null_server_start(char mark, const char *reply, int *port);

// Measures some kinds of load with that server, and prints a table on standard
// output. No figure of another server can be better. Blocks for some seconds.
// Returns 0; or -1, after it has said why on standard error.
int calibrate(const struct options *opt);

#endif

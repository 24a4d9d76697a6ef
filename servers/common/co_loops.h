// co_loops.h - several threads, each with a loop of coroutines of its own.
//
// Coroutines never move between threads. So a server that wants to use several
// cores has a loop, a listener and clients in each of them, and the kernel
// spreads new connections over the listeners (SO_REUSEPORT, see socket(7)).

#ifndef CO_LOOPS_H
#define CO_LOOPS_H

#include "options.h"

// Calls serve(listener) in as many threads as `opt` says, the first of them
// ours, with `listener`; the others have listeners of their own for the same
// port. serve() runs a loop and returns 0 when that has ended. Returns 0 when
// all have, or -1 with errno set if they cannot be started. Exits with a line
// on standard error if serve() returns -1 in any of them.
int co_loops_run(const struct options *opt, int listener,
                 int (*serve)(int listener));

// To be called in a coroutine of each loop: says that this loop is ready, and
// the server when all are. Returns when the server is to stop.
void co_loops_wait_for_stop(void);

#endif

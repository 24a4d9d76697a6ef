// phases.h - what part of a run it is, and when the next one begins.
//
// Before the load begins, every connection says hello: it asks one tiny
// request, so that the server has accepted it and given it its process or
// thread. Else the first second of a server with a thousand clients would show
// how fast it starts them.

#ifndef PHASES_H
#define PHASES_H

#include "run.h"

// Begins the phase that this run and the others have waited for. The window of
// all begins at `now_ns`.
void phases_begin(struct run *run, int64_t now_ns);

// Does what it is time for, but for events. Returns whether the run goes on: it
// may be over, or wait for others.
bool phases_advance(struct run *run, int64_t now_ns);

// When it wants to be called next, at the latest.
int64_t phases_next_ns(const struct run *run);

// Asks the run to finish. Safe in a signal handler.
void phases_interrupt(void);

// Whether it was asked to.
bool phases_interrupted(void);

#endif

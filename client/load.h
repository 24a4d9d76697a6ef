// load.h - a whole run: opens the connections, keeps them busy, measures.

#ifndef LOAD_H
#define LOAD_H

#include <netdb.h>
#include <stdio.h>

#include "options.h"
#include "result.h"

// Runs the whole load against the first of the addresses in `target` that can
// be connected to: connects, warms up, measures, waits for the rest. Prints
// progress and single requests as `opt` says. Ends early, with what there is,
// when load_interrupt() is called or the server has gone. Returns 0, or -1 with
// errno when no connection could be made at all. Every measured request gets a
// line in `timeline`, unless that is NULL.
int load_run(const struct options *opt, const struct addrinfo *target,
             FILE *timeline, struct result *result);

// Asks load_run() to finish. Safe in a signal handler.
void load_interrupt(void);

#endif

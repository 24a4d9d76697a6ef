// storm.h - a server whose system calls are interrupted all the time.

#ifndef STORM_H
#define STORM_H

#include "cases.h"
#include "side_by_side.h"

// Starts the server of a case. Sends SIGUSR1 to each of its threads every few
// hundred microseconds, and sometimes stops and continues it. Checks that no
// client is lost and that the server ends on SIGTERM. Blocks until enough
// signals came, at most patience_ms().
void storm_run(const struct fault_case *c, struct outcome *o);

#endif

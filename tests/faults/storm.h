// storm.h - signals without end, to all threads and processes of a server.

#ifndef STORM_H
#define STORM_H

#include "cases.h"
#include "side_by_side.h"

// Starts the server of a case and has clients ask it, while a signal interrupts
// each of its threads every few hundred microseconds, and it is stopped and
// continued now and then: no client may be lost. In the midst of that it is
// told to end. Takes until enough signals came, at most patience_ms().
void storm_run(const struct fault_case *c, struct outcome *o);

#endif

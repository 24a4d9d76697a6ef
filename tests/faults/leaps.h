// leaps.h - a clock that moves on between any two looks at it.

#ifndef LEAPS_H
#define LEAPS_H

#include "cases.h"
#include "side_by_side.h"

// Starts the server of a case with a simulated backend and a clock that leaps,
// and has clients ask it: each gets its replies, also if its backend replied
// between the two looks at the clock before the server went to sleep.
void leaps_run(const struct fault_case *c, struct outcome *o);

#endif

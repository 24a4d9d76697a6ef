// leaps.h - a server whose clock leaps between any two readings.

#ifndef LEAPS_H
#define LEAPS_H

#include "cases.h"
#include "side_by_side.h"

// Starts the server of a case with --delay and a clock that leaps. Checks that
// every client gets its replies. A server could miss a backend's reply that
// becomes due between two readings of the clock, just before the server sleeps.
void leaps_run(const struct fault_case *c, struct outcome *o);

#endif

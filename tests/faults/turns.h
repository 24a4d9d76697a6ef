// turns.h - a small request beside many others while the server stops.

#ifndef TURNS_H
#define TURNS_H

#include "cases.h"
#include "side_by_side.h"

// Starts the server of a case and stops it by SIGTERM when many requests of two
// clients and one of a third client have arrived. The server gets SIGSTOP after
// the call in c->fault, one of its first replies. Checks that it has replied to
// the third client by then: each client must have its turn.
void turns_run(const struct fault_case *c, struct outcome *o);

#endif

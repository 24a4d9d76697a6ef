// turns.h - a small request beside many others while the server stops.

#ifndef TURNS_H
#define TURNS_H

#include "cases.h"
#include "side_by_side.h"

// Starts the server of a case and stops it by SIGTERM when many requests of two
// clients and one of a third client have arrived. The server gets SIGSTOP after
// the call in c->fault, which is one of its first replies. Checks that the
// server has replied to the third client by then, because it must serve its
// clients round-robin.
void turns_run(const struct fault_case *c, struct outcome *o);

#endif

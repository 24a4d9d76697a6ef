// crowd.h - a server whose accept queue is long.

#ifndef CROWD_H
#define CROWD_H

#include "cases.h"
#include "side_by_side.h"

// Starts the server of a case, which gets SIGSTOP after the call in c->fault.
// Residents have sent many requests before, and many new clients are in the
// accept queue. Checks that the server has served the residents between two
// calls of accept(): otherwise clients that connect without a pause could keep
// it from all else.
void crowd_run(const struct fault_case *c, struct outcome *o);

#endif

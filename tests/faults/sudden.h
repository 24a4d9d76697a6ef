// sudden.h - the signal to stop, right after any call.

#ifndef SUDDEN_H
#define SUDDEN_H

#include "cases.h"
#include "side_by_side.h"

// Starts the server of a case, which gets SIGTERM (fault.h) while it has
// clients that were served before and new ones come, some of which are idle.
// It owes a reply to the former, whose requests had arrived. A new one gets all
// of its replies or, if it was not accepted, none. The server ends, status 0.
void sudden_run(const struct fault_case *c, struct outcome *o);

#endif

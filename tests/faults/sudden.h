// sudden.h - SIGTERM for a server, right after one of its system calls.

#ifndef SUDDEN_H
#define SUDDEN_H

#include "cases.h"
#include "side_by_side.h"

// Starts the server of a case, which gets SIGTERM after the call in c->fault.
// Residents have sent requests before, and new clients connect, some of them
// idle. Checks that each resident gets its reply. A new client must get all of
// its replies or, if it was not accepted, none. The server must end with status
// 0.
void sudden_run(const struct fault_case *c, struct outcome *o);

#endif

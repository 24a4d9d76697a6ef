// crowd.h - a server whose accept queue is long.

#ifndef CROWD_H
#define CROWD_H

#include "cases.h"
#include "side_by_side.h"

enum { CROWD_SIZE = 300 };

// Starts the server of a case, which gets SIGSTOP after the call in c->fault.
// Residents have sent many requests before, and CROWD_SIZE new clients, which
// send nothing, are in the accept queue. Checks what the server has done by
// then:
//
// - CROWD, after a reply: it has served the residents between two calls of
//   accept(). Otherwise clients that connect without a pause could keep it from
//   all else.
// - QUEUE, after it accepted the last client: it has not looked at each client
//   again and again for a few new ones. Otherwise a long queue would take a
//   time that grows with the square of its length.
void crowd_run(const struct fault_case *c, struct outcome *o);

#endif

// late.h - a request that comes after the signal to stop, in two pieces.

#ifndef LATE_H
#define LATE_H

#include "cases.h"
#include "side_by_side.h"

// Starts the server of a case and stops it by SIGTERM while a client has not
// read its replies: the server waits for it, and drops what it sends. The
// server also gets SIGSTOP after its next recv(). Then the client sends the
// first piece of a request, and the second one when the server has received or
// dropped the first. Checks that the client gets its replies, and none to the
// second piece.
void late_run(const struct fault_case *c, struct outcome *o);

#endif

// crowd.h - tests that a server with a long accept queue treats clients fairly.

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
// - CROWD, after a reply: the server has served a resident before it accepted
//   all new clients. Otherwise clients that connect without a pause could keep
//   it from serving the others.
// - QUEUE, after it accepted the last client: the server has not polled all its
//   clients again for every few new ones. Otherwise the time for a long queue
//   would grow with the square of its length.
void crowd_run(const struct fault_case *c, struct outcome *o);

#endif

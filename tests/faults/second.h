// second.h - a second signal while the server serves a client by itself.

#ifndef SECOND_H
#define SECOND_H

#include "cases.h"
#include "side_by_side.h"

// Starts the server of a case, in which the call in c->fault fails always: no
// process or thread can be created for a client. When the server gets SIGTERM,
// it serves a client in the parent process or in the main thread instead, and
// this takes long. Checks that a second SIGTERM ends the server at once.
void second_run(const struct fault_case *c, struct outcome *o);

#endif

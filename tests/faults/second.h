// second.h - a second signal while the main process or thread serves a client.

#ifndef SECOND_H
#define SECOND_H

#include "cases.h"
#include "side_by_side.h"

// Starts the server of a case. The call in c->fault always fails, so the server
// cannot create a process or thread for a client. When it gets SIGTERM, it
// serves the client in the parent process or in the main thread instead, and
// this takes long. Checks that a second SIGTERM ends the server at once.
void second_run(const struct fault_case *c, struct outcome *o);

#endif

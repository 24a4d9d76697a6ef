// early.h - a client that connects before the server is ready.

#ifndef EARLY_H
#define EARLY_H

#include "cases.h"
#include "side_by_side.h"

// Starts the server of a case, which stops itself right after listen().
// Connects a client, which sends its requests, and continues the server. Checks
// that the client gets its replies. A server would miss this client if the
// kernel reported to it only clients that connect later.
void early_run(const struct fault_case *c, struct outcome *o);

#endif

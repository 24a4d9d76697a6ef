// client.h - fibload with a fault: it must end, with a report or a reason.

#ifndef CLIENT_H
#define CLIENT_H

#include "trial.h"

// Where a server listens that has no fault. Set it first.
extern int client_port;

// Adds the faults of the client at `path`, for each of the errands it is sent
// on. `o` says whether they work without a fault.
void client_add_cases(const char *path, struct outcome *o);

// Runs a case of these: status 0 or 1 and a report, or a reason; or status 2
// and a reason. No signal ends it, and it ends.
void client_try(const struct fault_case *c, struct outcome *o);

#endif

// client.h - fibload with a fault: it must end, with a report or an error
// message.

#ifndef CLIENT_H
#define CLIENT_H

#include "trial.h"

// The port of a server without a fault. Set it before any other call.
extern int client_port;

// Adds the cases of the client at `path`, for several command lines. Runs each
// of these once without a fault, to see which calls it makes. `o` says whether
// all of these runs succeeded.
void client_add_cases(const char *path, struct outcome *o);

// Runs one of these cases. The client must end by itself. Its status may be 0
// or 1 with a report or an error message, or 2 with an error message.
void client_try(const struct fault_case *c, struct outcome *o);

#endif

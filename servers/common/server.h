// server.h - what every server needs: its options, its start, its reports.
//
// Before the first client, a server that fails should fail at once and say why.
// So this module and options.h exit on failure, and no other module does.
// Nothing here blocks, except server_open() while it resolves the name of a
// host.

#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "clock.h"
#include "options.h"
#include "report.h"
#include "stop.h"

// Parses the command line into `o`, which must stay valid, and opens the
// listener. Returns its descriptor. Exits with one line on standard error if
// that fails.
int server_open(struct options *o, int argc, char **argv);

// Installs the handler of SIGINT and SIGTERM (stop.h), then prints the line
// that people and scripts wait for: "<model>: listening on <address>:<port>".
// The handler shuts down the listener and the receiving side of all clients,
// which wakes every call that blocks on them. If the options set
// wake_blocked_calls(), the handler calls that function instead.
void server_ready(void);

// Calls server_open() and server_ready(), for a server that has nothing to
// prepare in between. Returns the listener.
int server_start(struct options *o, int argc, char **argv);

// Allocates an array of zeros, which lives as long as the server. Exits if
// there is no memory.
void *server_allocate(int count, size_t size);

// Exits unless `succeeded`, with "<model>: <what>: <reason in errno>" on
// standard error. For calls without which a server cannot start.
void server_require(bool succeeded, const char *what);

#endif

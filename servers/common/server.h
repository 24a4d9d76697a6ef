// server.h - what every server does before the first client, and how it stops.
//
// If a server cannot start, it should exit at once and say why. So the
// functions here and in options.h exit on failure. No function here blocks,
// except server_open() while it resolves a host name or opens the file of
// --trace.

#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "clock.h"
#include "options.h"
#include "report.h"
#include "stop.h"

// Parses the command line into `o`, which must stay valid, and opens the
// listener. Returns the descriptor of the listener. If that fails, prints one
// line on standard error and exits.
int server_open(struct options *o, int argc, char **argv);

// Installs the handler of SIGINT and SIGTERM (stop.h), then prints the line
// that people and scripts wait for: "<model>: listening on <address>:<port>".
// The handler shuts down the listener and the receiving side of all clients.
// This wakes every call that blocks on them. If the options have
// wake_blocked_calls(), the handler calls that function instead.
void server_ready(void);

// Calls server_open() and then server_ready(), for a server that has nothing to
// prepare between the two calls. Returns the descriptor of the listener.
int server_start(struct options *o, int argc, char **argv);

// Allocates an array of `count` elements of `size` bytes, all zero. The array
// lives as long as the server. Exits if there is no memory.
void *server_allocate(int count, size_t size);

// Exits if `succeeded` is false, and prints "<model>: <what>: <reason in
// errno>" on standard error. For calls that must succeed before a server can
// start. If several threads call it, only the first prints.
void server_require(bool succeeded, const char *what);

// Exits with the status for bad usage, and prints the option, its path and the
// reason in errno on standard error.
_Noreturn void server_refuse_path(const char *option, const char *path);

#endif

// startup.h - what every main() does before the lesson begins.

#ifndef STARTUP_H
#define STARTUP_H

#include "options.h"

// Parses the command line into `opt`, which must stay valid, and opens the
// listener. Returns its descriptor. Exits with one line on standard error if a
// step fails: before the first client, failing early and loudly is the kindest
// thing.
int startup(struct options *opt, int argc, char **argv);

// Arranges for SIGINT and SIGTERM to call `on_stop` (see stop.h; may be NULL),
// then says on standard output that the server is ready. Call it when it is.
void startup_ready(int listener, void (*on_stop)(void));

// Prints "<model>: <what>: <reason in errno>" on standard error and exits: for
// the steps between those two.
_Noreturn void startup_failed(const char *what);

#endif

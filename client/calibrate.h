// calibrate.h - what this machine and this client can do at most.

#ifndef CALIBRATE_H
#define CALIBRATE_H

#include "options.h"

// Measures some kinds of load against a server that does nothing and prints a
// table on standard output. Takes some seconds. Returns 0, or -1 with errno.
int calibrate(const struct options *opt);

#endif

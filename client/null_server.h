// null_server.h - a server that does nothing, as fast as it can.
//
// What the client reaches against it, no figure of another server can exceed.

#ifndef NULL_SERVER_H
#define NULL_SERVER_H

#include <sys/types.h>

// Starts a process that answers every line with "fib: 1" on a free port of the
// loopback, and ends with ours. Returns its id, for the caller to kill and wait
// for, or -1 with errno.
pid_t null_server_start(int *port);

#endif

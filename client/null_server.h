// null_server.h - a server that does nothing, as fast as it can.
//
// What the client reaches against it, no figure of another server can exceed.

#ifndef NULL_SERVER_H
#define NULL_SERVER_H

#include <sys/types.h>

enum { NULL_SERVER_REPLY_MAX = 64 };

// Starts a process that says `reply` for every byte `mark`, as there is one in
// each request, on a free port of the loopback, and that ends with ours.
// Returns its id, for the caller to kill and wait for, or -1 with errno.
pid_t null_server_start(char mark, const char *reply, int *port);

#endif

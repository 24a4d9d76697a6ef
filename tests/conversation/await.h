// await.h - waits until a server has accepted, received or closed a connection.
//
// The server runs on the same machine as the test, so the test can ask the
// kernel about the server's end of the connection: see sock_diag(7). Each
// await_...() function returns true as soon as its event has happened. It
// returns false when the server has closed the connection, so that the event
// cannot happen any more, or after patience_ms().

#ifndef AWAIT_H
#define AWAIT_H

#include <stdbool.h>
#include <stddef.h>

#include "peer.h"

// Waits until accept() has returned the connection.
bool await_accepted(const struct peer *p);

// Waits until the connection is accepted and everything that `p` has sent is in
// the receive queue of the server's socket, or has been received. From then on,
// the server owes a reply to each request in it.
bool await_arrived(const struct peer *p);

// Waits until the connection is accepted and the server has received everything
// that `p` has sent, and the end of the input if `p` has ended it.
bool await_received(const struct peer *p);

// Waits until the server has closed its end. The test may already have closed
// its own end.
bool await_closed(const struct peer *p);

// Bytes at the server's end of a connection.
struct flow {
    size_t arrived;       // since the connection began
    size_t not_received;  // of these; the end of input counts as one byte
    size_t sent;          // since the connection began, acknowledged or not
    size_t not_sent;      // of these: still in the server's send buffer
};

// Returns the state of these counters now. Does not block.
struct flow peer_flow(const struct peer *p);

// Returns whether accept() has returned the connection and the server has not
// closed it. Does not block.
bool peer_is_accepted(const struct peer *p);

// Returns how many bytes from `p` have arrived at the server's socket. Does not
// block.
size_t peer_arrived(const struct peer *p);

// Returns how many of the bytes that `p` has sent the server has not yet
// received. Does not block.
size_t peer_unreceived(const struct peer *p);

#endif

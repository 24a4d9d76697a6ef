// await.h - waits for what a server does with a connection.
//
// The server runs on the same machine as the test, so the test asks the kernel
// about the server's end of the connection: see sock_diag(7). A wait ends with
// the event; when the event has become impossible, because the server has
// closed the connection; or after patience_ms(). Returns whether the event
// came.

#ifndef AWAIT_H
#define AWAIT_H

#include <stdbool.h>
#include <stddef.h>

#include "peer.h"

// accept() has returned the connection.
bool await_accepted(const struct peer *p);

// Moreover, all that `p` has sent is in the receive queue of the server's
// socket, or has been received: the server owes a reply to each request in it.
bool await_arrived(const struct peer *p);

// Moreover, recv() has returned all of it, the end of the input included.
bool await_received(const struct peer *p);

// The server has closed its end. The test may have closed its own before.
bool await_closed(const struct peer *p);

// How much has moved at the server's end of a connection.
struct flow {
    size_t arrived;       // bytes in all
    size_t not_received;  // of these; the end of the input is one more
    size_t sent;          // bytes in all, some of which may be on their way
    size_t not_sent;      // of these: the client's window is closed
};

// Does not block.
struct flow peer_flow(const struct peer *p);

// Returns true if accept() has returned the connection. Does not block.
bool peer_is_accepted(const struct peer *p);

// Returns how many bytes that `p` has sent have arrived at the server's socket.
// Does not block.
size_t peer_arrived(const struct peer *p);

// Returns how many bytes that `p` has sent the server has not received yet.
size_t peer_unreceived(const struct peer *p);

#endif

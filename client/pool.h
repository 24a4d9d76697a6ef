// pool.h - all connections of a run, and the one place that waits for them.
//
// The pool opens, asks, closes and keeps count of who is in which state. What
// is asked when, and what a reply means, is decided in load.c. Functions that
// return an int give -1 and set errno on failure; those that are about a
// connection have then dropped it.

#ifndef POOL_H
#define POOL_H

#include <stdbool.h>
#include <sys/epoll.h>

#include "connection.h"

// Fields are read-only outside pool.c, but for `address`.
struct pool {
    const struct addrinfo *address;  // where new connections go; not ours
    int epoll;
    struct connection *connections;  // first the idle ones, then the others
    int count;
    int tried;    // connections that pool_open() was called for
    int opening;  // connections in that state
    int open;     // connections that are QUIET or ASKED
};

// Makes a pool of `idle` connections that never ask and `active` that do, all
// of them closed. pool_destroy() frees it, also after a failure.
int pool_create(struct pool *pool, int idle, int active);
void pool_destroy(struct pool *pool);

// Begins to open a closed connection. An event tells when it is done; then call
// pool_opened().
int pool_open(struct pool *pool, struct connection *c);
int pool_opened(struct pool *pool, struct connection *c);

// Begins to open connections that were not tried yet, as many at once as a
// server's queue can take. Returns -1 after a failure; call it again to go on.
int pool_open_some(struct pool *pool);

// Sends a request, or with pool_push() the rest of one, after an event that
// says that there is room.
int pool_ask(struct pool *pool, struct connection *c, struct request *request);
int pool_push(struct pool *pool, struct connection *c);

// The request under way has its reply: the connection is QUIET.
void pool_answered(struct connection *c);

// Closes a connection, if it is not closed, and ends its request. Leaves errno
// alone.
void pool_drop(struct pool *pool, struct connection *c);

// Waits for at most `timeout_ms` for events; `data.ptr` is the connection.
// Returns how many there are, -1 with EINTR when a signal came first.
int pool_wait(struct pool *pool, struct epoll_event *events, int size,
              int timeout_ms);

#endif

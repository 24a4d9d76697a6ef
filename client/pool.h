// pool.h - all connections of a run, and the one place that waits for them.
//
// The pool opens, asks, closes and keeps count of who is in which state. What
// is asked when, and what a reply means, is decided in load.c. Functions that
// return an int give -1 and set errno on failure; those that open a
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
    struct connection *connections;  // idle ones, stream, hogs
    struct pending *pending;         // of all of them
    int count;
    struct connection *stream;  // those of the stream
    int stream_count;
    int *ready;  // a ring of those that may ask, by their number in `stream`
    int ready_first, ready_count;
    int first;    // the number of the first among those of all pools
    int all;      // how many these are
    int tried;    // connections that pool_open() was called for
    int opening;  // connections in that state
    int open;     // connections in that state
};

// How many connections of which role there are to be.
struct pool_plan {
    int idle, stream, hogs;
    int depth;       // requests that may be under way on each
    bool stamps;     // wanted from the kernel
    int first, all;  // see above
};

// Makes a pool of closed connections. pool_destroy() frees it, also after a
// failure.
int pool_create(struct pool *pool, const struct pool_plan *plan);
void pool_destroy(struct pool *pool);

// Begins to open a closed connection. An event tells when it is done; then call
// pool_opened().
int pool_open(struct pool *pool, struct connection *c);
int pool_opened(struct pool *pool, struct connection *c);

// Begins to open connections that were not tried yet, as many at once as a
// server's queue can take. Returns -1 after a failure; call it again to go on.
int pool_open_some(struct pool *pool);

// Sends a request `count` times as connection_ask() does or, with pool_push(),
// the rest of it after an event that says that there is room.
int pool_ask(struct pool *pool, struct connection *c, struct request *request,
             int count, int64_t due_ns);
int pool_push(struct pool *pool, struct connection *c);

// Makes a connection slow: no events tell of its replies, nor of room to send,
// and pool_push() sends a byte.
int pool_slow_down(struct pool *pool, struct connection *c);

// The oldest request of a connection has its reply.
void pool_answered(struct connection *c);

// Adds a connection of the stream to those that may ask, from `ready_ns` on:
// first come, first served. It stands there at most once, even if it closes
// meanwhile.
void pool_enqueue(struct pool *pool, struct connection *c, int64_t ready_ns);

// The first that may ask, NULL if there is none. pool_dequeue() removes it as
// well; there must be one.
struct connection *pool_next(const struct pool *pool);
struct connection *pool_dequeue(struct pool *pool);

// Closes a connection, if it is not closed, and ends its requests. Leaves errno
// alone.
void pool_drop(struct pool *pool, struct connection *c);

// Waits for at most `timeout_ns` for events; `data.ptr` is the connection.
// Returns how many events there are, -1 with EINTR when a signal came first.
int pool_wait(struct pool *pool, struct epoll_event *events, int size,
              int64_t timeout_ns);

#endif

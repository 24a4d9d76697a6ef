// connection.h - the connections of a server with one thread and no blocking
// calls.
//
// The models of this kind differ only in how they learn which connections are
// ready, so they share the rest. Only servers/nonblocking.c does not use this
// module: its own text shows what such a server has to keep for each client.
// Only connections_drain() blocks.

#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "net.h"
#include "options.h"

// One connection. Each model uses only some of the last five fields.
struct connection {
    int fd;          // 0: the entry is not in use
    int64_t due_ns;  // when the simulated backend replies
    struct session session;
    struct net_progress progress;
    short interest;                          // events the kernel was asked for
    bool (*callback)(struct connection *c);  // the next step of `c`
    int line;                                // line of generator.c to resume at
    bool queued;                             // in a timer queue
    struct connection *next;                 // in that queue
};

// All connections of a server.
struct connections {
    const struct options *options;
    struct connection *all;
    int size;            // entries in `all`
    int count;           // entries in use
    bool by_descriptor;  // all[fd] is for `fd`; if false: all[0..count) in use
    int64_t accept_ns;   // when to accept again, after accept() has failed
    int64_t check_ns;    // when to look for idle connections again
};

// Allocates the entries. If they are `by_descriptor`, also lowers the limit on
// open files, so that every descriptor has an entry. `highest` is the highest
// descriptor that the server itself has open. Exits if there is no memory: call
// it before server_ready().
void connections_open(struct connections *t, const struct options *options,
                      bool by_descriptor, int highest);

// Returns true if a client may be accepted now: there is a free slot, and
// accept() has not failed a moment ago. Otherwise the caller must not watch the
// listener, or it would wake up for nothing.
bool connections_may_accept(const struct connections *t);

// Accepts a client. Returns its connection, or NULL if no client is there, no
// slot is free, or a resource is exhausted.
struct connection *connections_accept(struct connections *t, int listener);

// Starts a connection that was accepted as `fd`, and returns it. There must be
// a free slot. For connection_step(), `fd` must be non-blocking.
struct connection *connections_add(struct connections *t, int fd);

// Reports the conversation (report.h) and closes the connection. If the entries
// are not `by_descriptor`, the last entry moves into the place of this one. If
// the server is stopping and the client has not acknowledged all replies,
// leaves the connection open: connections_drain() closes it later.
void connections_close(struct connections *t, struct connection *c);

// Takes a connection one step further: to the end of one reply at most. Returns
// false once the conversation is over.
bool connection_step(struct connection *c, const struct options *options);

// Starts the simulated backend, if the server has one: sets due_ns.
void connection_start_backend(struct connection *c,
                              const struct options *options);

// Returns the event that the next step needs: POLLIN or POLLOUT (epoll has the
// same values). Returns 0 while the connection waits for due_ns instead.
short connection_interest(const struct connection *c, int64_t now_ns);

// Shuts down connections that have been idle for too long. The kernel then
// reports them as ready, and their next step ends the conversation. Checks once
// a second at most. Returns when to check again, or INT64_MAX for never.
int64_t connections_end_idle(struct connections *t, int64_t now_ns);

// Calls connections_end_idle(). Returns when the server has to wake up even if
// no event comes: to check for idle connections again, to accept again, or at
// `due_ns`, whichever is earliest.
int64_t connections_wake_ns(struct connections *t, int64_t due_ns);

// Returns the earliest due_ns of all connections whose `interest` is 0, or
// INT64_MAX if there is none. Only for entries that are not `by_descriptor`. If
// a connection has become due since its `interest` was set, the result is in
// the past, and the server must not wait at all.
int64_t connections_due_ns(const struct connections *t);

// For a server that is stopping: answers all requests that have arrived, closes
// all connections gracefully, and blocks until that is done.
void connections_drain(struct connections *t);

#endif

// connection.h - the connections of a server with one thread and no blocking
// calls.
//
// Such models differ only in how they learn which connections are ready, so
// they share the rest. One such model, servers/nonblocking.c, does not use this
// module: its own source shows what a server has to store for each client. Only
// connections_drain() blocks.

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
    short interest;  // the event that it waits for, or a value of the model
    bool (*callback)(struct connection *c);  // makes the next step
    int line;                                // where generator.c resumes it
    bool queued;                             // in a timer queue
    struct connection *next;                 // in that queue
};

// All connections of a server.
struct connections {
    const struct options *options;
    struct connection *all;
    int count;           // entries in use
    int used;            // every entry in use is in all[0..used)
    bool by_descriptor;  // uses all[fd] for `fd`; if false, all[0..count)
    int64_t accept_ns;   // when to accept again, after accept() has failed
    int64_t check_ns;    // when to check for idle connections again
};

// Allocates the entries. If `by_descriptor` is true, all[fd] is the entry of
// `fd`. Then every descriptor needs an entry, so this function also lowers the
// limit on open files. `highest` is the highest descriptor that the server has
// opened for itself. Exits if there is no memory, so call it before
// server_ready().
void connections_open(struct connections *t, const struct options *options,
                      bool by_descriptor, int highest);

// Returns true if the server may accept a client now: there is a free slot, and
// accept() has not failed in the last NET_BACKOFF_MS. If this is false, the
// caller must not watch the listener. Otherwise the server would wake up again
// and again for a client that it cannot accept.
bool connections_may_accept(const struct connections *t);

// Accepts a client. Returns its connection, or NULL if no client has connected,
// no slot is free, or a resource is exhausted. In the last case,
// connections_may_accept() returns false for the next NET_BACKOFF_MS.
struct connection *connections_accept(struct connections *t, int listener);

// Accepts clients: at most NET_ACCEPTS_IN_A_ROW, plus one for each client that
// the server has already. Calls `start` for each new connection, unless `start`
// is NULL. Returns true if there may be more clients in the accept queue.
bool connections_accept_some(struct connections *t, int listener,
                             void (*start)(struct connection *c));

// Starts the conversation on a connection that was accepted as `fd`. Returns
// the connection. There must be a free slot. If the caller uses
// connection_step(), `fd` must be non-blocking.
struct connection *connections_add(struct connections *t, int fd);

// Reports the conversation (report.h) and closes the connection. If
// `by_descriptor` is false, also moves the last entry into the free place. But
// if net_prepare_close() does not allow it yet, leaves the connection open:
// connections_drain() calls this function again.
void connections_close(struct connections *t, struct connection *c);

// Makes one step for a connection: at most one recv(), one reply and one
// send(). Returns false once the conversation is over.
bool connection_step(struct connection *c, const struct options *options);

// Starts the simulated backend, if the server has one: sets due_ns.
void connection_start_backend(struct connection *c,
                              const struct options *options);

// Returns the event that the next step needs, POLLIN or POLLOUT (epoll has the
// same values). Returns 0 if the next step must wait until due_ns instead.
short connection_interest(const struct connection *c, int64_t now_ns);

// Shuts down connections that have been idle for longer than the idle timeout.
// Then the kernel reports them as ready, and their next step ends the
// conversation. Checks at most once a second. Call it before each wait.
void connections_end_idle(struct connections *t);

// Returns for how many milliseconds the server may wait for events; -1: without
// limit. The wait ends at `due_ns`, at the next check for idle connections, or
// when the server may accept again after a failure: at the earliest of these.
int connections_wait_ms(const struct connections *t, int64_t due_ns);

// Returns the earliest due_ns of all connections whose `interest` is 0, or
// INT64_MAX if there is none. If this time has passed, a connection is due now.
// Call this function only if `by_descriptor` is false.
int64_t connections_due_ns(const struct connections *t);

// Ends all conversations of a server that is stopping: answers the requests
// that have arrived, and closes the connections gracefully. Blocks until this
// is done.
void connections_drain(struct connections *t);

#endif

// connection.h - the connections of a server with one thread and no blocking
// calls.
//
// servers/nonblocking.c shows in its own text what such a server has to keep of
// a client. The other models of this kind differ from it only in how they learn
// which connections are ready, so they share the rest. No call here blocks, but
// for connections_drain().

#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "net.h"
#include "options.h"

// One connection. Which of the last fields are used depends on the model.
struct connection {
    int fd;          // 0: the entry is not in use
    int64_t due_ns;  // when the simulated backend replies
    struct session session;
    struct net_progress progress;
    short interest;                          // what the kernel was asked for
    bool (*callback)(struct connection *c);  // what to call when it is ready
    int line;                                // where its function resumes
    bool queued;                             // in a timer queue
    struct connection *next;                 // in that queue
};

// All connections of a server.
struct connections {
    const struct options *options;
    struct connection *all;
    int size;            // entries in `all`
    int count;           // entries in use
    bool by_descriptor;  // all[fd] is in use; otherwise all[0..count) are
    int64_t accept_ns;   // when to accept again, after accept() has failed
    int64_t check_ns;    // when to look for idle connections again
};

// Allocates the entries. If they are `by_descriptor`, no descriptor of the
// server may be above `highest`. Exits if there is no memory: call it before
// server_ready().
void connections_open(struct connections *t, const struct options *options,
                      bool by_descriptor, int highest);

// Returns true if a client may be accepted now: there is a free slot, and
// accept() has not failed a moment ago. If not, do not watch the listener.
bool connections_may_accept(const struct connections *t);

// Accepts a client. Returns its connection, or NULL if there is none, or no
// free slot, or a resource is exhausted.
struct connection *connections_accept(struct connections *t, int listener);

// Starts a connection that was accepted as `fd`, a non-blocking descriptor.
struct connection *connections_add(struct connections *t, int fd);

// Counts the conversation and closes the connection. If the entries are not
// `by_descriptor`, the last one takes the place of this one. A stopping server
// leaves it open until the client has acknowledged all replies: then
// connections_drain() closes it.
void connections_close(struct connections *t, struct connection *c);

// Takes a connection one step further: to the end of one reply at most. Returns
// false once the conversation is over.
bool connection_step(struct connection *c, const struct options *options);

// Starts the simulated backend, if there is one: sets due_ns.
void connection_start_backend(struct connection *c,
                              const struct options *options);

// Returns the event that has to come before the next step can do anything:
// POLLIN or POLLOUT (epoll has the same values), or 0: only due_ns.
short connection_interest(const struct connection *c, int64_t now_ns);

// Shuts down connections that have been idle for too long, which wakes every
// wait for them. Checks once a second at most. Returns when to check again,
// INT64_MAX: never.
int64_t connections_end_idle(struct connections *t, int64_t now_ns);

// Returns when the server has to wake up even if no event comes: for idle
// connections, to accept again, or at `due_ns`, if that is earlier.
int64_t connections_wake_ns(struct connections *t, int64_t due_ns);

// Returns when the first backend replies to a connection whose `interest` is 0,
// where connections are not by descriptor; INT64_MAX: there is none. That may
// be in the past by now: then the server must not wait at all. It does not look
// at the clock, as a second look would miss what became due after the first.
int64_t connections_due_ns(const struct connections *t);

// For a server that is stopping: answers what has arrived, closes all
// connections gracefully, and blocks until that is done.
void connections_drain(struct connections *t);

#endif

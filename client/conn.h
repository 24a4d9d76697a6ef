// conn.h - one TCP connection of the client: its socket, its outstanding
// requests, and the received part of the next reply.
//
// Only conn_wait() blocks. No function here counts or prints. Functions that
// return an int return -1 and set errno on failure. The caller then closes the
// connection.

#ifndef CONN_H
#define CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "reply.h"

enum { PIPELINE_MAX = 256, LINE_SIZE = 4 };

// The address of a server.
struct address {
    struct sockaddr_storage storage;
    socklen_t len;
};

// One kind of request: its line, repeated as often as it may be outstanding on
// one connection, and the right reply.
struct request {
    char lines[PIPELINE_MAX * LINE_SIZE];
    uint16_t line_len, lines_len;
    int in_flight;  // number of outstanding requests, on all connections
    struct reply_expected expected;
};

enum conn_state {
    CONN_CLOSED,
    CONN_OPENING,  // connect() is in progress
    CONN_OPEN,
    CONN_STATES,  // number of states
};

// What a connection is for.
enum conn_role {
    ROLE_STREAM,  // sends requests, and is measured
    ROLE_IDLE,    // sends nothing, except for some probes: see worker.c
    ROLE_HOG,     // sends expensive requests, to disturb the stream
};

// Outstanding requests that were sent together, with one send().
struct batch {
    int64_t due_ns;   // when they were due; in a closed loop: when sent
    int64_t sent_ns;  // just before send()
    int count;
};

// The fields that every reply needs come first, close together in the cache.
struct conn {
    int fd;  // valid unless CLOSED
    enum conn_state state;
    enum conn_role role;
    bool ready;               // in a queue of those that may send
    bool slow;                // sends and receives a byte at a time
    uint16_t unsent;          // bytes of requests not yet accepted by send()
    uint16_t depth;           // requests that may be outstanding
    uint16_t in_flight;       // outstanding requests
    uint16_t oldest;          // index in `batches` of the oldest batch
    uint16_t batch_count;     // outstanding batches
    struct request *request;  // the kind that is outstanding; the caller's
    struct batch *batches;    // a ring of `depth`; the caller's
    struct conn *next_ready;  // the next one in that queue
    int64_t ready_ns;         // when it could send its next request
    int64_t last_reply_ns;    // last right reply, or start of the window
    uint64_t replies;         // number of right replies in the window
    struct reply reply;
    int number;          // number among the connections of all workers
    int *states;         // numbers of connections in each state; the caller's
    bool probed;         // a probe on it was answered
    bool request_waits;  // a request waits until the connection is open
    int64_t since_ns;    // when its state began
    int64_t due_ns;      // when the waiting request was due; 0: when it is sent
};

// Prepares the request for fib(n), 1..93.
void request_make(struct request *request, int n);

// Starts to connect a new socket to `to`. Returns its descriptor, which becomes
// writable when connect() is done. With `stamps`, the kernel tells when replies
// arrive. `source` is the last part of our own address, 127.1.x.y: one address
// has too few ports for many connections. 0: the kernel chooses the address.
int conn_connect(const struct address *to, uint16_t source, bool stamps);

// Gives a closed connection a descriptor from conn_connect(), and sets its
// state to OPENING. `epoll` then reports, edge-triggered and with a pointer to
// the connection, when connect() is done, when bytes have arrived, and when a
// full socket has space again.
int conn_open(struct conn *c, int epoll, int fd);

// Checks that connect() has succeeded, after the descriptor has become
// writable. Fails with ECONNREFUSED, too, if TCP has connected the socket to
// itself.
int conn_check_connect(int fd);

// Changes the state from OPENING to OPEN, unless connect() has failed.
int conn_finish_opening(struct conn *c);

// Returns our own port, or 0 if it is unknown.
int conn_port(const struct conn *c);

// Returns whether one more request may be sent.
static inline bool conn_has_room(const struct conn *c)
{
    return c->state == CONN_OPEN && c->in_flight < c->depth;
}

// Returns the oldest outstanding batch. There must be one.
static inline const struct batch *conn_oldest(const struct conn *c)
{
    return &c->batches[c->oldest];
}

// Removes the `count` oldest requests, all of one batch, from the outstanding
// ones.
static inline void conn_remove_oldest(struct conn *c, int count)
{
    struct batch *batch = &c->batches[c->oldest];
    c->request->in_flight -= count;
    c->in_flight = (uint16_t)(c->in_flight - count);
    batch->count -= count;
    if (batch->count > 0)
        return;
    c->batch_count--;
    if (++c->oldest == c->depth)
        c->oldest = 0;
}

// Sends `request` `count` times; depth - in_flight must allow it. All
// outstanding requests of a connection must be of one kind, and `request` must
// stay valid until the replies have arrived. `due_ns` is when they were due; 0:
// now. If `unsent` is not zero afterwards, EPOLLOUT tells when to call
// conn_flush().
int conn_send(struct conn *c, struct request *request, int count,
              int64_t due_ns);

// Sends as many unsent bytes as the kernel accepts, or one on a slow
// connection.
int conn_flush(struct conn *c);

// Receives up to `size` bytes. Returns how many, 0 if the server has closed the
// connection, or -1 with EAGAIN if nothing has arrived. Sets `stamp_ns` to when
// the last byte reached this host, on the wall clock; 0: unknown.
long conn_receive(struct conn *c, void *buf, size_t size, int64_t *stamp_ns);

// Blocks until events happen, for at most `timeout_ns`, and fetches up to
// `size` of them. Returns how many, or -1 with EINTR after a signal.
int conn_wait(int epoll, struct epoll_event *events, int size,
              int64_t timeout_ns);

// Closes the socket, unless the state is CLOSED, and removes the outstanding
// requests. Does not change errno. The port of a closed connection stays in use
// for a minute (TIME_WAIT), so 28,000 connections would use up all ports. With
// `reset` the connection is reset instead, and its port is free at once.
void conn_close(struct conn *c, bool reset);

#endif

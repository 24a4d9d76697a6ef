// conn.h - one TCP connection of the client: a socket that an epoll watches,
// the requests that are outstanding on it, and the reply that has arrived in
// part.
//
// Only conn_wait() blocks. No function here counts or prints. Those that return
// an int return -1 and set errno on failure; the caller then closes the
// connection.

#ifndef CONN_H
#define CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "reply.h"

enum { PIPELINE_MAX = 256, LINE_SIZE = 4 };

// Where a server is: an address of its name.
struct address {
    struct sockaddr_storage storage;
    socklen_t len;
};

// One kind of request: its line, as often as it may be outstanding on one
// connection, and what must come back for each.
struct request {
    char lines[PIPELINE_MAX * LINE_SIZE];
    uint16_t line_len, lines_len;
    int in_flight;  // sent and not yet answered, over all connections
    struct reply_expected expected;
};

enum conn_state {
    CONN_CLOSED,
    CONN_OPENING,  // connect() is in progress
    CONN_OPEN,
};

// What a connection is for.
enum conn_role {
    ROLE_STREAM,  // sends requests, and is measured
    ROLE_IDLE,    // sends nothing, but see open_more() in worker.c
    ROLE_HOG,     // sends expensive requests, to disturb the stream
};

// Outstanding requests that were sent together, with one send().
struct batch {
    int64_t due_ns;   // when they should have been sent; closed loop: were sent
    int64_t sent_ns;  // just before send()
    int count;
};

// The fields that every reply needs come first, close together in the cache.
struct conn {
    int fd;  // valid unless CLOSED
    enum conn_state state;
    enum conn_role role;
    bool ready;               // in the queue of those that may send
    bool slow;                // sends and receives a byte at a time
    uint16_t unsent;          // bytes of requests not yet accepted by send()
    uint16_t depth;           // requests that may be outstanding
    uint16_t in_flight;       // requests that are
    uint16_t oldest;          // index in `batches` of the oldest batch
    uint16_t batch_count;     // batches that are outstanding
    struct request *request;  // the kind that is outstanding, if any; not ours
    struct batch *batches;    // a ring of `depth`; not ours
    struct conn *next_ready;  // in that queue
    int64_t ready_ns;         // when it could send its next request
    int64_t last_reply_ns;    // the last right one, or the window's begin
    uint64_t replies;         // right ones, within the window
    struct reply reply;
    int number;        // among the connections of all workers
    bool for_request;  // a request waits until it is open
    int64_t since_ns;  // when its state began
    int64_t due_ns;    // of the request that waits; 0: when it is sent
};

// Prepares the request for fib(n), 1..93.
void request_make(struct request *request, int n);

// Starts to connect a new socket to `to`. Returns its descriptor, which becomes
// writable when that is done. `stamps`: ask the kernel when replies arrive.
// `source` is the last part of our own address, 127.1.x.y, for more connections
// to a loopback address than one source has ports; 0: the kernel chooses.
int conn_connect(const struct address *to, uint16_t source, bool stamps);

// Gives a closed connection a descriptor from conn_connect(): the state is
// OPENING. `epoll` then tells, edge-triggered and with a pointer to the
// connection, when connect() is done, when something has arrived, and when a
// full socket has room again.
int conn_open(struct conn *c, int epoll, int fd);

// Returns whether connect() of a descriptor that has become writable was
// successful. The reason is ECONNREFUSED too if TCP has connected the socket to
// itself.
int conn_check_connect(int fd);

// Ends OPENING: the state is OPEN, unless connect() failed.
int conn_finish_opening(struct conn *c);

// Returns our own port; 0 if it is unknown.
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

// Sends `request` `count` times, for which there must be room; it must stay
// valid until the replies are there, and be the kind that is outstanding, if
// any is. They were due at `due_ns`; 0: now. If `unsent` is not zero
// afterwards, EPOLLOUT tells when to call conn_flush().
int conn_send(struct conn *c, struct request *request, int count,
              int64_t due_ns);

// Sends the unsent bytes, as many as the kernel accepts; one if the connection
// is slow.
int conn_flush(struct conn *c);

// Receives up to `size` bytes. Returns how many; 0 when the server has closed;
// -1 with EAGAIN when nothing has arrived. `stamp_ns` is then when the last of
// them reached this host, on the wall clock; 0: unknown.
long conn_receive(struct conn *c, void *buf, size_t size, int64_t *stamp_ns);

// Removes the `count` oldest requests, all of one batch: they have replies.
void conn_remove_oldest(struct conn *c, int count);

// Blocks for at most `timeout_ns` until events happen, and fetches up to `size`
// of them. Returns how many, or -1 with EINTR after a signal.
int conn_wait(int epoll, struct epoll_event *events, int size,
              int64_t timeout_ns);

// Closes the socket, unless the state is CLOSED already, and forgets what is
// outstanding. Leaves errno alone. A closed connection keeps its port for a
// minute (TIME_WAIT), so that 28,000 use up all; one that is reset does not.
void conn_close(struct conn *c, bool reset);

#endif

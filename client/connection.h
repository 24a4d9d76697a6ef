// connection.h - one TCP connection of the client: open, ask, listen.
//
// Nothing here waits, counts or prints; that is the business of pool.c, load.c
// and report.c. Functions returning an int give -1 and set errno on failure.

#ifndef CONNECTION_H
#define CONNECTION_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "reply.h"

enum { PIPELINE_MAX = 256, LINE_SIZE = 4 };

// A line to send, as often as it may be under way at once on one connection,
// and what must come back for each.
struct request {
    char lines[PIPELINE_MAX * LINE_SIZE];
    uint16_t line_len, lines_len;
    struct reply_wanted wanted;
    int under_way;  // sent and not yet answered, over all connections of a pool
};

enum connection_state {
    CONNECTION_CLOSED,
    CONNECTION_OPENING,  // connect() is under way
    CONNECTION_OPEN,
};

// What a connection is there for.
enum connection_role {
    ROLE_STREAM,  // asks, and is measured
    ROLE_IDLE,    // never says anything
    ROLE_HOG,     // asks for what takes long, to disturb the stream
};

// The times of a request that is under way.
struct pending {
    int64_t due_ns;   // when it should have been sent; closed loop: when it was
    int64_t sent_ns;  // just before send()
};

// What each reply needs comes first: it fits a line of the cache.
struct connection {
    int fd;  // valid unless CLOSED
    enum connection_state state;
    enum connection_role role;
    bool ready;               // waits in the queue of those that may ask
    bool stamps;              // the kernel is to say when replies arrived
    bool slow;                // sends a byte at a time
    uint16_t unsent;          // bytes of requests that are still to be sent
    uint16_t depth;           // requests that may be under way at once
    uint16_t under_way;       // requests that are
    uint16_t oldest;          // where the first of them stands in `pending`
    struct request *request;  // what is under way, if anything; not ours
    struct pending *pending;  // a ring of `depth`; not ours
    int64_t ready_ns;         // when it could ask again
    int64_t last_ns;   // of its last correct reply, or the window's begin
    uint64_t replies;  // correct ones, within the measurement
    struct reply reply;
    bool for_request;  // OPENING: to send a request at once
    int64_t since_ns;  // when its state began
    int64_t due_ns;    // of the request it is opened for; 0: when it is sent
};

// Prepares the request for fib(n), 1..93.
void request_make(struct request *request, int n);

// Begins to connect to `to`, which must have one address at least. Then the
// state is OPENING; the descriptor becomes writable when connect() is done.
// `source` is the last part of our own address, 127.1.x.y, for more connections
// to a loopback address than one source has ports; 0: let the kernel choose.
int connection_open(struct connection *c, const struct addrinfo *to,
                    uint16_t source);

// Ends OPENING: the state is OPEN, or -1 with the reason connect() failed. The
// reason is ECONNREFUSED too if we are connected to ourselves.
int connection_opened(struct connection *c);

// Whether it has room for one more request.
bool connection_has_room(const struct connection *c);

// The oldest request under way. There must be one.
const struct pending *connection_oldest(const struct connection *c);

// Sends `request` `count` times, for which there must be room; `request` must
// stay valid until the replies are there, and be the one that is under way, if
// any is. They were due at `due_ns`; 0: now. If `unsent` is not zero then, call
// connection_push() when the descriptor is writable.
int connection_ask(struct connection *c, struct request *request, int count,
                   int64_t due_ns);

// Sends what is unsent of the requests under way, as far as the kernel takes
// it; of a slow connection a byte.
int connection_push(struct connection *c);

// The oldest request has its reply.
void connection_answered(struct connection *c);

// Receives what is there, up to `size` bytes. Returns its length; 0 when the
// server has closed; -1 with EAGAIN when there is nothing. `stamp_ns` is then
// when the last of it reached this host, on the wall clock; 0: unknown.
long connection_receive(struct connection *c, void *buf, size_t size,
                        int64_t *stamp_ns);

// Makes the coming close a reset. A closed connection keeps its port for a
// minute (TIME_WAIT), so that 28,000 use up all; one that was reset does not.
void connection_reset_on_close(struct connection *c);

// Closes; the state is CLOSED, and nothing is under way. Leaves errno alone.
void connection_close(struct connection *c);

#endif

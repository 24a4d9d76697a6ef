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

enum { REQUEST_SIZE = 8 };

// A line to send, and what must come back.
struct request {
    char line[REQUEST_SIZE];
    uint8_t len;
    struct reply_wanted wanted;
    int under_way;  // sent and not yet answered, over all connections of a pool
};

enum connection_state {
    CONNECTION_CLOSED,
    CONNECTION_OPENING,  // connect() is under way
    CONNECTION_QUIET,    // open, nothing asked
    CONNECTION_ASKED,    // a request is under way
};

struct connection {
    int fd;  // valid unless CLOSED
    enum connection_state state;
    bool idle;         // never asks
    uint8_t unsent;    // bytes of the request that are still to be sent
    int64_t since_ns;  // when this state began; ASKED: just before send()
    uint64_t replies;  // correct ones, within the measurement
    struct request *request;  // the one under way, if ASKED; not ours
    struct reply reply;
};

// Prepares the request for fib(n), 1..93.
void request_make(struct request *request, int n);

// Begins to connect to `to`, which must have one address at least. Then the
// state is OPENING; the descriptor becomes writable when connect() is done.
int connection_open(struct connection *c, const struct addrinfo *to);

// Ends OPENING: the state is QUIET, or -1 with the reason connect() failed. The
// reason is ECONNREFUSED too if we are connected to ourselves.
int connection_opened(struct connection *c);

// Whether it is connected.
bool connection_is_open(const struct connection *c);

// Sends `request`, which must stay valid until the reply is there. Then the
// state is ASKED; if `unsent` is not zero, call connection_push() when the
// descriptor is writable.
int connection_ask(struct connection *c, struct request *request);

// Sends what is unsent of the request under way, as far as the kernel takes it.
int connection_push(struct connection *c);

// Receives what is there, up to `size` bytes. Returns its length; 0 when the
// server has closed; -1 with EAGAIN when there is nothing.
long connection_receive(struct connection *c, char *buf, size_t size);

// Closes; the state is CLOSED. Leaves errno alone.
void connection_close(struct connection *c);

#endif

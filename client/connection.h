// connection.h - one TCP connection of the client: open, ask, listen.
//
// Nothing here waits, counts or prints; all of that is load.c's business.
// Functions returning an int give -1 and set errno on failure.

#ifndef CONNECTION_H
#define CONNECTION_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "reply.h"

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
    uint8_t unsent;    // bytes of the request that the kernel did not take yet
    int64_t since_ns;  // when this state began: ASKED, when the request left
    uint64_t replies;  // correct ones, within the measurement
    struct reply reply;
};

// Begins to connect to `to`. Then the state is OPENING; the descriptor becomes
// writable when connect() is done.
int connection_open(struct connection *c, const struct addrinfo *to);

// Ends OPENING: the state is QUIET, or -1 with the reason connect() failed.
int connection_opened(struct connection *c);

// Sends `request`, or with ASKED what is unsent of it. Then the state is ASKED;
// if `unsent` is not zero, call again when the descriptor is writable.
int connection_ask(struct connection *c, const char *request, size_t len,
                   int64_t now_ns);

// Receives what is there, up to `size` bytes. Returns its length; 0 when the
// server has closed; -1 with EAGAIN when there is nothing.
long connection_receive(struct connection *c, char *buf, size_t size);

// Closes; the state is CLOSED.
void connection_close(struct connection *c);

#endif

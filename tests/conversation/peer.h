// peer.h - a client that a server has to put up with.

#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>

enum { PEER_LINE_SIZE = 128 };

// One connection. No call on it waits longer than patience_ms().
struct peer {
    int fd;
    int own_port, server_port;
    size_t sent;    // bytes, by peer_send() and peer_say()
    bool finished;  // by peer_finish()
    char buf[4096];
    size_t begin, end;  // buf[begin..end) is received and not yet read
    char line[PEER_LINE_SIZE];
};

// Connects to a port of this machine. Returns false if it cannot.
bool peer_connect(struct peer *p, int port);

// The same with buffers of `size` bytes, to see sooner what happens when they
// are full. 0: as large as the kernel likes.
bool peer_connect_with(struct peer *p, int port, int size);

// Sends all of it. Returns false when the server does not take it.
bool peer_send(struct peer *p, const char *bytes, size_t len);
bool peer_say(struct peer *p, const char *text);

// Receives a line, '\n' included. Returns it, valid until the next call; ""
// when the server has closed; NULL on an error, or when nothing comes.
const char *peer_line(struct peer *p);

// True when the next line is `want`, "" meaning the end. Says what came if not.
bool peer_hears(struct peer *p, const char *want);

// True when the next line is an error message of the protocol.
bool peer_hears_error(struct peer *p);

// True when what is said is answered by these lines, however they arrive.
bool peer_asks(struct peer *p, const char *text, const char *want);

// True when something has come that no call has returned yet, "" included. Does
// not block.
bool peer_has_heard(const struct peer *p);

// Ends the sending side: "that was all from me".
void peer_finish(struct peer *p);

void peer_close(struct peer *p);

// Ends the connection with a reset instead of an orderly close.
void peer_reset(struct peer *p);

#endif

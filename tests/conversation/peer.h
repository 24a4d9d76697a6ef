// peer.h - a client of the server under test.

#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>

enum { PEER_LINE_SIZE = 128, PEER_SHOWN_SIZE = 40 };

// One connection to the server. No call on it blocks longer than patience_ms().
struct peer {
    int fd;
    int own_port, server_port;
    size_t sent;    // bytes sent so far
    bool finished;  // peer_finish() was called
    char buf[4096];
    size_t begin, end;  // buf[begin..end) is received, but not yet returned
    char line[PEER_LINE_SIZE];
    char last_sent[PEER_SHOWN_SIZE];  // the beginning of the last text
    size_t last_sent_len;             // of the whole text; 0: none yet
};

// Connects to a port of this machine. Returns false if it cannot.
bool peer_connect(struct peer *p, int port);

// Connects with socket buffers of `size` bytes, so that they are soon full. 0
// means the default size of the kernel. Returns false if it cannot.
bool peer_connect_with(struct peer *p, int port, int size);

// Send all bytes, or a text. Return false, and print why, if the server does
// not receive them within patience_ms(), or has closed the connection.
bool peer_send(struct peer *p, const char *bytes, size_t len);
bool peer_say(struct peer *p, const char *text);

// Returns the next line with its '\n', valid until the next call. Returns ""
// when the server has closed the connection, and NULL on an error or after
// patience_ms().
const char *peer_line(struct peer *p);

// Returns whether the next line is `expected`, where "" means the end of the
// stream. If it is not, prints what was sent last, what came, and `expected`.
bool peer_hears(struct peer *p, const char *expected);

// Returns whether the next line is an error message of the protocol. If it is
// not, prints what came.
bool peer_hears_error(struct peer *p);

// Sends `text`. Returns whether the replies are the lines of `expected`.
bool peer_asks(struct peer *p, const char *text, const char *expected);

// Returns whether there is anything to receive: a byte, or the end of the
// stream. Does not block.
bool peer_has_heard(const struct peer *p);

// Ends the sending direction, so that the server receives the end of the input.
void peer_finish(struct peer *p);

// Closes the connection. Does nothing if it is already closed.
void peer_close(struct peer *p);

// Closes the connection with a reset (RST) instead of a FIN.
void peer_reset(struct peer *p);

#endif

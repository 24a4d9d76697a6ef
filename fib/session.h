// session.h - one client's conversation, without any I/O.
//
// A session turns received bytes into replies. It never uses a socket, blocks
// or allocates memory. So all servers can share it, and tests need no network.
//
//     request   a line with a decimal number       30\n
//     reply     its Fibonacci number               fib: 832040\n
//               or what is wrong with the line     error: out of range ...\n
//
// Every line gets exactly one reply, and an invalid line does not end the
// conversation. Whatever a client sends, its session takes no more memory than
// struct session.

#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"

enum {
    SESSION_LINE_LEN_MAX = 100,  // bytes in a line, without its ending
    SESSION_INPUT_SIZE = 256,    // bytes received and not yet answered
    SESSION_REPLY_SIZE = 160,    // the longest, an HTTP error, has 140 bytes
};

enum session_framing {
    SESSION_FRAMING_LINE,  // a request is one line, in any number of recv()s
    SESSION_FRAMING_RECV,  // a request is one recv(): a mistake, to try out
    SESSION_FRAMING_HTTP,  // a request is one of HTTP: see http.h
};

struct session;

// The rules of a server: what it treats as a request, and how it computes the
// reply. All its sessions share one such struct.
struct session_rules {
    int n_max;  // largest n answered, 1..FIB_N_MAX
    enum session_framing framing;
    uint64_t (*fib)(unsigned n);  // called instead of fib(); or NULL
    // If not NULL, a session calls this function twice per request: before it
    // computes fib(n) (`done` is false), and afterwards (`done` is true). n is
    // 0 if the request is invalid.
    void (*on_answer)(const struct session *s, unsigned n, bool done);
};

// One conversation. The server owns the struct, but only functions of fib/
// change its fields, except for `connection`.
struct session {
    const struct session_rules *rules;
    size_t begin, end;     // input[begin..end) is received and not yet answered
    size_t bytes_left;     // if `limited`: how many more bytes it may receive
    bool limited;          // session_limit() was called
    bool skipping;         // the rest of a line that is too long is dropped
    bool client_finished;  // the client will send no more
    struct http_request http;
    uint64_t requests;    // requests answered, invalid ones included
    uint64_t errors;      // of these, the invalid ones
    uint32_t connection;  // a number that on_answer() can use; not used here
    size_t reply_len;     // bytes in `reply`
    char reply[SESSION_REPLY_SIZE];
    char input[SESSION_INPUT_SIZE];
};

// Starts a conversation, whatever `s` has contained before. `rules` must stay
// valid until the conversation ends.
void session_start(struct session *s, const struct session_rules *rules);

// Return where to write the next received bytes, and how many fit there. At
// least one byte fits if session_answer() has returned false and session_over()
// is false.
char *session_space(struct session *s);
size_t session_space_len(const struct session *s);

// Tells the session that the caller has written `len` bytes to session_space().
// As with recv(), 0 means that the client will send no more. If the last line
// is incomplete then, it counts as a request without its '\n'.
void session_received(struct session *s, size_t len);

// Limits the further input to `len` bytes, because the server is stopping. If
// the last line is still incomplete after these bytes, it is not a request.
// Later calls have no effect.
void session_limit(struct session *s, size_t len);

// Answers one request, if a complete one has arrived: computes (this takes the
// CPU time), fills `reply` and `reply_len`, and returns true. Returns false if
// there is none: then session_over() is true, or the session needs more bytes.
bool session_answer(struct session *s);

// Returns true if session_answer() may find a request, and may take long to
// compute its reply. If the result is false, session_answer() computes nothing.
bool session_may_compute(const struct session *s);

// Ends the conversation after the present reply: drops all further input.
void session_end(struct session *s);

// Returns true if the session holds more input, in which the next request may
// be complete. Call this function only after session_answer() has returned
// true.
bool session_pending(const struct session *s);

// Returns true if the session accepts no more input. Then the conversation is
// over once session_answer() returns false.
bool session_over(const struct session *s);

#endif

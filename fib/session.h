// session.h - one client's conversation, without any I/O.
//
// A session turns received bytes into replies. It never touches a socket, never
// blocks and never allocates, so all servers share it unchanged and tests drive
// it without a network.
//
//     request   a line with a decimal number       30\n
//     reply     its Fibonacci number               fib: 832040\n
//               or what is wrong with the line     error: out of range ...\n
//
// Every line gets exactly one reply, and no line ends the conversation. The
// memory that a client can make a session use is the size of struct session.

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
    SESSION_FRAMING_LINE,  // a request ends at '\n': right, however TCP cuts it
    SESSION_FRAMING_RECV,  // a request is what one recv() returned: a gamble
    SESSION_FRAMING_HTTP,  // a request is one of HTTP/1.1: see http.h
};

struct session;

// What counts as a request, and how it is answered. All sessions of a server
// share these rules.
struct session_rules {
    int n_max;  // largest n answered, 1..FIB_N_MAX
    enum session_framing framing;
    uint64_t (*fib)(unsigned n);  // computes in place of fib(); NULL: fib()
    // If not NULL, a session calls this function twice for each request for
    // fib(n): before it computes the answer (`done` is false), and after that
    // (`done` is true). n is 0 for an invalid line.
    void (*on_answer)(const struct session *s, unsigned n, bool done);
};

// One conversation, owned by the server. Only the functions of fib/ change it,
// except for `connection`.
struct session {
    const struct session_rules *rules;
    size_t begin, end;     // input[begin..end) is received and not yet answered
    size_t bytes_left;     // if `limited`: how many more bytes are taken
    bool limited;          // session_limit() was called
    bool skipping;         // inside a line that has grown too long
    bool client_finished;  // the client will send no more
    struct http_request http;
    uint64_t requests;    // lines answered, errors included
    uint64_t errors;      // of these, lines that were no valid request
    uint32_t connection;  // a number for on_answer(); not used here
    size_t reply_len;     // bytes in `reply`
    char reply[SESSION_REPLY_SIZE];
    char input[SESSION_INPUT_SIZE];
};

// Starts a conversation. `rules` must outlive it.
void session_start(struct session *s, const struct session_rules *rules);

// Returns where the next received bytes go, and how many fit there: at least
// one, if session_answer() has returned false and session_over() is false.
char *session_space(struct session *s);
size_t session_space_len(const struct session *s);

// Tells the session that `len` bytes were written to session_space(). As with
// recv(), 0 means that the client will send no more. An incomplete last line is
// then a request without its '\n'.
void session_received(struct session *s, size_t len);

// Limits the input from now on to `len` bytes, because the server is stopping.
// A line that is incomplete after these bytes is not a request. Later calls
// have no effect.
void session_limit(struct session *s, size_t len);

// Answers one request, if a complete one has arrived: computes (this is where
// the CPU time goes), fills reply and reply_len, and returns true. Returns
// false if there is none: session_over() is true, or more bytes are needed.
bool session_answer(struct session *s);

// Ends the conversation after the present reply: drops all further input.
void session_end(struct session *s);

// Returns true if more input has arrived: the next request may be complete.
// Call this function only after session_answer() has returned true.
bool session_pending(const struct session *s);

// Returns true if the session takes no more input. Then the conversation is
// over once session_answer() returns false.
bool session_over(const struct session *s);

#endif

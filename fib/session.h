// session.h - one client's conversation, without any I/O.
//
// A session turns received bytes into replies. It never touches a socket, never
// waits and never allocates, so all servers share it unchanged and tests drive
// it without a network.
//
//     request   a line with a decimal number       30\n
//     reply     its Fibonacci number               fib: 832040\n
//               or what is wrong with the line     error: out of range ...\n
//
// Every line gets exactly one reply, and no line ends the conversation. The
// memory a client can make a session use is the size of struct session.

#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SESSION_LINE_LEN_MAX = 100,  // bytes in a line, its ending not counted
    SESSION_INPUT_SIZE = 256,    // bytes received and not yet answered
    SESSION_REPLY_SIZE = 64,     // the longest, an error, has 36 bytes
};

enum session_framing {
    SESSION_FRAMING_LINE,  // a request ends at '\n': right, however TCP cuts it
    SESSION_FRAMING_RECV,  // a request is what one recv() returned: a gamble
};

// What counts as a request. One for all sessions of a server.
struct session_rules {
    int n_max;  // largest n answered, 1..FIB_N_MAX
    enum session_framing framing;
};

// One conversation, owned by the server. Fields are read-only outside
// session.c.
struct session {
    const struct session_rules *rules;
    size_t begin, end;     // input[begin..end) is received and not yet answered
    size_t final_bytes;    // with `finishing`: how many more will be taken
    bool skipping;         // inside a line that has grown too long
    bool client_finished;  // the client will send no more
    bool finishing;        // the server will take no more than final_bytes
    uint64_t requests;     // lines answered, errors included
    uint64_t errors;       // of these, lines that were no valid request
    size_t reply_len;      // filled by session_answer()
    char reply[SESSION_REPLY_SIZE];
    char input[SESSION_INPUT_SIZE];
};

// Begins a conversation. `rules` must outlive it.
void session_start(struct session *s, const struct session_rules *rules);

// Where the next received bytes go, and how many fit. The room is never zero
// when session_answer() has returned false and session_over() is false.
char *session_space(struct session *s);
size_t session_room(const struct session *s);

// Tells the session that `len` bytes were written to session_space(). Zero
// means what it means to recv(): the client will send no more, and a last line
// without its '\n' is a request too.
void session_received(struct session *s, size_t len);

// Tells the session that the server is stopping, and that `len` bytes had
// arrived by now and were not yet given to session_received(). They are taken,
// later ones are not, and a line that is not whole by then was never a request.
// Only the first call counts.
void session_finish(struct session *s, size_t len);

// Answers one request, if a whole one has arrived: computes (this is where the
// CPU time goes), fills reply and returns true. Returns false when there is
// none; then either the session is over or more bytes are wanted.
bool session_answer(struct session *s);

// True when, after an answer, more has arrived already: the next may be whole.
bool session_pending(const struct session *s);

// True when, after session_answer() has returned false, no more will come.
bool session_over(const struct session *s);

#endif

// trace.h - records what happens to every request, for --trace.
//
// Events are noted in memory that all processes and threads of a server share,
// and written to a file when the server stops. Noting an event takes no lock.
// It takes a system call only for the first event of a thread (gettid()) and
// for each new connection (getpeername()). The file holds Chrome trace events
// (JSON), which Perfetto, chrome://tracing and speedscope show; times are those
// of clock.h. A server that is killed leaves no trace.
//
// Without trace_open(), the other calls do nothing. Only the opening and the
// writing of the file may block.

#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "../../fib/session.h"

enum { TRACE_EVENTS_MAX = 1000000 };  // later events are counted and dropped

// Prepares to record, and creates the file `path`. `model` names the process
// and must stay valid. `delay_ms` is the delay of the simulated backend. Sets
// on_answer() in `rules`, so that sessions report their computations. Returns
// 0, or -1 with errno set.
int trace_open(const char *path, const char *model, int delay_ms,
               struct session_rules *rules);

// Notes that a client was accepted as `fd`, and gives its connection a number.
void trace_accepted(int fd);

// Notes that `len` bytes were received for a session.
void trace_received(int fd, struct session *s, size_t len);

// Notes that the last byte of a reply was sent.
void trace_sent(int fd);

// Notes that a conversation is over.
void trace_closed(const struct session *s);

// Writes all events to the file. Call it once, when no other process or thread
// serves clients any more. Returns the number of events that were dropped, or
// -1 with errno set if the file could not be written.
long trace_write(void);

#endif

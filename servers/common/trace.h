// trace.h - records what happens to every request, for --trace.
//
// The server records events in memory that all its processes and threads share,
// and writes them to a file when it stops. Recording an event takes no lock. It
// takes a system call only for the first event of a thread (gettid()) and for
// each new connection (getpeername()). The file contains Chrome trace events
// (JSON), which Perfetto, chrome://tracing and speedscope show. Times are those
// of clock.h. If the server is killed, the file stays empty.
//
// If trace_open() was not called, the other functions do nothing. Only
// trace_open() and trace_write() may block.

#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "../../fib/session.h"

enum { TRACE_EVENTS_MAX = 1000000 };  // later events are counted and dropped

// Prepares to record, and creates the file `path`. `model` is the name of the
// process and must stay valid. `delay_ms` is the delay of the simulated
// backend. Sets on_answer() in `rules`, so that sessions record their
// computations. Returns 0, or -1 with errno set.
int trace_open(const char *path, const char *model, int delay_ms,
               struct session_rules *rules);

// Records that a client was accepted as `fd`, and gives its connection a
// number.
void trace_accepted(int fd);

// Records that `len` bytes were received for a session.
void trace_received(int fd, struct session *s, size_t len);

// Records that the last byte of a reply was sent.
void trace_sent(int fd);

// Records that a conversation is over.
void trace_closed(const struct session *s);

// Writes all events to the file. Call it once, when no other process or thread
// serves clients any more. Returns the number of events that were dropped, or
// -1 with errno set if the file could not be written.
long trace_write(void);

#endif

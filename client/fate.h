// fate.h - what becomes of requests: counted, and noted in the timeline.
//
// Nothing disappears: what gets no reply is lost, given up, or unanswered.
//
// The timeline is a CSV file with a line per request: connection, kind (stream
// or hog), when it was due, sent and done in ns since the window began, and
// what became of it. What never happened is empty. Writing costs about a
// microsecond per request.

#ifndef FATE_H
#define FATE_H

#include "run.h"

enum { NEVER = -1 };  // instead of a time

// Writes the names of the columns, unless there is no file (NULL). A failure
// shows when the file is closed.
void fate_begin_timeline(FILE *file);

// Counts a connection that failed because of `error`. As long as no address has
// answered, that only says that it is not this one.
void fate_failed(struct run *run, int error);

// Writes a line about a request of `c` (NULL: it found none) that was sent, or
// due, since the window began. It may wait for the disk.
void fate_note(struct run *run, const struct connection *c,
               const struct pending *request, int64_t done_ns,
               const char *outcome);

// Whether what becomes of a request is part of the measurement.
bool fate_is_measured(const struct run *run, const struct connection *c,
                      const struct pending *request);

// A connection broke because of `error` (0: the server closed it), and what is
// under way on it is lost.
void fate_lose(struct run *run, struct connection *c, int error);

// Whether the oldest request of a connection has waited for --timeout.
bool fate_is_overdue(const struct run *run, const struct connection *c,
                     int64_t now_ns);

// All requests on a connection end with it: each is entered at its age.
void fate_give_up(struct run *run, struct connection *c, int64_t now_ns);

// Counts what is still unanswered, at its age. Call once, at the very end.
void fate_count_unanswered(struct run *run, int64_t now_ns);

#endif

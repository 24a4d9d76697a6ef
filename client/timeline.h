// timeline.h - the file of --timeline: what happened to every request.
//
// A file whose name ends with ".json" gets Chrome trace events, with times of
// the monotonic clock: the format of the servers' --trace, so that
// scripts/watch/merge can join both sides. It has all requests, in the order in
// which they ended. Any other file gets a CSV line for each measured request,
// with times since the window began.
//
// Every function may block on the disk. What fails is kept until
// timeline_close().

#ifndef TIMELINE_H
#define TIMELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { TIMELINE_NEVER = -1 };  // instead of a time

struct timeline {
    FILE *file;     // NULL: nothing is written
    bool is_trace;  // Chrome trace events instead of CSV
};

// What happened to a request.
struct timeline_request {
    int connection;  // -1: none was free
    int port;        // ours, of this connection; 0: unknown
    bool is_hog;
    const char *n;  // which fib it asked for, as text
    int n_len;
    int64_t due_ns, sent_ns;  // TIMELINE_NEVER: not sent
    int64_t end_ns;           // of the reply, or when the client gave up
    bool has_reply;
    const char *outcome;
};

// Opens the file at `path`, unless that is NULL, and writes its beginning.
// Returns 0, or -1 with errno.
int timeline_open(struct timeline *t, const char *path);

// Writes what happened to a request, which takes about a microsecond. Several
// threads may call it. `window_ns` is when the window began; INT64_MAX: not
// yet.
void timeline_write(const struct timeline *t, int64_t window_ns,
                    const struct timeline_request *request);

// Writes the end of the file and closes it. Returns 0, or -1 with errno if not
// all of it could be written.
int timeline_close(struct timeline *t);

#endif

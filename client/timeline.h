// timeline.h - every request of a run, a line each.
//
// A CSV file: connection, kind (stream or hog), when the request was due, sent
// and done in ns since the window began, and what became of it. What never
// happened is empty. Writing costs about a microsecond per request.

#ifndef TIMELINE_H
#define TIMELINE_H

#include <stdint.h>
#include <stdio.h>

#include "connection.h"

enum { TIMELINE_NEVER = -1 };

// What became of a request.
struct timeline_entry {
    int connection;  // -1: none, as the request was never sent
    enum connection_role role;
    int64_t due_ns, sent_ns, done_ns;  // since the window began; or NEVER
    const char *outcome;  // right wrong error timeout lost unanswered unsent
};

// Writes the names of the columns, or a line; may wait for the disk. Without a
// file (NULL) nothing. A failure shows when the file is closed.
void timeline_begin(FILE *file);
void timeline_add(FILE *file, const struct timeline_entry *entry);

#endif

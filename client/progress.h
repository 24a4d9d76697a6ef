// progress.h - the line that is printed now and then while a run is measured.

#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

#include "histogram.h"
#include "options.h"
#include "result.h"

// Fields are read-only outside progress.c.
struct progress {
    const struct options *opt;
    int64_t begin_ns;          // of the window
    int64_t from_ns, due_ns;   // the current interval, and when its line is due
    struct histogram latency;  // of this interval, in ns
};

// The window begins. `opt` must stay valid.
void progress_begin(struct progress *p, const struct options *opt,
                    int64_t now_ns);

// Counts a right reply.
void progress_count(struct progress *p, int64_t latency_ns);

// Prints a line if one is due.
void progress_tick(struct progress *p, const struct result *r, int64_t now_ns);

#endif

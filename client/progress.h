// progress.h - the line that is printed now and then while a run is measured.
//
// Every thread hands in what it has counted since the last line; who comes last
// prints the line. So threads share nothing while they measure.

#ifndef PROGRESS_H
#define PROGRESS_H

#include <pthread.h>
#include <stdint.h>

#include "histogram.h"
#include "options.h"
#include "result.h"

// Fields are private to progress.c.
struct progress {
    pthread_mutex_t lock;
    const struct options *opt;
    int threads, handed_in;
    int64_t begin_ns, from_ns;  // of the window, and of the interval
    struct histogram latency;   // of the interval, in ns
    int served;                 // of the window so far, as the rest
    uint64_t right, problems;
};

// The window begins, for so many threads. `opt` must stay valid.
void progress_begin(struct progress *p, const struct options *opt, int threads,
                    int64_t now_ns);

// A thread hands in the latencies since it did so last, and its counts in all.
void progress_hand_in(struct progress *p, const struct histogram *latency,
                      const struct result *r, int64_t now_ns);

#endif

// report.h - what people read: progress, single requests, the summary.

#ifndef REPORT_H
#define REPORT_H

#include <stdint.h>

#include "histogram.h"
#include "options.h"
#include "result.h"

// How a run went lately.
struct interval {
    double elapsed_s, left_s;         // of the window
    double duration_s;                // of the interval
    const struct histogram *latency;  // within the interval, in ns
    int served, connections;
    uint64_t problems;
};

// Prints one line on standard error.
void report_progress(const struct interval *interval);

// Prints the time of one request. This and the summary go to standard output,
// or to standard error if the JSON goes there.
void report_each(const struct options *opt, int64_t latency_ns);

// Prints the summary: problems first.
void report_summary(const struct options *opt, const struct result *r);

#endif

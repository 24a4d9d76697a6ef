// report.h - what is printed: progress, single requests, summary, CSV, JSON.

#ifndef REPORT_H
#define REPORT_H

#include <stdint.h>

#include "histogram.h"
#include "load.h"
#include "options.h"

// How a run is going: the figures of one interval.
struct progress {
    double elapsed_s, left_s;  // left: negative if unknown
    double interval_s;
    const struct histogram *latency;  // of this interval
    int served, connections;
    uint64_t problems;
};

// Prints one line on standard error.
void report_progress(const struct progress *progress);

// Prints the time of one request on standard output.
void report_each(int n, int64_t latency_ns);

// Prints the summary on standard output: problems first.
void report_summary(const struct options *opt, const struct load_result *r);

// Returns 0 if report_csv() will be able to append to opt->csv: the file is
// new, empty or has the same columns. Otherwise prints why not and returns -1.
int report_csv_check(const struct options *opt);

// Appends a row to opt->csv, writes opt->json. Nothing if they are NULL. Return
// 0, or -1 after printing what failed.
int report_csv(const struct options *opt, const struct load_result *r);
int report_json(const struct options *opt, const struct load_result *r);

// True when every request had a right reply.
bool report_is_good(const struct load_result *r);

#endif

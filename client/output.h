// output.h - what is printed for people: progress, the summary, the columns.

#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdio.h>

#include "figures.h"

// Prints a line of progress on standard error. The result has the counts so
// far, and the latencies of the last `interval_s`.
void output_progress(const struct result *r, double elapsed_s,
                     double interval_s, double left_s);

// Prints a row of a ramp, the first one with a header, to where the summary
// goes.
void output_ramp_row(const struct result *r, const struct ramp_row *row);

// Prints the latency of one request. This and the summary go to standard
// output, or to standard error if the JSON goes there.
void output_each(const struct options *opt, int64_t latency_ns);

// Prints a text in which {name} stands for a figure with its unit, {name:8} for
// the same in 8 columns, and {name one/many} for a number and what is counted.
void output_say(FILE *file, const struct result *r, const char *text);

// Prints the summary: problems first.
void output_summary(const struct result *r);

// Prints the name and the meaning of every figure.
void output_columns(void);

#endif

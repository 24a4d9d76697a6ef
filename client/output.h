// output.h - what is printed and written: progress, the summary, CSV, the table
// of percentiles.
//
// Functions that write a file may wait for the disk, and return -1 or NULL with
// errno on failure.

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

// Prints a number, or the value of a figure, for programs to read: without a
// unit, and with `unknown` for a NAN.
void output_number(FILE *file, double value, int decimals, const char *unknown);
void output_value(FILE *file, const struct figure *f, const struct result *r,
                  const char *unknown);

// Prints the name and the meaning of every figure.
void output_columns(void);

// Opens a file for a row to be appended. Fails with EINVAL if it is a
// regular file that has other columns than ours, with the labels of `opt`.
FILE *output_open_csv(const char *path, const struct options *opt);

// Appends a row, after a header if the file is empty, and closes the file.
int output_csv(FILE *file, const struct result *r);

// Writes the latencies as a table of percentiles in milliseconds, and closes
// the file. The format is that of HdrHistogram (Gil Tene), whose plotter takes
// it: hdrhistogram.github.io/HdrHistogram/plotFiles.html.
int output_percentiles(FILE *file, const struct result *r);

// Closes a file that was written. Returns -1 if not all of it could be.
int output_close(FILE *file);

#endif

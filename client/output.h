// output.h - the output of fibload, for people and for other programs.
//
// The functions output_* (output.c) print for people. The summary, rows of a
// ramp and single latencies go to standard output, or to standard error if the
// JSON goes to standard output. The functions files_* (files.c) and json_*
// (json.c) write files, when the run is over; the timeline is written during
// the run. Every function may block on the terminal or the disk.

#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "conn.h"
#include "figures.h"

// ---- For people

// Formats the reason of a failure, as printf() does. The result is valid until
// the next call.
__attribute__((format(printf, 1, 2))) const char *
output_reason(const char *format, ...);

// Prints a line of progress on standard error. `r` has the counts so far, and
// the latencies of the last `interval_s`.
void output_progress(const struct result *r, double elapsed_s,
                     double interval_s, double left_s);

// Prints a row of a ramp, the first one with a header.
void output_ramp_row(const struct result *r, const struct ramp_row *row);

// Prints the latency of one request.
void output_each(const struct options *opt, int64_t latency_ns);

// Prints a text in which {name} stands for a figure with its unit, {name:8} for
// the same in 8 columns, and {name reply/replies} for a number with its noun.
void output_say(FILE *file, const struct result *r, const char *text);

// Prints the summary, with the problems first.
void output_summary(const struct result *r);

// Prints the name and the meaning of every figure.
void output_columns(void);

// ---- Files

enum { TIMELINE_NEVER = -1 };  // as `sent_ns`: the request was never sent

// The outcome of requests that were sent together.
struct timeline_entry {
    const struct conn *conn;  // NULL: no connection was free
    struct batch batch;
    int64_t end_ns;     // when the reply was read, or the client gave up
    int64_t window_ns;  // when the window began; INT64_MAX: not yet
    enum counter outcome;
};

// Returns whether two paths name one regular file, which need not exist yet.
// Several outputs may go to /dev/null.
bool files_are_same(const char *one, const char *other);

// Opens the files that the options name. Only the timeline loses what it had.
// Returns NULL, or why it failed: a file cannot be opened, is named twice or is
// a standard stream, or the CSV file has other columns than this run. The text
// is valid until the next call.
const char *files_open(const struct options *opt);

// Writes a result into these files, and closes them and standard output.
// Returns 0, or -1 after a message about each of them that is not complete.
int files_write(const struct result *r);

// Closes a file that was written. Returns 0, or -1 after a message that `name`
// is not complete, and why.
int files_close(const char *name, FILE *file);

// Writes a line for each request to the timeline, which must be open. Takes
// about a microsecond per request. Several threads may call it.
void files_write_timeline(const struct timeline_entry *entry);

// Prints a number, or the value of a figure, for programs to read: without a
// unit, and with `unknown` for a NAN.
void files_print_number(FILE *file, double value, int decimals,
                        const char *unknown);
void files_print_value(FILE *file, const struct figure *f,
                       const struct result *r, const char *unknown);

// Writes all figures as one object of JSON.
void json_write(FILE *file, const struct result *r);

// Adds the results of several clients, which loaded one server at the same
// time. Reads opt->files, which json_write() has written, and sets `result` and
// the load in `opt` to the sums. Counts and histograms are added exactly, so
// that percentiles are those of all requests. Figures that cannot be added are
// the largest of all: the length of the window, the server's CPU time and
// memory, the worst verdict. Returns NULL, or why it failed: a file is not
// complete or is given twice, or its load differs from that of the first. The
// text is valid until the next call.
const char *json_merge(struct options *opt, struct result *result);

#endif

// output.h - what is printed and written: for people, and for other programs.
//
// Functions output_* (output.c) print what people read. The summary, rows of a
// ramp and single latencies go to standard output, or to standard error if the
// JSON goes there. Functions files_* (files.c) and json_* (json.c) write files.
// These are opened once the server has been reached, and written when the run
// is over; the timeline grows meanwhile. Every function may block on the
// terminal or the disk.

#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdint.h>
#include <stdio.h>

#include "conn.h"
#include "figures.h"

// ---- For people

// Formats a sentence, as printf() does, that says why something failed. Returns
// it; it is valid until the next call.
__attribute__((format(printf, 1, 2))) const char *
output_reason(const char *format, ...);

// Prints a line of progress on standard error. The result has the counts so
// far, and the latencies of the last `interval_s`.
void output_progress(const struct result *r, double elapsed_s,
                     double interval_s, double left_s);

// Prints a row of a ramp, the first one with a header.
void output_ramp_row(const struct result *r, const struct ramp_row *row);

// Prints the latency of one request.
void output_each(const struct options *opt, int64_t latency_ns);

// Prints a text in which {name} stands for a figure with its unit, {name:8} for
// the same in 8 columns, and {name one/many} for a number and what is counted.
void output_say(FILE *file, const struct result *r, const char *text);

// Prints the summary: problems first.
void output_summary(const struct result *r);

// Prints the name and the meaning of every figure.
void output_columns(void);

// ---- Files

enum { TIMELINE_NEVER = -1 };  // instead of the time of `sent_ns`

// What happened to requests that were sent together.
struct timeline_entry {
    const struct conn *conn;  // NULL: none was free
    struct batch batch;
    int64_t end_ns;     // of the reply, or when the client gave up
    int64_t window_ns;  // when the window began; INT64_MAX: not yet
    enum counter outcome;
};

// Opens the files that the options ask for. Returns NULL; or, valid until the
// next call, which file cannot be opened, or is a CSV file with other columns
// than a row of this run.
const char *files_open(const struct options *opt);

// Writes a result into these files, and closes them and standard output.
// Returns 0; or -1, after it has said which of them are not whole.
int files_write(const struct result *r);

// Closes a file that was written; errors call it `name`. Returns 0; or -1,
// after it has said why not all of it could be written.
int files_close(const char *name, FILE *file);

// Writes a line of --timeline, which must be open, for each request. This takes
// about a microsecond. Several threads may call it.
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
// time. Reads the files of opt->files, as json_write() makes them, and sets
// `result` to their sum, and in `opt` the load to that of all. Counts and
// histograms are added exactly, so that percentiles are those of all requests;
// rates and the rest follow from them. What cannot be added is the largest of
// all: how long the window was, the server's CPU time and memory, the worst
// verdict. Returns NULL; or, valid until the next call, which file is not whole
// and where, or which had another kind of load than the first.
const char *json_merge(struct options *opt, struct result *result);

#endif

// report.h - what a server prints: log lines, counters, the summary.
//
// Log lines go to standard error, the summary to standard output. If a stream
// cannot take a line at once, the line is dropped. So no function here blocks,
// except report_summary() while it writes the trace.

#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "../../fib/session.h"

// Prepares the counters. All threads, and all children of fork(), may add to
// them. Every line begins with `model`, which must stay valid. If `quiet` is
// true, report_log() writes nothing. Returns 0, or -1 with errno set.
int report_open(const char *model, bool quiet);

// Formats a line as printf(3) does, and writes it to standard error. Does
// nothing if `quiet` was true in report_open().
__attribute__((format(printf, 1, 2))) void report_log(const char *format, ...);

// Logs that the call `what` failed because a resource is exhausted, with the
// reason in errno. Does not change errno. Logs at most once a second, because
// the call may fail for every new client.
void report_exhausted(const char *what);

// Counts one conversation that is over, with its requests and errors.
void report_session(const struct session *s);

// Adds `bytes` to the number of reply bytes that a stopping server could not
// deliver.
void report_undelivered(size_t bytes);

// Formats a line as printf(3) does, and writes it to standard output. Returns
// 0, or -1 with errno set if standard output did not take the line.
__attribute__((format(printf, 1, 2))) int report_line(const char *format, ...);

// Writes the trace, if there is one (trace.h), and logs the reason if that
// fails. Then prints the last line of a server: the number of connections,
// requests and error replies, and the number of undelivered bytes if it is not
// 0. Returns the exit status of the server: 0, or 1 if standard output did not
// take the line.
int report_summary(void);

#endif

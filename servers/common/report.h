// report.h - what a server says: ready, in trouble, done.

#ifndef REPORT_H
#define REPORT_H

#include "../../fib/session.h"
#include "options.h"

// Prepares the counters of the summary. They are shared with children made by
// fork() later, and any thread may add to them. `opt` must stay valid. Returns
// 0, or -1 with errno set.
int report_open(const struct options *opt);

// Prints the line that people and scripts wait for, on standard output:
// "<model>: listening on <host>:<port>". Returns 0, or -1 with errno set.
int report_ready(int port);

// Logs a line on standard error, printf-like, unless --quiet was given.
__attribute__((format(printf, 1, 2))) void report_log(const char *format, ...);

// Logs that `what` failed for now, with the reason in errno, but at most once a
// second: a full table is full for every client that comes. Keeps errno.
void report_shortage(const char *what);

// Counts a conversation that has ended.
void report_session(const struct session *s);

// Prints the last line, on standard output: how many connections, requests and
// error replies there were. Returns the exit status of a server that was
// stopped as it should be: 0, but 1 if nobody could be told.
int report_summary(void);

#endif

// options.h - the command line of fibload.

#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>

enum { LABEL_COUNT_MAX = 16, LABEL_NAME_SIZE = 64, RAMP_ROWS_MAX = 500 };

// A column that the user adds to the CSV file: printable ASCII, no commas, no
// quotes.
struct label {
    char name[LABEL_NAME_SIZE];
    const char *value;
};

// The command line, complete: what was not given has its default value. Flags
// are 0 or 1.
struct options {
    const char *host, *port;
    int64_t connections;
    int64_t threads;      // that the connections are spread over
    int64_t duration_ns;  // of the window
    int64_t requests;     // stop after so many; 0: no limit
    int64_t n;            // which fib to ask for
    int64_t rate;  // requests per second in all, on average; 0: closed loop
    int64_t ramp_from, ramp_to;  // from which rate to which; 0: constant
    int64_t pipeline;   // requests that may be in flight on each connection
    int64_t poisson;    // requests of an open loop are due at random times
    int64_t churn;      // a new connection for each request
    int64_t think_ns;   // between a reply and the next request
    int64_t slow;       // bytes per second, sent or received; 0: all at once
    int64_t spin;       // never sleep while waiting
    int64_t no_stamps;  // the kernel is not asked when replies arrived
    int64_t idle;       // extra connections that never send anything
    int64_t hogs;       // extra connections that send expensive requests
    int64_t hog_n;      // which fib these ask for
    int64_t warmup_ns;
    int64_t timeout_ns;   // for one reply
    int64_t grace_ns;     // for outstanding requests after the window
    int64_t interval_ns;  // between lines of progress; 0: none
    int64_t each;         // print the latency of every request
    int64_t columns;      // explain the columns, and nothing else
    int64_t server_pid;   // 0: unknown
    int64_t usage;        // print what server_pid has used, and nothing else
    int64_t usage_fd;     // where its usage is read, on another host; 0: none
    int64_t calibrate;    // measure a server of our own, and nothing else
    int64_t merge;        // add the results in `files`, and nothing else
    char **files;         // of --json
    int file_count;
    int64_t strict;         // a run whose verdict is not ok fails
    const char *require;    // limits on figures; NULL: none
    const char *find_rate;  // limits, whose highest rate is wanted; NULL: none
    const char *csv;        // file to append a row to; NULL: none
    const char *json;       // file to write, "-": standard output; NULL: none
    const char *hist;       // file for a table of percentiles; NULL: none
    const char *timeline;   // file for a line per request; NULL: none
    const char *model;      // name of the server; NULL: not given
    struct label labels[LABEL_COUNT_MAX];
    int label_count;
};

// Parses the command line. Returns it; it lives as long as the program. Exits
// with status 2 and one line on standard error that names the option for bad
// usage, with 0 after --help.
struct options *options_parse(int argc, char **argv);

// Returns a time like "10ms" in ns, -1 if it is none.
double options_time_ns(const char *text);

#endif

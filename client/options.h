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

// The command line. Options that were not given have their default values; a
// text is then NULL. Flags are 0 or 1. The table in options.c says what each
// option does.
struct options {
    const char *host, *port;

    // The load. Connections send requests, except `idle` and `hogs`.
    int64_t connections, idle, hogs;
    int64_t threads;
    int64_t n, hog_n;
    int64_t duration_ns;         // length of the window
    int64_t requests;            // number to stop after; 0: no limit
    int64_t rate;                // requests per second; 0: closed loop
    int64_t ramp_from, ramp_to;  // 0: the rate is constant
    int64_t poisson;
    int64_t pipeline;
    int64_t churn;
    int64_t think_ns;
    int64_t slow;  // bytes per second on a connection; 0: no limit
    int64_t spin, no_stamps;
    int64_t warmup_ns, timeout_ns, grace_ns;

    // The output.
    int64_t interval_ns;  // time between lines of progress; 0: no lines
    int64_t each;
    int64_t server_pid, usage_fd;  // 0: none
    int64_t strict;
    const char *require, *find_rate;
    const char *csv, *json, *hist, *timeline;
    const char *model;
    struct label labels[LABEL_COUNT_MAX];
    int label_count;

    // Tasks other than loading a server.
    int64_t columns, usage, calibrate, merge;
    char **files;  // the arguments of `merge`
    int file_count;
};

// Returns how many connections the load has, the idle ones and hogs included.
static inline int64_t options_connections(const struct options *opt)
{
    return opt->connections + opt->idle + opt->hogs;
}

// Parses the command line. The result is valid as long as the program runs. A
// bad command line ends the program with status 2, after one line on standard
// error that names the option; --help ends it with status 0.
struct options *options_parse(int argc, char **argv);

// Returns a time like "10ms" in ns, or -1 if the text is not a time.
double options_time_ns(const char *text);

#endif

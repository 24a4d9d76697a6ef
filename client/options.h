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

// The command line, complete: what was not given has its default value. Each
// field is one option; the table in options.c says what it does. Flags are 0 or
// 1. A text that was not given is NULL.
struct options {
    const char *host, *port;

    // The load. Connections send requests, except `idle` and `hogs`.
    int64_t connections, idle, hogs;
    int64_t threads;
    int64_t n, hog_n;
    int64_t duration_ns;         // of the window
    int64_t requests;            // stop after so many; 0: no limit
    int64_t rate;                // per second, on average; 0: closed loop
    int64_t ramp_from, ramp_to;  // 0: the rate is constant
    int64_t poisson;
    int64_t pipeline;
    int64_t churn;
    int64_t think_ns;
    int64_t slow;  // bytes per second; 0: all at once
    int64_t spin, no_stamps;
    int64_t warmup_ns, timeout_ns, grace_ns;

    // What is read, printed and written.
    int64_t interval_ns;  // between lines of progress; 0: none
    int64_t each;
    int64_t server_pid, usage_fd;  // 0: none
    int64_t strict;
    const char *require, *find_rate;
    const char *csv, *json, *hist, *timeline;
    const char *model;
    struct label labels[LABEL_COUNT_MAX];
    int label_count;

    // What is done instead of loading a server.
    int64_t columns, usage, calibrate, merge;
    char **files;  // for `merge`
    int file_count;
};

// Returns how many connections the load has in all.
static inline int64_t options_connections(const struct options *opt)
{
    return opt->connections + opt->idle + opt->hogs;
}

// Parses the command line. Returns it; it lives as long as the program. Exits
// with status 2 and one line on standard error that names the option for bad
// usage, with 0 after --help.
struct options *options_parse(int argc, char **argv);

// Returns a time like "10ms" in ns, -1 if it is none.
double options_time_ns(const char *text);

#endif

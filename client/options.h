// options.h - the command line of fibload.

#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { LABEL_COUNT_MAX = 16 };

// A column of our own in the CSV file.
struct label {
    const char *name;
    const char *value;
};

// What was asked for. All times in nanoseconds.
struct options {
    const char *host;
    const char *port;
    int connections;
    int idle;  // extra connections that stay silent
    int n;     // which fib
    int64_t duration_ns;
    uint64_t requests_max;  // stop after so many; 0: no limit
    int64_t warmup_ns;
    int64_t timeout_ns;   // for one reply
    int64_t grace_ns;     // for what is unanswered at the end
    int64_t interval_ns;  // between lines of progress; 0: none
    bool each;            // print the time of every request
    const char *csv;      // file to append a row to; NULL: none
    const char *json;     // file to write; NULL: none
    pid_t server_pid;     // 0: unknown
    const char *model;    // the first column; NULL: the server's name, if known
    struct label labels[LABEL_COUNT_MAX];
    int label_count;
};

// Fills `opt` from the command line. Exits: with status 2 and one line on
// standard error that names the option for bad usage, with 0 after --help.
void options_parse(struct options *opt, int argc, char **argv);

#endif

// options.h - the command line of fibload.

#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { LABEL_COUNT_MAX = 16, LABEL_NAME_SIZE = 64 };

// A column of our own in the CSV file: printable ASCII, no commas, no quotes.
struct label {
    char name[LABEL_NAME_SIZE];
    const char *value;
};

// What was asked for. All times in nanoseconds.
struct options {
    const char *host;
    const char *port;
    int connections;
    int threads;  // that the connections are spread over
    int idle;     // extra connections that stay silent
    int n;        // which fib
    int hogs;     // extra connections that disturb in the middle of the window
    int hog_n;
    int64_t duration_ns;
    int64_t requests;  // stop after so many; 0: no limit
    int pipeline;      // requests that may be under way on each connection
    int64_t rate;      // requests per second in all; 0: closed loop
    int64_t think_ns;  // between a reply and the next request
    int slow;          // bytes a second to send and read; 0: as they come
    bool churn;        // a new connection for each request
    bool poisson;      // they come at random times, not evenly spaced
    bool no_stamps;    // the kernel is not asked when replies arrived
    bool spin;         // never sleep while waiting
    int64_t warmup_ns;
    int64_t timeout_ns;    // for one reply
    int64_t grace_ns;      // for what is unanswered at the end
    int64_t interval_ns;   // between lines of progress; 0: none
    bool calibrate;        // measure a server of our own, and nothing else
    bool strict;           // a run whose verdict is not ok fails
    bool each;             // print the time of every request
    const char *csv;       // file to append a row to; NULL: none
    const char *json;      // file to write, "-": standard output; NULL: none
    const char *hist;      // file for a table of percentiles; NULL: none
    const char *timeline;  // file for a line per request; NULL: none
    int server_pid;        // 0: unknown
    const char *model;     // the first column; NULL: not said, "-": unknown
    struct label labels[LABEL_COUNT_MAX];
    int label_count;
};

// Returns what the command line says; it lives as long as the program. Exits:
// with status 2 and one line on standard error that names the option for bad
// usage, with 0 after --help.
struct options *options_parse(int argc, char **argv);

#endif

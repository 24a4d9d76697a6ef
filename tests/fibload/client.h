// client.h - runs of fibload, the program under test, and what came of them.
//
// The tests know fibload by its command line alone: they start the program and
// look at its exit status, its output and the files that it writes.

#ifndef FIBLOAD_CLIENT_H
#define FIBLOAD_CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "server.h"

enum { OUTPUT_SIZE = 1 << 14, ARGUMENTS_MAX = 48 };

struct outcome {
    int status;    // of the exit; -1 if a signal ended it
    double cpu_s;  // CPU time from its start to its end
    char out[OUTPUT_SIZE], err[OUTPUT_SIZE];
    char header[OUTPUT_SIZE], row[OUTPUT_SIZE];  // of its CSV file
};

// Sets the program. Failed checks print the last run from now on.
void client_is(const char *path);

// What the next runs of a part differ in.
extern int client_descriptors_max;      // 0: as many as the test may have
extern const char *client_output_file;  // standard output; NULL: outcome.out
extern int client_core;                 // that it must run on; -1: any
extern void (*client_prepare)(void);    // called just before exec; NULL: none

// The exit status of a client for which client_prepare() has failed.
enum { CLIENT_NOT_PREPARED = 126 };

// Runs the client with these arguments, the last of which is NULL, and waits
// until it ends; a client that does not is ended after two minutes. The result
// is static: it is valid until the next run.
const struct outcome *client_run(const char **arguments);

// The same against a server of its own, for fib(10), with the CSV file read.
const struct outcome *client_run_against(const struct script *script,
                                         const char **arguments);

#define RUN_SCRIPT(script, ...)                                                \
    client_run_against(script, (const char *[]){"-f", "10", __VA_ARGS__, NULL})

#define RUN(behaviour, ...)                                                    \
    RUN_SCRIPT((&(struct script){.answer = (behaviour)}), __VA_ARGS__)

// The same for a run that lasts until request `last_request` has been sent,
// however long the client takes for that, and ends with none answered.
#define RUN_TO_LAST(...)                                                       \
    RUN(interrupt_after_last, "-d", "1h", "--warmup", "0", "--grace", "0",     \
        "--timeout", "1h", __VA_ARGS__)

// The same for a run without a server of its own, such as --merge.
const struct outcome *client_run_for_row(const char **arguments);

// The same against the server at `target`, "[HOST:]PORT", without a CSV file.
const struct outcome *client_run_at(const char *target, const char **arguments);

#define RUN_AT(target, ...)                                                    \
    client_run_at(target, (const char *[]){__VA_ARGS__, NULL})

// The number in a column of the CSV row; NAN if there is no such column.
double column(const struct outcome *outcome, const char *name);

// Whether a and b differ by `tolerance` at most. Never true of a NAN.
bool near(double a, double b, double tolerance);

// Whether a text can be found in what the client wrote on standard output.
bool says(const struct outcome *outcome, const char *text);

// Whether the client ended with status 2 and one line on standard error, which
// has the text `because` in it.
bool refused(const struct outcome *outcome, const char *because);

// Reads what a file has in it, up to `size` - 1 bytes, as a string.
void read_text(int fd, char *text, size_t size);

// ---- The lines of --timeline

enum { TIMELINE_MAX = 4096 };

struct timeline_line {
    bool is_hog;
    double due_s, sent_s, done_s;  // since the window began; NAN: never
    char outcome[16];
};

struct timeline {
    bool has_header;
    int count;
    struct timeline_line lines[TIMELINE_MAX];
};

// Reads the file. The result is static: it is valid until the next call.
const struct timeline *timeline_read(const char *path);

// How many of its lines have this outcome.
int timeline_count(const struct timeline *timeline, const char *outcome);

// Makes an empty file for a run to write. The caller removes it.
#define TEMPORARY_FILE "/tmp/test_fibload.XXXXXX"
void make_file(char *path);

#endif

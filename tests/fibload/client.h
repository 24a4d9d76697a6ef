// client.h - runs fibload, the client under test, and reads its results.
//
// The tests use fibload as its users do. They start the program and read its
// exit status, its output and the files that it writes.

#ifndef FIBLOAD_CLIENT_H
#define FIBLOAD_CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "server.h"

enum { OUTPUT_SIZE = 1 << 14, ARGUMENTS_MAX = 48 };

// The results of one run of the client.
struct outcome {
    int status;    // exit status; -1 if a signal ended it
    double cpu_s;  // CPU time of the process, user and system
    char out[OUTPUT_SIZE], err[OUTPUT_SIZE];
    char header[OUTPUT_SIZE], row[OUTPUT_SIZE];  // the lines of its CSV file
};

// Sets the path of the client. From now on, each failed check prints the
// results of the last run.
void client_is(const char *path);

// Settings for the next runs. A test that changes one must restore it.
extern int client_descriptors_max;      // limit on its descriptors; 0: none
extern const char *client_output_file;  // standard output; NULL: outcome.out
extern int client_core;                 // the core that it must run on; -1: any
extern void (*client_prepare)(void);    // called before execv(); NULL: nothing

// The exit status of a client process in which client_prepare() has failed.
enum { CLIENT_NOT_PREPARED = 126 };

// Runs the client with these arguments, the last of which is NULL, and waits
// until it ends. A signal ends it after two minutes. The result is valid until
// the next run.
const struct outcome *client_run(const char **arguments);

// Runs the client against a new scripted server, and also reads the client's
// CSV file. The result is valid until the next run.
const struct outcome *client_run_against(const struct script *script,
                                         const char **arguments);

// Runs the client with these options for fib(10), against a server with
// `script`.
#define RUN_SCRIPT(script, ...)                                                \
    client_run_against(script, (const char *[]){"-f", "10", "--grace", "20s",  \
                                                __VA_ARGS__, NULL})

// Runs the client against a server that calls `behaviour` for each request.
#define RUN(behaviour, ...)                                                    \
    RUN_SCRIPT((&(struct script){.answer = (behaviour)}), __VA_ARGS__)

// Runs the client against a server that never replies. When the server has
// received request number `last_request`, it interrupts the client. However
// slow the machine is, the client has then sent all its requests and received
// no reply.
#define RUN_TO_LAST(...)                                                       \
    RUN(interrupt_after_last, "-d", "1h", "--warmup", "0", "--grace", "0",     \
        "--timeout", "1h", __VA_ARGS__)

// Runs the client without a server, for example with --merge, and reads its CSV
// file. The result is valid until the next run.
const struct outcome *client_run_for_row(const char **arguments);

// Runs the client against the server at `target`, "[HOST:]PORT", without a CSV
// file. The result is valid until the next run.
const struct outcome *client_run_at(const char *target, const char **arguments);

#define RUN_AT(target, ...)                                                    \
    client_run_at(target, (const char *[]){__VA_ARGS__, NULL})

// Returns the number in a column of the CSV row, or NAN if there is no such
// column.
double column(const struct outcome *outcome, const char *name);

// Returns whether a and b differ by at most `tolerance`. Returns false if one
// of them is NAN.
bool near(double a, double b, double tolerance);

// Returns whether the client's standard output contains `text`.
bool says(const struct outcome *outcome, const char *text);

// Returns whether the client ended with status 2 and one line on standard error
// that contains `because`.
bool refused(const struct outcome *outcome, const char *because);

// Reads the beginning of a file into `text`: up to `size` - 1 bytes and a '\0'.
void read_text(int fd, char *text, size_t size);

// ---- The lines of --timeline

enum { TIMELINE_MAX = 4096 };

// One request.
struct timeline_line {
    bool is_hog;
    double due_s, sent_s, done_s;  // since the window began; NAN: unknown
    char outcome[16];
};

struct timeline {
    bool has_header;
    int count;
    struct timeline_line lines[TIMELINE_MAX];
};

// Reads a file that the client has written with --timeline. The result is valid
// until the next call.
const struct timeline *timeline_read(const char *path);

// Returns how many requests of the timeline have this outcome.
int timeline_count(const struct timeline *timeline, const char *outcome);

// Makes an empty file for the client to write. `path` is a TEMPORARY_FILE and
// gets the name of the new file. The caller removes it.
#define TEMPORARY_FILE "/tmp/test_fibload.XXXXXX"
void make_file(char *path);

#endif

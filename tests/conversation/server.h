// server.h - a server under test: started, watched and stopped.

#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { SERVER_TEXT_SIZE = 4096 };

struct server {
    pid_t pid;
    int port;
    int out, err;  // files with what it has printed
    char out_text[SERVER_TEXT_SIZE], err_text[SERVER_TEXT_SIZE];
};

// What a server may use. Zero: as much as we may.
struct limits {
    rlim_t descriptors;
    rlim_t processes;     // threads count too; only root can test this
    rlim_t memory_bytes;  // address space
};

// Starts the program at `path`, which may be followed by a space and an option,
// on a port of its own choice, with `arguments` (NULL at the end, or NULL for
// none), and waits for its ready line. Returns false, after recording a failed
// check, if it does not come.
bool server_start(struct server *s, const char *path, const char **arguments,
                  const struct limits *limits);

// The same without a check: for a server that may have a reason not to start.
// Call server_wait() if it has not.
bool server_launch(struct server *s, const char *path, const char **arguments,
                   const struct limits *limits);

// Starts the program with exactly these arguments and waits for it to end.
// Returns its exit status, or -1 if a signal ended it or it did not end.
int server_try(struct server *s, const char *path, const char **arguments);

// Sends `signo` and waits for the end. Returns the exit status, 256 + the
// signal that ended it, or -1 if it had to be killed; reads out_text and
// err_text.
int server_end(struct server *s, int signo);

// As server_end() with SIGTERM, and checks that all went well: status 0, the
// summary printed, nothing on standard error. `what` names the check.
void server_stop(struct server *s, const char *what);

// Waits for the end without sending anything.
int server_wait(struct server *s);

// ---- What it uses at present, its children included.

struct resources {
    int descriptors, processes, threads, zombies;
    long resident_kib, cpu_ms;
};

struct resources server_resources(const struct server *s);

// The same once it has started all the processes that it begins with.
struct resources server_grown(const struct server *s);

// Waits until the server uses as few of these as `wanted`, a while at most.
// Returns what it uses then.
struct resources server_settle(const struct server *s,
                               const struct resources *wanted);

// Checks that resident memory is at most `most_kib` above `before_kib`. Not
// under the sanitizers, which keep memory of their own.
void server_check_memory(const struct server *s, long before_kib, long most_kib,
                         const char *what);

// CPU time in percent of `ms` milliseconds from now.
int server_cpu_percent(const struct server *s, int ms);

// How long to wait for what should come: 30 s, for the slowest of machines and
// sanitizers, or as many seconds as PATIENCE in the environment says.
int patience_ms(void);

void sleep_ms(int ms);
int64_t now_ms(void);

#endif

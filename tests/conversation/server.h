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

enum { NO_LOG = -1 };  // standard input and error are closed

// What a server may use. Zero: as much as we may.
struct limits {
    rlim_t descriptors;
    rlim_t processes;     // threads count too; only root can test this
    rlim_t memory_bytes;  // address space
    int log;              // its standard error, or NO_LOG; 0: s->err
};

// A command is the path of a program and its first arguments, NULL at the end.
#define COMMAND(path) ((const char *[]){(path), NULL})

// Starts a server on a port of its own choice, with `arguments` (NULL at the
// end, or NULL for none) after those of the command, and waits for its ready
// line. Returns false, after recording a failed check, if it does not come.
bool server_start(struct server *s, const char **command,
                  const char **arguments, const struct limits *limits);

// The same without a check: for a server that may have a reason not to start.
// Call server_wait() if it has not.
bool server_launch(struct server *s, const char **command,
                   const char **arguments, const struct limits *limits);

// Starts the command with exactly these arguments and waits for it to end.
// Returns its exit status, or -1 if a signal ended it or it did not end.
int server_try(struct server *s, const char **command, const char **arguments);

// Sends `signo` and waits for the end. Returns the exit status, 256 + the
// signal that ended it, or -1 if it had to be killed; reads out_text and
// err_text.
int server_end(struct server *s, int signo);

// As server_end() with SIGTERM, and checks that all went well: status 0, the
// summary printed, nothing on standard error. `what` names the check.
void server_stop(struct server *s, const char *what);

// Waits for the end without sending anything.
int server_wait(struct server *s);

// How long to wait for what should come: 30 s, for the slowest of machines and
// sanitizers, or as many seconds as PATIENCE in the environment says.
int patience_ms(void);

// The pause between two looks at what a test waits for. A shorter one would
// take CPU time from the tests that run beside this one.
enum { LOOK_MS = 10 };

void sleep_ms(int ms);
int64_t now_ms(void);

#endif

// server.h - a server under test: started, watched and stopped.

#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { SERVER_TEXT_SIZE = 4096 };

// A server under test. The two texts are read when it has ended.
struct server {
    pid_t pid;
    int port;
    int out, err;  // its standard output and standard error
    char out_text[SERVER_TEXT_SIZE], err_text[SERVER_TEXT_SIZE];
};

enum { NO_LOG = -1 };  // close standard input and standard error

// The limits of a server. 0 means: the same limit as this process.
struct limits {
    rlim_t descriptors;
    rlim_t processes;     // threads included; needs root
    rlim_t memory_bytes;  // of address space
    int log;              // standard error; 0: `err` of the server; or NO_LOG
};

// A command is the path of a program and its first arguments, with NULL at the
// end.
#define COMMAND(path) ((const char *[]){(path), NULL})

// Starts a server on a free port and waits for its ready line. Its arguments
// are those of the command, then `arguments`, which ends with NULL, or is NULL
// for none. If the line does not come, prints why, kills the server, records a
// failed check and returns false. Then `s` must not be used any more.
bool server_start(struct server *s, const char **command,
                  const char **arguments, const struct limits *limits);

// Starts a server as server_start() does, but records no check. Returns false
// if the ready line does not come; then the caller must call server_wait().
bool server_launch(struct server *s, const char **command,
                   const char **arguments, const struct limits *limits);

// server_spawn() starts a server with exactly these arguments, and does not
// wait. server_await_ready() waits for its ready line, and sets `port`. Returns
// false if the line does not come; then the caller must call server_wait().
void server_spawn(struct server *s, const char **command,
                  const char **arguments, const struct limits *limits);
bool server_await_ready(struct server *s);

// Runs the command with exactly these arguments until it ends. Returns its exit
// status, 256 + the signal that ended it, or -1 if it had to be killed after
// patience_ms().
int server_try(struct server *s, const char **command, const char **arguments);

// Sends the signal `signo` and waits until the server has ended. Returns its
// exit status, 256 + the signal that ended it, or -1 if it had to be killed
// after patience_ms(). Reads out_text and err_text. Prints how the server has
// ended, unless its status is 0 or `signo` has ended it.
int server_end(struct server *s, int signo);

// Sends SIGTERM and checks that the server ends well: exit status 0, a summary
// on standard output, nothing on standard error. `what` begins the name of the
// check.
void server_stop(struct server *s, const char *what);

// Waits until the server has ended, without sending a signal. Returns the same
// as server_end().
int server_wait(struct server *s);

enum { EXIT_USAGE = 2 };

// Returns the number that a variable of the environment has, or `initial` if it
// is not set. Exits with EXIT_USAGE and one line on standard error if it is not
// a number from 1 to `max`.
int setting(const char *variable, int initial, int max);

// Returns the longest time to wait for an event: 120 s, enough for slow
// machines and sanitizers, or as many seconds as PATIENCE in the environment
// says.
int patience_ms(void);

// The pause between two checks while a test waits for an event. A shorter pause
// would take CPU time from tests that run at the same time.
enum { CHECK_PAUSE_MS = 10 };

void sleep_ms(int ms);
int64_t now_ms(void);

#endif

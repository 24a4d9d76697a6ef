// cases.h - the list of faults to test, each with a program.

#ifndef CASES_H
#define CASES_H

#include "fault.h"

enum { FAULT_SIZE = 64, CASES_MAX = 16384 };

// The moment from which calls are counted and can fail.
enum moment { AT_START, SERVING, STOPPING, MOMENT_COUNT };

// How often a program made each call, by moment, in a run without faults.
struct call_counts {
    int seen[MOMENT_COUNT][CALL_COUNT];
};

// What happens to the program of a case. Each kind but FAILING_CALL and QUEUE
// has a header of its name.
enum kind {
    FAILING_CALL,  // see trial.h for a server, client.h for fibload
    STORM,         // many signals
    LEAPS,         // a clock that leaps
    SUDDEN,        // SIGTERM after a call
    CROWD,         // connected clients, beside a long accept queue
    QUEUE,         // the clients in that queue (crowd.h)
    EARLY,         // a client that connects before the server is ready
    LATE,          // a request that comes after the signal to stop
    SECOND,        // a second signal to stop
    TURNS,         // one request beside many, while the server stops
};

// One test: a program, a fault, and what the program must still do.
struct fault_case {
    const char *path;  // path of the program
    int variant;       // enum moment of a server, command line of the client
    bool harmless;     // the server must lose no client
    bool lasting;      // the fault never ends, so new clients may wait
    bool serves_residents;  // the server must serve the residents
    enum kind kind;
    int memory_kib;      // limits address space, in place of a fault; 0: none
    const char *option;  // LEAPS: an option of the server, or NULL
    char fault[FAULT_SIZE];
};

// All cases.
extern struct fault_case cases[CASES_MAX];
extern int case_count;

// Adds a case. `format` gives its fault, or a description, as in printf().
// Returns the case, for the caller to set its flags. Ends the program if there
// are too many.
__attribute__((format(printf, 3, 4))) struct fault_case *
cases_add(const char *path, int variant, const char *format, ...);

// Returns whether a call can fail with this errno again and again. Returns
// false for a signal (EINTR) and for a client that has left (ECONNABORTED).
bool cases_can_last(const char *error);

// Copies the first word of a list into `word`, which has FAULT_SIZE bytes.
// Returns the rest of the list.
const char *cases_next_word(const char *list, char *word);

// Adds the cases of a server that makes these calls:
//
// - each errno of each call once, four times in a row, and without end
// - the first errno of a call, in each of its first six calls
// - the first errno that costs no client, 50 times in a row
// - transfers that move at most 1 to 14 bytes
// - EINTR in 7 % and 50 % of all calls
// - SIGTERM after each of the first six calls
// - a client that connects before the server is ready
// - a second signal, if fork() or pthread_create() fails for a client
// - if one thread accepts and serves all clients: CROWD, QUEUE, LATE and TURNS
// - many signals, a clock that leaps, and limits on memory
void cases_add_server(const char *path, const struct call_counts *counts);

#endif

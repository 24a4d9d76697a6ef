// cases.h - the faults that are tried on a program.

#ifndef CASES_H
#define CASES_H

#include "fault.h"

enum { FAULT_SIZE = 64, CASES_MAX = 16384 };

// When the faults begin.
enum moment { AT_START, SERVING, STOPPING, MOMENT_COUNT };

// How often a program made each call, by moment, when none failed.
struct habits {
    int seen[MOMENT_COUNT][CALL_COUNT];
};

struct fault_case {
    const char *path;  // of the program; an option may follow
    int variant;       // of a server, the enum moment; of the client, an errand
    bool harmless;     // no client may be lost
    bool lasting;      // no new client need be served, and it must not spin
    bool spares;       // clients that it has are served all the same
    bool storm;        // no fault, but signals without end
    bool sudden;       // no fault, but SIGTERM right after a call
    bool leaps;        // no fault, but a clock that leaps
    int memory_kib;    // no fault, but an address space of this size; 0: any
    char fault[FAULT_SIZE];
};

// All that were added.
extern struct fault_case cases[CASES_MAX];
extern int case_count;

// Adds a case, printf-like.
__attribute__((format(printf, 3, 4))) struct fault_case *
cases_add(const char *path, int variant, const char *format, ...);

// Whether an errno can come on and on. A signal, or a client that gave up, does
// not.
bool cases_can_last(const char *error);

// Puts the next word of a list into `word`, which has room for FAULT_SIZE.
// Returns what is behind it.
const char *cases_next_word(const char *list, char *word);

// Adds the faults of a server with these habits: each errno once; the first
// errno in each of its first calls; each errno a few times in a row, and for
// ever; one errno many times in a row; transfers of every small size;
// interruptions here and there; SIGTERM after each of the first calls; signals
// without end; a clock that leaps; and less and less memory.
void cases_add_server(const char *path, const struct habits *habits);

#endif

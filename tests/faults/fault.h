// fault.h - which call is to fail, how and when.
//
// A program linked with this layer reads from its environment
//
//     FAULT=CALL:HOW:WHEN
//
//     CALL   the name of a call in calls.h; all: each that may fail like this
//     HOW    the name of an errno; a number: at most so many bytes are moved;
//            SIGTERM: the call is made, and the signal comes right after it
//     WHEN   3: the third call; 3-7: the third to the seventh; 3-: the third
//            and all later ones; 7%: seven in a hundred
//
// so that a fault can be tried by hand, and nothing in the program knows of it:
//
//     FAULT=recv:ECONNRESET:3 build/plain/tests/faults/thread --port 9999
//
// LEAP_US=1000 has its clock leap before each look at it, by up to a
// millisecond. SIGUSR1 does nothing in it but to interrupt the call that waits.

#ifndef FAULT_H
#define FAULT_H

#include <stdatomic.h>
#include <stdbool.h>

enum fault_call {
#define CALL(result, name, ...) CALL_##name,
#define TRANSFER(name, ...) CALL_##name,
#include "calls.h"
#undef CALL
#undef TRANSFER
    CALL_COUNT
};

// What a test shares with the program and its children, in a file whose
// descriptor is the number in FAULT_COUNTS. Without one, faults begin at once.
struct fault_counts {
    atomic_int interrupted;         // SIGUSR1 that came
    atomic_int leaps;               // of the clock: see leaping_clock.c
    atomic_bool armed;              // only then calls are counted, and fail
    atomic_int seen[CALL_COUNT];    // calls
    atomic_int failed[CALL_COUNT];  // of these, calls that were made to fail
};

struct fault_call_info {
    const char *name;
    const char *errnos;  // separated by blanks
    bool is_transfer;    // may move less than it was asked to
};

extern const struct fault_call_info fault_calls[CALL_COUNT];

// Counts a leap of the clock.
void fault_leapt(void);

// Whether `word` is one of those that `list` has between blanks.
bool fault_is_listed(const char *list, const char *word);

// Returns the number of an errno, or of an error of getaddrinfo(); 0: unknown.
int fault_errno(const char *name);

#endif

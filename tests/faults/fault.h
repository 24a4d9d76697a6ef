// fault.h - which call fails, how and when.
//
// A program that is linked with this layer reads a variable of the environment:
//
//     FAULT=CALL:HOW:WHEN
//
//     CALL   the name of a call in calls.h; or `all`: every call that has HOW
//     HOW    the name of an errno: the call fails with it; a number: the call
//            moves at most so many bytes; SIGTERM or SIGSTOP: the call is made,
//            and the program gets the signal right after it
//     WHEN   3: the third call; 3-7: the third to the seventh; 3-: the third
//            and all later ones; 7%: seven in a hundred
//
// The program itself has no code for this. A fault can be tried by hand:
//
//     FAULT=recv:ECONNRESET:3 build/plain/tests/faults/thread --port 9999
//
// With LEAP_US=1000 the program's clock leaps by up to 1,000 us before each
// reading. SIGUSR1 only interrupts the system call that the program waits in.

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

// Memory that a test shares with the program and its children. It is a file
// whose descriptor is the number in FAULT_COUNTS. Without that variable, calls
// can fail from the start.
struct fault_counts {
    atomic_int interrupted;         // how often SIGUSR1 came
    atomic_int leaps;               // how often the clock leapt
    atomic_bool armed;              // while false, no call is counted or fails
    atomic_int seen[CALL_COUNT];    // how often each call was made
    atomic_int failed[CALL_COUNT];  // how often each was made to fail
};

struct fault_call_info {
    const char *name;
    const char *errnos;  // separated by blanks
    bool is_transfer;    // the call may move fewer bytes than requested
};

extern const struct fault_call_info fault_calls[CALL_COUNT];

// Counts a leap of the clock.
void fault_leapt(void);

// Returns whether `word` is one of the words of `list`, which blanks separate.
bool fault_is_listed(const char *list, const char *word);

// Returns the number of an errno, or of an error of getaddrinfo(). Returns 0 if
// the name is unknown.
int fault_errno(const char *name);

#endif

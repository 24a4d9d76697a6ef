// side_by_side.h - many cases at once, as most of them only wait.

#ifndef SIDE_BY_SIDE_H
#define SIDE_BY_SIDE_H

#include <stdbool.h>

enum { SAID_SIZE = 512 };

// The result of a case.
struct outcome {
    bool passed;
    bool reached;          // a call was made to fail: else this proves nothing
    bool felt;             // and it was noticed: no start, a lost client
    char said[SAID_SIZE];  // why it failed, printed only then
};

// Calls try(i, outcome) for each `i` below `count`, in processes of its own.
// Returns the outcomes, all zero at first, which are never freed.
struct outcome *side_by_side(int count,
                             void (*try)(int i, struct outcome *outcome));

// Sets what `o` says, printf-like, unless it has said something. Returns false,
// to be returned.
__attribute__((format(printf, 2, 3))) bool fails(struct outcome *o,
                                                 const char *format, ...);

#endif

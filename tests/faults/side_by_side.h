// side_by_side.h - runs many cases at the same time, as most of them only wait.

#ifndef SIDE_BY_SIDE_H
#define SIDE_BY_SIDE_H

#include <stdbool.h>

enum { SAID_SIZE = 512 };

// The result of a case.
struct outcome {
    bool passed;
    bool reached;          // the fault happened; if not, nothing was tested
    bool had_effect;       // a client was lost, or the program did not start
    char said[SAID_SIZE];  // why it did not pass
};

// Calls try(i, outcome) for each `i` below `count`, in several child processes,
// and waits for all. Returns the outcomes, which are all zero before the calls.
// They are never freed.
struct outcome *side_by_side(int count,
                             void (*try)(int i, struct outcome *outcome));

// Sets o->said, as printf() would, unless it is set already. Always returns
// false, so that a check can return it.
__attribute__((format(printf, 2, 3))) bool fails(struct outcome *o,
                                                 const char *format, ...);

#endif

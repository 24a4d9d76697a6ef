// co_timers.h - the times at which to wake coroutines.
//
// A binary heap (Williams, CACM 7(6), 1964). Adding a timer, removing one, and
// finding the one that is due first take little longer with 100,000 timers than
// with ten. A coroutine has at most one timer. It stores the place of its timer
// in the heap, so that its timer can be removed when its wait ends earlier. No
// function here blocks, and only co_timers_reserve() can fail.

#ifndef CO_TIMERS_H
#define CO_TIMERS_H

#include <stddef.h>
#include <stdint.h>

struct co;

struct co_timer {
    int64_t due_ns;
    struct co *waiter;
};

// The timers of one loop. Starts as {0}.
struct co_timers {
    struct co_timer *heap;  // heap[1] is due first; heap[0] is not used
    size_t count, size;
};

// Allocates memory for `count` timers in total. After that, co_timers_set()
// cannot fail. Returns 0, or -1 with ENOMEM.
int co_timers_reserve(struct co_timers *timers, size_t count);

// Sets the timer of `c`, which must have none.
void co_timers_set(struct co_timers *timers, struct co *c, int64_t due_ns);

// Removes the timer of `c`, which must have one.
void co_timers_clear(struct co_timers *timers, struct co *c);

// Frees the memory of the timers, of which none may be set.
void co_timers_free(struct co_timers *timers);

#endif

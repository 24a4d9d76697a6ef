// co_timers.h - when which coroutine is to be woken.
//
// A binary heap (Williams, CACM 7(6), 1964): to set a timer, to take one out
// and to find the next one due costs little more with 100,000 of them than with
// ten. Each coroutine has one timer at most and knows its place in the heap, so
// that one which is no longer needed can be taken out.

#ifndef CO_TIMERS_H
#define CO_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "co_internal.h"

struct timer {
    int64_t due_ns;
    struct co *waiter;
};

// Begins as {0}.
struct timers {
    struct timer *heap;  // heap[1] is due first; heap[0] is not used
    size_t count, size;
};

// Makes room for `count` timers, so that setting one cannot fail. Returns 0, or
// -1 with ENOMEM.
int timers_reserve(struct timers *timers, size_t count);

// Sets the timer of `c`, which must have none.
void timers_set(struct timers *timers, struct co *c, int64_t due_ns);

// Takes out the timer of `c`, which must have one.
void timers_clear(struct timers *timers, struct co *c);

// When the next one is due. There must be one.
static inline int64_t timers_next_ns(const struct timers *timers)
{
    return timers->heap[1].due_ns;
}

// Frees the memory.
void timers_free(struct timers *timers);

#endif

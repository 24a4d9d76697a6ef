// co_timers.c - the times at which to wake coroutines: a binary heap.
//
// heap[at / 2] is never due later than heap[at], so heap[1] is due first. No
// function here blocks.

#include "co_timers.h"

#include <stdlib.h>

#include "co_internal.h"

static void place(struct co_timers *timers, struct co_timer t, size_t at)
{
    timers->heap[at] = t;
    t.waiter->timer = (unsigned)at;
}

// Stores a timer at `at` or above: moves down all parents that are due later.
static void sift_up(struct co_timers *timers, struct co_timer t, size_t at)
{
    for (; at > 1 && timers->heap[at / 2].due_ns > t.due_ns; at /= 2)
        place(timers, timers->heap[at / 2], at);
    place(timers, t, at);
}

// Stores a timer at `at` or below: moves up the earlier of two children as long
// as it is due before this timer.
static void sift_down(struct co_timers *timers, struct co_timer t, size_t at)
{
    const struct co_timer *heap = timers->heap;
    for (size_t child = 2 * at; child <= timers->count; child = 2 * at) {
        if (child < timers->count &&
            heap[child + 1].due_ns < heap[child].due_ns)
            child++;
        if (heap[child].due_ns >= t.due_ns)
            break;
        place(timers, heap[child], at);
        at = child;
    }
    place(timers, t, at);
}

int co_timers_reserve(struct co_timers *timers, size_t count)
{
    if (count < timers->size)
        return 0;
    size_t size = 2 * count + 64;
    struct co_timer *heap = realloc(timers->heap, size * sizeof *heap);
    if (heap == NULL)
        return -1;
    timers->heap = heap;
    timers->size = size;
    return 0;
}

void co_timers_set(struct co_timers *timers, struct co *c, int64_t due_ns)
{
    sift_up(timers, (struct co_timer){due_ns, c}, ++timers->count);
}

void co_timers_clear(struct co_timers *timers, struct co *c)
{
    size_t at = c->timer;
    struct co_timer last = timers->heap[timers->count--];

    c->timer = 0;
    if (last.waiter == c)
        return;
    if (at > 1 && timers->heap[at / 2].due_ns > last.due_ns)
        sift_up(timers, last, at);
    else
        sift_down(timers, last, at);
}

void co_timers_free(struct co_timers *timers)
{
    free(timers->heap);
    *timers = (struct co_timers){0};
}

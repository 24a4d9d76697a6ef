// co_stack.h - where the stacks of coroutines come from.
//
// Everything here is about the stacks of the calling thread. Nothing blocks.
// Taking a stack or giving one back takes some nanoseconds. Only one call in 64
// makes a system call, which takes longer.

#ifndef CO_STACK_H
#define CO_STACK_H

#include <stddef.h>

// See co_set_stack_size().
void co_stack_set_size(size_t size);

// Returns how many bytes of a stack can be used: all but the guard page.
size_t co_stack_usable(void);

// Takes a stack. Returns its lowest usable address; touching the page below it
// is a segmentation fault. Its content is left over from its last use. Returns
// NULL with ENOMEM if there is no memory, or no guard page, for one.
void *co_stack_take(void);

// Gives back a stack. The last one given back is the first one taken, as it may
// still be in the cache. The memory of those that are idle longest is returned
// to the system.
void co_stack_put(void *low);

// Returns how many bytes of a stack have been written to since its memory came
// from the system: from the top down to the lowest byte that is not zero.
size_t co_stack_touched(void *low);

// Returns how many stacks were taken so far, each of them counted once.
size_t co_stack_count(void);

// Returns the lowest usable address of one of these stacks, given its number,
// counted from 0. Some of them may have been given back. The number of a stack
// does not change.
void *co_stack_at(size_t at);

// Unmaps all stacks. Returns 0, or -1 with EBUSY if some are in use.
int co_stack_release_all(void);

#endif

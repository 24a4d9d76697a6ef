// co_stack.h - where the stacks of coroutines come from.
//
// Everything here is about the stacks of the calling thread. Nothing blocks.
// Taking a stack or giving one back takes some nanoseconds. Only about one call
// in 64 makes system calls, and so takes longer.

#ifndef CO_STACK_H
#define CO_STACK_H

#include <stddef.h>

// See co_set_stack_size().
void co_stack_set_size(size_t size);

// Returns how many bytes of a stack can be used: all but the guard page.
size_t co_stack_usable(void);

// Takes a stack. Returns its lowest usable address. The page below that is the
// guard page: touching it raises SIGSEGV. The stack may still contain what its
// last user has written. Returns NULL with ENOMEM if there is no memory, or no
// guard page, for a new stack.
void *co_stack_take(void);

// Gives back a stack. The stack given back last is taken first, because it may
// still be in the cache. The memory of the stacks that have been idle longest
// is returned to the system.
void co_stack_put(void *low);

// Returns how many bytes of a stack have been written to since its memory came
// from the system: from the top down to the lowest byte that is not zero.
size_t co_stack_touched(void *low);

// Returns how many different stacks were taken so far.
size_t co_stack_count(void);

// Returns the lowest usable address of stack number `at`, from 0 up to
// co_stack_count() - 1. A stack keeps its number, even after it was given back.
void *co_stack_at(size_t at);

// Unmaps all stacks. Returns 0, or -1 with EBUSY if some are in use.
int co_stack_release_all(void);

#endif

// co_stack.h - where the stacks of coroutines come from.
//
// All functions work on the stacks of the calling thread. None blocks. Taking a
// stack or giving one back takes some nanoseconds. About one call in 64 takes
// longer, because it makes system calls.

#ifndef CO_STACK_H
#define CO_STACK_H

#include <stddef.h>

// Does the work of co_set_stack_size() in co.h.
void co_stack_set_size(size_t size);

// Returns how many bytes of a stack can be used: all except the guard page.
size_t co_stack_usable_size(void);

// Takes a stack. Returns its lowest usable address. The guard page is below
// this address: touching it raises SIGSEGV. The stack may contain what an
// earlier coroutine has written. Returns NULL with ENOMEM if the kernel gives
// no memory for new stacks, or no guard pages.
void *co_stack_take(void);

// Gives a stack back. The stack that was given back last is taken first,
// because it may still be in the cache. The system gets back the memory of
// stacks that have been idle for long.
void co_stack_put(void *low);

// Returns how many bytes of a stack were used since the system gave its memory:
// from the top of the stack down to the lowest byte that is not zero.
size_t co_stack_touched(void *low);

// Returns how many different stacks co_stack_take() has returned so far.
size_t co_stack_count(void);

// Returns the lowest usable address of stack number `at`, which is at least 0
// and less than co_stack_count(). A stack keeps its number even after it was
// given back.
void *co_stack_at(size_t at);

// Unmaps all stacks. Returns 0, or -1 with EBUSY if some are in use. When a
// thread ends, the runtime does this by itself.
int co_stack_release_all(void);

#endif

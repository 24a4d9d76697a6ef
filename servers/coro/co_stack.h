// co_stack.h - where the stacks of coroutines come from.

#ifndef CO_STACK_H
#define CO_STACK_H

#include <stddef.h>

// Sets the size of every stack, guard page included. See co_set_stack_size().
void co_stack_set_size(size_t size);

// How many bytes of a stack can be used: all but the guard page.
size_t co_stack_usable(void);

// Takes a stack from this thread's pool. Returns its lowest usable address; to
// touch the page below it is a segmentation fault. The content is left over
// from the stack's last use. Returns NULL with ENOMEM when no memory, or no
// guard page, is to be had. Give it back with co_stack_put().
void *co_stack_take(void);

// Gives back a stack. The last given is the first taken, as it may still be in
// the cache; the memory of those that lie idle longest goes to the system.
void co_stack_put(void *low);

// How many bytes of a stack have ever been written to, since its memory came
// from the system: from the top down to the lowest that is not zero.
size_t co_stack_touched(void *low);

// Unmaps all stacks of this thread. Returns 0, or -1 with EBUSY if some are in
// use.
int co_stack_release_all(void);

#endif

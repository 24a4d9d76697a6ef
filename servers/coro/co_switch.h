// co_switch.h - switching from one stack to another: all that depends on the
// machine. co_switch_x86_64.S and co_switch_aarch64.S do it in assembly, and
// co_switch_ucontext.c by library calls, for all other machines. Nothing here
// blocks or fails.

#ifndef CO_SWITCH_H
#define CO_SWITCH_H

#include <stddef.h>

// Prepares a stack of `size` bytes that begins at `low`. Returns the value of
// `load` for the first co_switch() to this stack (see below). That co_switch()
// runs entry(value) on the stack, with its own `value`. entry() must not
// return.
void *co_switch_prepare(void *low, size_t size, void (*entry)(void *value));

// Saves the registers on the present stack, and stores their address in *save.
// Then loads the registers that were saved at `load`. So the co_switch() that
// saved them returns there, and its result is `value`. This call returns when a
// later co_switch() loads *save; its result is the `value` of the later call.
void *co_switch(void **save, void *load, void *value);

#endif

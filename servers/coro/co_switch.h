// co_switch.h - exchanging one stack for another: all that depends on the
// machine. Assembly in co_switch_x86_64.S and co_switch_aarch64.S; library
// calls for all other machines in co_switch_ucontext.c. Nothing here blocks or
// fails.

#ifndef CO_SWITCH_H
#define CO_SWITCH_H

#include <stddef.h>

// Makes a stack of `size` bytes at `low` ready for its first co_switch(), which
// will call entry(value) on it. entry() must not return. Returns its `load`.
void *co_switch_prepare(void *low, size_t size, void (*entry)(void *value));

// Saves the registers on the present stack, and their address in *save. Then
// loads the registers saved at `load`: so the co_switch() that saved them
// returns `value`. This call returns when a later co_switch() loads *save, with
// the value given to that later call.
void *co_switch(void **save, void *load, void *value);

#endif

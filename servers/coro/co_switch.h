// co_switch.h - exchanging one stack for another: all that depends on the
// machine. co_switch_x86_64.S in assembly, co_switch_ucontext.c anywhere.

#ifndef CO_SWITCH_H
#define CO_SWITCH_H

#include <stddef.h>

// Makes a stack of `size` bytes at `low` ready for its first co_switch(), which
// will call entry(value) on it. entry() must not return. Returns what to load.
void *co_switch_prepare(void *low, size_t size, void (*entry)(void *value));

// Saves the registers on the present stack, and their address in *save. Then
// loads those at `load`: the co_switch() that saved them returns `value`. This
// call returns when another one loads *save, and with the value of that one.
void *co_switch(void **save, void *load, void *value);

#endif

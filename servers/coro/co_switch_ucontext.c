// co_switch_ucontext.c - exchanging one stack for another, by library calls.
//
// Works on every architecture, but slowly: swapcontext() saves the signal mask
// too, with a system call at each switch. POSIX dropped swapcontext() in 2008.
//
// _setjmp() and _longjmp() leave the mask alone. Once makecontext() has begun a
// stack, they would be ten times as fast. But C allows a jump only to a
// function that has not returned yet, and C libraries check: built with
// _FORTIFY_SOURCE, as distributions do, the first jump to another stack would
// end the program. So this file uses the slow calls, which all C libraries
// allow.

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "co_switch.h"

// What lies at the top of a stack before its first switch. Each later context
// lies in the frame of the co_switch() that saved it.
struct beginning {
    ucontext_t context;
    void (*entry)(void *value);
};

static _Thread_local void *passed;  // The value on its way to the other stack.

// The first function on a stack. makecontext() can pass it only ints, so the
// pointer comes in two halves.
static void begin(unsigned high, unsigned low)
{
    uintptr_t address = (uintptr_t)((uint64_t)high << 32 | low);
    struct beginning *b = (struct beginning *)address;
    b->entry(passed);
    assert(false);  // entry() must not return.
}

void *co_switch_prepare(void *low, size_t size, void (*entry)(void *value))
{
    size_t room = (size - sizeof(struct beginning)) & ~(size_t)63;
    struct beginning *b = (struct beginning *)(void *)((char *)low + room);
    uint64_t address = (uintptr_t)b;

    getcontext(&b->context);
    b->context.uc_stack.ss_sp = low;
    b->context.uc_stack.ss_size = room;
    b->context.uc_link = NULL;
    b->entry = entry;
    makecontext(&b->context, (void (*)(void))begin, 2,
                (unsigned)(address >> 32), (unsigned)address);
    return &b->context;
}

void *co_switch(void **save, void *load, void *value)
{
    ucontext_t here;

    *save = &here;
    passed = value;
    swapcontext(&here, load);
    return passed;
}

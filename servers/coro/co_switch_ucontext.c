// co_switch_ucontext.c - switching from one stack to another by library calls.
//
// Works on every architecture, but slowly: each swapcontext() also saves the
// signal mask, which takes a system call. POSIX removed swapcontext() in 2008,
// but glibc still has it.
//
// _setjmp() and _longjmp() do not save the signal mask, and would be ten times
// as fast. But C allows a jump only to a function that has not returned yet,
// and a C library may check this. With _FORTIFY_SOURCE, which distributions
// use, the first jump to another stack would end the program. So this file uses
// the slow calls.

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "co_switch.h"

// What is at the top of a stack before the first switch to it. Each later
// context is in the stack frame of the co_switch() that saved it.
struct beginning {
    ucontext_t context;
    void (*entry)(void *value);
};

static _Thread_local void *passed;  // The value for the other stack.

// Is the first function on a stack: calls entry(). makecontext() can pass only
// ints, so this function gets the address of its struct in two halves.
static void begin(unsigned high, unsigned low)
{
    uintptr_t address = (uintptr_t)((uint64_t)high << 32 | low);
    struct beginning *b = (struct beginning *)address;
    b->entry(passed);
    assert(false);  // entry() must not return.
}

void *co_switch_prepare(void *low, size_t size, void (*entry)(void *value))
{
    size_t usable = (size - sizeof(struct beginning)) & ~(size_t)63;
    struct beginning *b = (struct beginning *)(void *)((char *)low + usable);
    uint64_t address = (uintptr_t)b;

    getcontext(&b->context);
    b->context.uc_stack.ss_sp = low;
    b->context.uc_stack.ss_size = usable;
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

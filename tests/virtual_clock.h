// virtual_clock.h - a clock that moves only while the loop sleeps.
//
// The linker's --wrap option routes the runtime's clock_gettime() and
// epoll_wait() through virtual_clock.c. When the loop would sleep until its
// next timer, and no event comes first, the clock jumps to that time. So tests
// with timers take no time, and what they see does not depend on the machine.

#ifndef VIRTUAL_CLOCK_H
#define VIRTUAL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

// The options of the linker are VIRTUAL_CLOCK in the Makefile.

// Turns it on (`wanted`; so it is at first) or off: then the calls go to the
// system, for tests in which other threads end a sleep.
void clock_virtual(bool wanted);

// Returns the time.
int64_t clock_ms(void);

// Moves the clock, as a long computation would.
void clock_advance_ms(int ms);

// Returns how often the loop has looked for events, and how often it has slept
// until its next timer.
int clock_polls(void);
int clock_sleeps(void);

#endif

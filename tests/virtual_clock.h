// virtual_clock.h - a clock that moves only while the event loop sleeps.
//
// The linker's --wrap option replaces the runtime's clock_gettime() and
// epoll_wait() by functions of virtual_clock.c. If the loop would sleep until
// its next timer, and there is no event, the clock jumps to that time. So tests
// with timers take no time, and their results do not depend on the machine.

#ifndef VIRTUAL_CLOCK_H
#define VIRTUAL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

// tests/tests.mk has the list of these calls: VIRTUAL_CLOCK.

// Switches the virtual clock on, which is the default, or off. While it is off,
// the calls go to the system. A test needs this if another thread ends a sleep.
void clock_virtual(bool wanted);

// Returns the time on the virtual clock, in ms.
int64_t clock_ms(void);

// Moves the clock by `ms`, as a long computation would.
void clock_advance_ms(int ms);

// Return how often the loop has called epoll_wait(), and how often it has slept
// until its next timer.
int clock_polls(void);
int clock_sleeps(void);

#endif

// clock.h - the monotonic clock, and how long to wait.
//
// Points in time are in nanoseconds of CLOCK_MONOTONIC, a clock that cannot be
// set. Only sleep_ms() blocks.

#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

enum {
    MS_PER_S = 1000,
    NS_PER_MS = 1000000,
    NS_PER_S = 1000000000,
};

// Returns the present time. Never blocks; safe in a signal handler.
int64_t clock_now_ns(void);

// Converts `ms` milliseconds to the struct that system calls take.
struct timespec clock_timespec(int ms);

// Returns the timeout for poll(2), in milliseconds, so that poll() ends at
// `until_ns`: 0 if this time has passed, -1 (no timeout) if it is INT64_MAX.
// Rounds up, because a poll() that ends too early would be called again.
int clock_ms_until(int64_t until_ns);

// Blocks for `ms` milliseconds, even if signals come. Does not block if `ms` is
// 0.
void sleep_ms(int ms);

#endif

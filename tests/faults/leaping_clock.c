// leaping_clock.c - a clock that leaps before each reading.
//
// The clock leaps by up to LEAP_US microseconds (a variable of the
// environment), as if another program had used the core in the meantime. So
// whatever can become due between two readings becomes due there. Without
// LEAP_US this is the real clock.

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "fault.h"

enum { NS_PER_S = 1000000000, NS_PER_US = 1000 };

static unsigned leap_ns;
static atomic_llong ahead_ns;  // by how much we are ahead of the real clock
static atomic_uint readings;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

__attribute__((constructor)) static void read_leap(void)
{
    const char *us = getenv("LEAP_US");
    if (us != NULL)
        leap_ns = (unsigned)strtoul(us, NULL, 10) * NS_PER_US;
}

// Returns the length of the next leap. A hash, Knuth's multiplicative one,
// scatters the lengths, but they are the same in every run.
static unsigned next_leap_ns(void)
{
    const unsigned factor = 2654435769U;
    return atomic_fetch_add(&readings, 1) * factor % leap_ns;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = __real_clock_gettime(clock, now);
    if (leap_ns == 0 || clock != CLOCK_MONOTONIC)
        return result;
    unsigned leap = next_leap_ns();
    int64_t ns = now->tv_nsec + atomic_fetch_add(&ahead_ns, leap) + leap;
    now->tv_sec += (time_t)(ns / NS_PER_S);
    now->tv_nsec = (long)(ns % NS_PER_S);
    fault_leapt();
    return result;
}

// clock.h - the one clock that all times are read from.
//
// Nothing here blocks. Only CPU times take a system call: see vdso(7).

#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

enum {
    NS_PER_US = 1000,
    NS_PER_MS = 1000000,
    NS_PER_S = 1000000000,
};

#define MS(n) ((n) * (int64_t)NS_PER_MS)

// Returns the time of a clock in ns.
static inline int64_t clock_read_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

// Returns nanoseconds on the monotonic clock. It cannot be set, so a latency is
// never negative. Takes about 20 ns.
static inline int64_t clock_now_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

// Returns by how much the wall clock, with which the kernel stamps packets, is
// ahead of ours. This changes when the wall clock is set. The clocks are read
// again if the thread was interrupted between the readings.
static inline int64_t clock_wall_offset_ns(void)
{
    enum { TRIES_MAX = 5, CLOSE_NS = 1000 };
    int64_t before_ns, wall_ns, after_ns;
    int tries = 0;
    do {
        before_ns = clock_now_ns();
        wall_ns = clock_read_ns(CLOCK_REALTIME);
        after_ns = clock_now_ns();
    } while (after_ns - before_ns > CLOSE_NS && ++tries < TRIES_MAX);
    return wall_ns - before_ns - (after_ns - before_ns) / 2;
}

// Return the smaller and the larger of two times, or of two time spans.
static inline int64_t clock_min(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

static inline int64_t clock_max(int64_t a_ns, int64_t b_ns)
{
    return a_ns > b_ns ? a_ns : b_ns;
}

// Converts a time span to seconds.
static inline double clock_seconds(int64_t ns)
{
    return (double)ns / NS_PER_S;
}

#endif

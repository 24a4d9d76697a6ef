// clock.h - the one clock all times are read from.

#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

enum {
    CLOCK_NS_PER_US = 1000,
    CLOCK_NS_PER_MS = 1000000,
    CLOCK_NS_PER_S = 1000000000,
};

// Nanoseconds on the monotonic clock: nobody can set it, so a latency cannot
// become negative. Reading it takes about 20 ns and no system call (vdso(7)).
int64_t clock_now_ns(void);

// What to subtract from a time on the wall clock, with which the kernel stamps
// packets, to get one on ours. It changes when somebody sets the wall clock.
int64_t clock_wall_offset_ns(void);

// The same span in seconds.
double clock_seconds(int64_t ns);

// CPU time this thread has used, in nanoseconds.
int64_t clock_cpu_ns(void);

#endif

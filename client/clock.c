// clock.c - the one clock all times are read from.

#include "clock.h"

#include <time.h>

static int64_t read_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * CLOCK_NS_PER_S + now.tv_nsec;
}

int64_t clock_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

// Read between two readings of the other: if we were interrupted, once more.
int64_t clock_wall_offset_ns(void)
{
    enum { TRIES = 5, CLOSE_NS = 1000 };
    int64_t before_ns, wall_ns, after_ns;
    int tries = 0;
    do {
        before_ns = clock_now_ns();
        wall_ns = read_ns(CLOCK_REALTIME);
        after_ns = clock_now_ns();
    } while (after_ns - before_ns > CLOSE_NS && ++tries < TRIES);
    return wall_ns - before_ns - (after_ns - before_ns) / 2;
}

double clock_seconds(int64_t ns)
{
    return (double)ns / CLOCK_NS_PER_S;
}

int64_t clock_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

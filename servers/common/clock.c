// clock.c - the monotonic clock, and how long to wait.

#include "clock.h"

#include <errno.h>

int64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

struct timespec clock_timespec(int ms)
{
    return (struct timespec){.tv_sec = ms / MS_PER_S,
                             .tv_nsec = (long)(ms % MS_PER_S) * NS_PER_MS};
}

int clock_ms_until(int64_t until_ns)
{
    if (until_ns == INT64_MAX)
        return -1;
    int64_t left_ns = until_ns - clock_now_ns();
    return left_ns > 0 ? (int)((left_ns - 1) / NS_PER_MS) + 1 : 0;
}

void sleep_ms(int ms)
{
    struct timespec left = clock_timespec(ms);
    while (ms > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        ;  // nanosleep() has stored the remaining time in `left`.
}

// virtual_clock.c - a clock that moves only while the event loop sleeps.

#include "virtual_clock.h"

#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

enum { NS_PER_S = 1000000000, NS_PER_MS = 1000000 };

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __real_epoll_wait(int epoll, struct epoll_event *events, int max, int ms);
int __real_epoll_pwait(int epoll, struct epoll_event *events, int max, int ms,
                       const sigset_t *mask);

static bool on = true;
static int64_t now_ns = NS_PER_S;
static int polls, sleeps;

void clock_virtual(bool wanted)
{
    on = wanted;
}

int64_t clock_ms(void)
{
    return now_ns / NS_PER_MS;
}

void clock_advance_ms(int ms)
{
    now_ns += (int64_t)ms * NS_PER_MS;
}

int clock_polls(void)
{
    return polls;
}

int clock_sleeps(void)
{
    return sleeps;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!on || clock != CLOCK_MONOTONIC)
        return __real_clock_gettime(clock, now);
    *now = (struct timespec){now_ns / NS_PER_S, now_ns % NS_PER_S};
    return 0;
}

// Counts a call of epoll_wait(). Returns the timeout in ms for the real call.
// With the virtual clock, it is -1 only if the loop waits without a timer, for
// an event from another thread.
static int real_ms(int ms)
{
    polls += on;
    return on && ms > 0 ? 0 : ms;
}

// Moves the clock by `ms` if the real wait has found no event. Returns `count`.
static int after_wait(int count, int ms)
{
    if (!on || count != 0 || ms <= 0)
        return count;
    sleeps++;
    clock_advance_ms(ms);
    return count;
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int ms);

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int ms)
{
    return after_wait(__real_epoll_wait(epoll, events, max, real_ms(ms)), ms);
}

int __wrap_epoll_pwait(int epoll, struct epoll_event *events, int max, int ms,
                       const sigset_t *mask);

int __wrap_epoll_pwait(int epoll, struct epoll_event *events, int max, int ms,
                       const sigset_t *mask)
{
    return after_wait(__real_epoll_pwait(epoll, events, max, real_ms(ms), mask),
                      ms);
}

// test_schedule.c - tests when requests are due in an open loop.

#include "../client/schedule.h"

#include <math.h>
#include <stdlib.h>

#include "tap.h"

enum { COUNT = 100000, RATE_PER_S = 1000, BEGIN_NS = 12345 };

static void test_constant(void)
{
    struct schedule s;
    int uneven = 0;
    int64_t last_ns = 0;
    schedule_start(&s, 3, 0, false, BEGIN_NS, 0, 1);
    ok(s.due_ns == BEGIN_NS, "the first request is due at once");
    for (int i = 0; i < 4; i++)
        last_ns = schedule_take(&s);
    ok(llabs(last_ns - BEGIN_NS - NS_PER_S) <= 1,
       "at three a second, the fourth request is due after a second");

    schedule_start(&s, RATE_PER_S, 0, false, 0, 0, 1);
    for (int i = 0; i < COUNT; i++)
        uneven += schedule_take(&s) != (int64_t)i * NS_PER_MS;
    ok(uneven == 0,
       "100,000 requests are evenly spaced: rounding errors do not add up");
}

// Checks that three schedules share one stream of requests. Each has every
// third request: none is missing and none comes twice.
static void test_shared(void)
{
    struct schedule shared[3];
    int uneven = 0;
    for (int i = 0; i < 3; i++)
        schedule_start(&shared[i], RATE_PER_S, 0, false, BEGIN_NS, i, 3);
    for (int i = 0; i < COUNT; i++)
        uneven +=
            schedule_take(&shared[i % 3]) != BEGIN_NS + (int64_t)i * NS_PER_MS;
    ok(uneven == 0,
       "three schedules that share a rate give evenly spaced requests");
}

// Checks that the gaps are exponentially distributed. Their mean equals their
// deviation, and a share of 1 - 1/e is shorter than the mean.
static void test_poisson(void)
{
    struct schedule s, again;
    double sum = 0, squares = 0;
    int shorter = 0, different = 0;
    int64_t last_ns = 0;
    schedule_start(&s, RATE_PER_S, 0, true, 0, 0, 1);
    schedule_start(&again, RATE_PER_S, 0, true, 0, 0, 1);
    for (int i = 0; i < COUNT; i++) {
        int64_t due_ns = schedule_take(&s);
        double gap_ms = (double)(due_ns - last_ns) / NS_PER_MS;
        different += due_ns != schedule_take(&again);
        last_ns = due_ns;
        sum += gap_ms;
        squares += gap_ms * gap_ms;
        shorter += gap_ms < 1;
    }
    double mean_ms = sum / COUNT;
    ok(fabs(mean_ms - 1) < 0.02, "Poisson: the mean rate is right");
    ok(fabs(sqrt(squares / COUNT - mean_ms * mean_ms) - 1) < 0.03,
       "Poisson: the standard deviation of the gaps equals their mean");
    ok(fabs((double)shorter / COUNT - 0.632) < 0.01,
       "Poisson: 63 %% of the gaps are shorter than the mean");
    ok(different == 0, "Poisson: every run has the same gaps");
}

// Returns how many requests are due between two times, if the rate starts at
// `rate` and grows by `slope` per second.
static int due_between(double rate, double slope, double from_s, double to_s)
{
    struct schedule s;
    int count = 0;
    schedule_start(&s, rate, slope, false, 0, 0, 1);
    while (s.due_ns < (int64_t)(to_s * NS_PER_S))
        count += schedule_take(&s) >= (int64_t)(from_s * NS_PER_S);
    return count;
}

static void test_ramp(void)
{
    struct schedule one, shared[3];
    int different = 0;
    ok(due_between(100, 20, 0, 10) == 2000,
       "a rate that grows from 100 to 300 a second gives 2000 requests in 10 "
       "s");
    ok(due_between(100, 20, 0, 1) == 110 && due_between(100, 20, 9, 10) == 290,
       "110 of them are due in the first second, and 290 in the last");
    ok(abs(due_between(300, -20, 0, 1) - 290) <= 1 &&
           abs(due_between(300, -20, 9, 10) - 110) <= 1,
       "a rate that falls gives 290 in the first second, and 110 in the last");
    ok(due_between(10, -9, 0, 100) > 5,
       "after the rate has fallen to 0, requests are still due");
    schedule_start(&one, 100, 20, false, BEGIN_NS, 0, 1);
    for (int i = 0; i < 3; i++)
        schedule_start(&shared[i], 100, 20, false, BEGIN_NS, i, 3);
    for (int i = 0; i < 2000; i++)
        different += schedule_take(&one) != schedule_take(&shared[i % 3]);
    ok(different == 0,
       "three schedules that share a ramp have the same due times as one");
}

int main(void)
{
    test_ramp();
    test_constant();
    test_shared();
    test_poisson();
    return done_testing();
}

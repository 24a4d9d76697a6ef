// test_schedule.c - when requests are due in an open loop.

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
    schedule_start(&s, 3, false, BEGIN_NS, 0, 1);
    ok(s.due_ns == BEGIN_NS, "the first is due at once");
    for (int i = 0; i < 4; i++)
        last_ns = schedule_take(&s);
    ok(llabs(last_ns - BEGIN_NS - NS_PER_S) <= 1,
       "the fourth of three a second, after a second");

    schedule_start(&s, RATE_PER_S, false, 0, 0, 1);
    for (int i = 0; i < COUNT; i++)
        uneven += schedule_take(&s) != (int64_t)i * NS_PER_MS;
    ok(uneven == 0, "evenly spaced, and nothing adds up");
}

// Each of three has every third request: none twice, none left out.
static void test_shared(void)
{
    struct schedule shared[3];
    int uneven = 0;
    for (int i = 0; i < 3; i++)
        schedule_start(&shared[i], RATE_PER_S, false, BEGIN_NS, i, 3);
    for (int i = 0; i < COUNT; i++)
        uneven +=
            schedule_take(&shared[i % 3]) != BEGIN_NS + (int64_t)i * NS_PER_MS;
    ok(uneven == 0, "three schedules side by side are one, evenly spaced");
}

// Exponential gaps: mean and deviation are the same, and a share of 1 - 1/e is
// shorter than the mean.
static void test_poisson(void)
{
    struct schedule s, again;
    double sum = 0, squares = 0;
    int shorter = 0, different = 0;
    int64_t last_ns = 0;
    schedule_start(&s, RATE_PER_S, true, 0, 0, 1);
    schedule_start(&again, RATE_PER_S, true, 0, 0, 1);
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
    ok(fabs(mean_ms - 1) < 0.02, "Poisson: the rate on average");
    ok(fabs(sqrt(squares / COUNT - mean_ms * mean_ms) - 1) < 0.03,
       "gaps deviate as much as their mean");
    ok(fabs((double)shorter / COUNT - 0.632) < 0.01,
       "63 %% of the gaps are shorter than it");
    ok(different == 0, "and the same from run to run");
}

int main(void)
{
    test_constant();
    test_shared();
    test_poisson();
    return done_testing();
}

// test_fib.c - tests fib(): the values, and that it is slow on purpose.

#include <time.h>

#include "../fib/fib.h"
#include "tap.h"

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// Returns the CPU time of fib(n) in seconds: the shortest of some calls,
// because other programs on the machine can only make a call longer.
static double cpu_s_of(unsigned n, int calls)
{
    double least_s = 1e9;
    for (int i = 0; i < calls; i++) {
        double begin_s = cpu_s();
        volatile uint64_t value = fib(n);
        (void)value;
        double spent_s = cpu_s() - begin_s;
        least_s = spent_s < least_s ? spent_s : least_s;
    }
    return least_s;
}

int main(void)
{
    ok(fib(1) == 1 && fib(2) == 1, "fib(1) and fib(2) are 1");
    uint64_t previous = 1, value = 1;
    bool sums = true;
    for (unsigned n = 3; n <= 30; n++) {
        uint64_t next = previous + value;
        previous = value;
        value = next;
        sums = sums && fib(n) == value;
    }
    ok(sums, "each value up to fib(30) is the sum of the two before it");
    ok(fib(30) == 832040, "fib(30) is 832040");

    // The ratio should be 1.618^10 = 123. If fib() became fast, N would no
    // longer set the cost of a request.
    double ratio = cpu_s_of(35, 3) / cpu_s_of(25, 30);
    ok(ratio > 20 && ratio < 1000,
       "fib(35) takes about 123 times as long as fib(25)");
    return done_testing();
}

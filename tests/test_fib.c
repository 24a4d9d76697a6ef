// test_fib.c - the work: right values, and slow on purpose.

#include <time.h>

#include "../fib/fib.h"
#include "tap.h"

static double cpu_s_of(unsigned n)
{
    struct timespec begin, end;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    volatile uint64_t value = fib(n);
    (void)value;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return (double)(end.tv_sec - begin.tv_sec) +
           (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
}

int main(void)
{
    ok(fib(1) == 1 && fib(2) == 1, "it begins with 1, 1");
    uint64_t before = 1, value = 1;
    bool sums = true;
    for (unsigned n = 3; n <= 30; n++) {
        uint64_t next = before + value;
        before = value;
        value = next;
        sums = sums && fib(n) == value;
    }
    ok(sums, "each value up to fib(30) is the sum of the two before");
    ok(fib(30) == 832040, "fib(30) is 832040");

    // 1.618^10 is 123. If somebody makes fib() fast, the suite loses its knob.
    double ratio = cpu_s_of(35) / cpu_s_of(25);
    ok(ratio > 20 && ratio < 1000, "ten more cost about 123 times as much");
    return done_testing();
}

// test_histogram.c - tests percentiles by a sort of the same samples.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../client/histogram.h"
#include "tap.h"

enum { SAMPLES = 100000 };

static uint64_t samples[SAMPLES];
static struct histogram histogram;

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// Returns a random number in [0, 1).
static double random_share(void)
{
    return (double)rand() / ((double)RAND_MAX + 1);
}

static uint64_t uniform(void)
{
    return (uint64_t)(random_share() * 1e6);
}

static uint64_t exponential(void)
{
    return (uint64_t)(-log(1 - random_share()) * 50e3);
}

static uint64_t heavy_tail(void)
{
    return (uint64_t)(1000 / pow(1 - random_share(), 2));
}

static uint64_t two_modes(void)
{
    return rand() % 100 < 98 ? 50000 + (uint64_t)(rand() % 1000)
                             : 200000000 + (uint64_t)(rand() % 10000000);
}

static uint64_t constant(void)
{
    return 20000000;
}

static uint64_t any_bits(void)
{
    uint64_t bits =
        (uint64_t)rand() << 33 ^ (uint64_t)rand() << 15 ^ (uint64_t)rand();
    return bits >> (rand() % 64);
}

static void check(const char *name, uint64_t (*draw)(void))
{
    static const double percents[] = {0, 1, 10, 50, 90, 99, 99.9, 99.99, 100};
    double worst = 0, sum = 0;

    histogram = (struct histogram){0};
    for (int i = 0; i < SAMPLES; i++) {
        samples[i] = draw();
        sum += (double)samples[i];
        histogram_add(&histogram, samples[i], 1);
    }
    qsort(samples, SAMPLES, sizeof samples[0], by_value);
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        double rank = ceil(percents[i] * SAMPLES / 100);
        double exact = (double)samples[rank < 1 ? 0 : (int)rank - 1];
        double found = (double)histogram_percentile(&histogram, percents[i]);
        double error = exact > 0 ? fabs(found - exact) / exact : found;
        worst = error > worst ? error : worst;
    }
    ok(worst <= 0.01, "%s: no percentile is more than 1 %% off (%.2f %%)", name,
       worst * 100);
    ok(histogram.count == SAMPLES && histogram.min == samples[0] &&
           histogram.max == samples[SAMPLES - 1],
       "%s: all samples are counted, and minimum and maximum are exact", name);
    ok(fabs(histogram_mean(&histogram) - sum / SAMPLES) <= 1e-9 * sum,
       "%s: the mean is exact", name);
}

// Checks that two histograms, merged, equal one histogram with all samples.
static void test_merge(void)
{
    static struct histogram merged, halves[2];
    histogram = (struct histogram){0};
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t value = (uint64_t)(rand() % 1000000);
        histogram_add(&histogram, value, 1);
        histogram_add(&halves[i % 2], value, 1);
    }
    histogram_merge(&merged, &halves[0]);
    histogram_merge(&merged, &halves[1]);
    histogram_merge(&merged, &(struct histogram){0});
    ok(merged.count == histogram.count && merged.min == histogram.min &&
           merged.max == histogram.max &&
           histogram_mean(&merged) == histogram_mean(&histogram) &&
           memcmp(merged.buckets, histogram.buckets, sizeof merged.buckets) ==
               0,
       "two merged histograms equal one with all samples");
}

// Checks that adding a value seven times at once equals seven calls, and that a
// histogram can be subtracted from a later one.
static void test_many_at_once(void)
{
    static struct histogram later, earlier;
    histogram = (struct histogram){0};
    for (int i = 0; i < 7; i++)
        histogram_add(&histogram, 5000, 1);
    histogram_add(&later, 5000, 7);
    ok(later.count == 7 && later.sum == histogram.sum &&
           memcmp(later.buckets, histogram.buckets, sizeof later.buckets) == 0,
       "adding a value seven times at once equals seven calls");
    earlier = later;
    histogram_add(&later, 9, 3);
    histogram_subtract(&later, &earlier);
    ok(later.count == 3 && later.sum == 27 &&
           histogram_percentile(&later, 50) == 9,
       "subtracting an earlier histogram leaves what was added since then");
}

static void test_empty(void)
{
    ok(histogram_percentile(&histogram, 50) == 0 &&
           histogram_mean(&histogram) == 0 &&
           histogram_deviation(&histogram) == 0,
       "an empty histogram has percentile, mean and deviation 0");
}

static void test_distributions(void)
{
    check("uniform", uniform);
    check("exponential", exponential);
    check("heavy tail", heavy_tail);
    check("two modes", two_modes);
    check("constant", constant);
    check("any 64 bits", any_bits);
}

// Checks the values below 256, each of which has a bucket of its own.
static void test_small_values(void)
{
    histogram = (struct histogram){0};
    for (uint64_t value = 0; value < 256; value++)
        histogram_add(&histogram, value, 1);
    bool exact = true;
    for (uint64_t value = 0; value < 256; value++)
        exact = exact && histogram_percentile(&histogram, (double)(value + 1) /
                                                              2.56) == value;
    ok(exact, "the percentiles of small values are exact");
    ok(histogram_count_to(&histogram, 99) == 100 &&
           histogram_count_to(&histogram, UINT64_MAX) == 256,
       "the number of values up to a limit is exact");
    // The deviation of the numbers 0 to n - 1 is sqrt((n * n - 1) / 12).
    ok(fabs(histogram_deviation(&histogram) - sqrt(65535 / 12.0)) < 1e-6,
       "the standard deviation of small values is exact");
}

static void test_buckets(void)
{
    histogram = (struct histogram){0};
    bool found = true;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        histogram_add(&histogram, histogram_lowest(i), 1);
        found = found && histogram.buckets[i] == 1;
    }
    ok(found, "the smallest value of each bucket is counted in this bucket");
    histogram_make_exact(&histogram, 3, 4, 7168);
    ok(histogram_percentile(&histogram, 100) == 4 &&
           histogram_mean(&histogram) * HISTOGRAM_BUCKETS == 7168,
       "exact values of minimum, maximum and sum can be set");
}

static void test_range(void)
{
    histogram = (struct histogram){0};
    histogram_add(&histogram, 0, 1);
    histogram_add(&histogram, UINT64_MAX, 1);
    ok(histogram_percentile(&histogram, 50) == 0 &&
           histogram_percentile(&histogram, 100) == UINT64_MAX,
       "a histogram can hold 0 and 2^64 - 1");
}

int main(void)
{
    srand(1);
    test_empty();
    test_distributions();
    test_merge();
    test_many_at_once();
    test_small_values();
    test_buckets();
    test_range();
    return done_testing();
}

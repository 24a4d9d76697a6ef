// histogram.h - how often each value occurred, to within 1 %.
//
// Buckets are linear up to 128 and then 128 per power of two, so that a bucket
// is never wider than 1/128 of its values: one table serves nanoseconds and
// hours, and no sample is too large to be counted. The idea is that of
// HdrHistogram (Gil Tene).

#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 7,
    HISTOGRAM_SUB_COUNT = 1 << HISTOGRAM_SUB_BITS,
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB_COUNT,
};

// All zero when empty. Fields are read-only outside histogram.c.
struct histogram {
    uint64_t count;
    uint64_t min, max;  // exact; meaningless when count is 0
    double sum;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

// Counts one value. Takes about 2 ns.
void histogram_add(struct histogram *h, uint64_t value);

// Counts all values of `from` as well.
void histogram_merge(struct histogram *h, const struct histogram *from);

// The smallest value that at least `percent` % of the samples do not exceed:
// the middle of its bucket, so at most 0.4 % off, and never outside [min, max].
// 0 when empty.
uint64_t histogram_percentile(const struct histogram *h, double percent);

// How many samples do not exceed `value`, as far as buckets tell: those in the
// bucket of `value` are among them.
uint64_t histogram_count_to(const struct histogram *h, uint64_t value);

// The exact mean, and the standard deviation, at most 1 % off; 0 when empty.
double histogram_mean(const struct histogram *h);
double histogram_deviation(const struct histogram *h);

#endif

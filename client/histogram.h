// histogram.h - how often each value occurred, to within 1 %.
//
// Buckets are linear up to 128 and then 128 per power of two, so that a bucket
// is never wider than 1/128 of its values: one table serves nanoseconds and
// hours, and no sample is too large to be counted. The idea is that of
// HdrHistogram (Gil Tene). One thread may add samples while others merge the
// histogram; these may miss the newest samples. Nothing here blocks or fails.

#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

// Read and write a count that one thread writes while others read it. A relaxed
// atomic access costs no more than a plain one.
#define COUNT_READ(value) __atomic_load_n(&(value), __ATOMIC_RELAXED)
#define COUNT_WRITE(value, new)                                                \
    __atomic_store_n(&(value), (new), __ATOMIC_RELAXED)

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

// Counts `count` samples of the same value. Takes about 2 ns.
void histogram_add(struct histogram *h, uint64_t value, uint64_t count);

// Returns the smallest value that is counted in a bucket.
uint64_t histogram_lowest(unsigned bucket);

// Sets the exact extremes and sum of a histogram that was made from its
// buckets, unless it is empty.
void histogram_make_exact(struct histogram *h, uint64_t min, uint64_t max,
                          double sum);

// Adds all samples of `from` to `h`.
void histogram_merge(struct histogram *h, const struct histogram *from);

// Removes the samples of `earlier`, a copy that was made of `h` before. `min`
// and `max` stay as they are.
void histogram_subtract(struct histogram *h, const struct histogram *earlier);

// Returns the smallest value that at least `percent` % of the samples do not
// exceed: the middle of its bucket, so at most 0.4 % off, and never outside
// [min, max]. 0 when empty.
uint64_t histogram_percentile(const struct histogram *h, double percent);

// Returns how many samples do not exceed `value`. All samples in the bucket of
// `value` count as if they did not.
uint64_t histogram_count_to(const struct histogram *h, uint64_t value);

// Return the exact mean, and the standard deviation, at most 1 % off. 0 when
// empty.
double histogram_mean(const struct histogram *h);
double histogram_deviation(const struct histogram *h);

#endif

// histogram.c - how often each value occurred, to within 1 %.

#include "histogram.h"

#include <math.h>

// Returns the bucket of a value. Its highest bit chooses a group of buckets,
// and the seven bits below the bucket in the group. Values below 128 have a
// bucket each.
static unsigned bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_SUB_COUNT)
        return (unsigned)value;
    unsigned shift = 63 - HISTOGRAM_SUB_BITS - (unsigned)__builtin_clzll(value);
    return shift * HISTOGRAM_SUB_COUNT + (unsigned)(value >> shift);
}

// Returns the binary logarithm of how many values a bucket has.
static unsigned shift_of(unsigned bucket)
{
    return bucket < HISTOGRAM_SUB_COUNT ? 0 : bucket / HISTOGRAM_SUB_COUNT - 1;
}

uint64_t histogram_lowest(unsigned bucket)
{
    unsigned shift = shift_of(bucket);
    return (uint64_t)(bucket - shift * HISTOGRAM_SUB_COUNT) << shift;
}

static uint64_t middle_of(unsigned bucket)
{
    return histogram_lowest(bucket) + ((uint64_t)1 << shift_of(bucket)) / 2;
}

void histogram_add(struct histogram *h, uint64_t value, uint64_t count)
{
    uint64_t *bucket = &h->buckets[bucket_of(value)];
    double sum = h->sum + (double)value * (double)count;
    if (h->count == 0 || value < h->min)
        COUNT_WRITE(h->min, value);
    if (value > h->max)
        COUNT_WRITE(h->max, value);
    __atomic_store(&h->sum, &sum, __ATOMIC_RELAXED);
    COUNT_WRITE(*bucket, *bucket + count);
    COUNT_WRITE(h->count, h->count + count);
}

void histogram_make_exact(struct histogram *h, uint64_t min, uint64_t max,
                          double sum)
{
    if (h->count == 0)
        return;
    h->min = min;
    h->max = max;
    h->sum = sum;
}

// `h->count` grows by what the buckets have, not by `from->count`: another
// thread may be adding samples.
void histogram_merge(struct histogram *h, const struct histogram *from)
{
    uint64_t min = COUNT_READ(from->min), max = COUNT_READ(from->max);
    double sum;
    if (COUNT_READ(from->count) == 0)
        return;
    if (h->count == 0 || min < h->min)
        h->min = min;
    if (max > h->max)
        h->max = max;
    __atomic_load(&from->sum, &sum, __ATOMIC_RELAXED);
    h->sum += sum;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t count = COUNT_READ(from->buckets[i]);
        h->buckets[i] += count;
        h->count += count;
    }
}

void histogram_subtract(struct histogram *h, const struct histogram *earlier)
{
    h->count -= earlier->count;
    h->sum -= earlier->sum;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->buckets[i] -= earlier->buckets[i];
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    double exact_rank = percent * (double)h->count / 100;
    uint64_t rank = (uint64_t)exact_rank;
    if ((double)rank < exact_rank || rank == 0)
        rank++;
    if (rank >= h->count)
        return h->count > 0 ? h->max : 0;

    uint64_t seen = 0;
    unsigned bucket = 0;
    while ((seen += h->buckets[bucket]) < rank)
        bucket++;
    uint64_t value = middle_of(bucket);
    if (value < h->min)
        return h->min;
    return value < h->max ? value : h->max;
}

uint64_t histogram_count_to(const struct histogram *h, uint64_t value)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i <= bucket_of(value); i++)
        seen += h->buckets[i];
    return seen;
}

double histogram_mean(const struct histogram *h)
{
    return h->count > 0 ? h->sum / (double)h->count : 0;
}

double histogram_deviation(const struct histogram *h)
{
    double mean = histogram_mean(h), sum_of_squares = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (h->buckets[i] > 0) {
            double off = (double)middle_of(i) - mean;
            sum_of_squares += (double)h->buckets[i] * off * off;
        }
    return h->count > 0 ? sqrt(sum_of_squares / (double)h->count) : 0;
}

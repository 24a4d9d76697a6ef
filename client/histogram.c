// histogram.c - how often each value occurred, to within 1 %.

#include "histogram.h"

#include <math.h>

// The highest bit chooses a group of buckets, the seven bits below it the
// bucket. Values below 128 have a bucket each.
static unsigned bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_SUB_COUNT)
        return (unsigned)value;
    unsigned shift = 63 - HISTOGRAM_SUB_BITS - (unsigned)__builtin_clzll(value);
    return shift * HISTOGRAM_SUB_COUNT + (unsigned)(value >> shift);
}

static uint64_t middle_of(unsigned bucket)
{
    if (bucket < 2 * HISTOGRAM_SUB_COUNT)
        return bucket;  // One value, exactly.
    unsigned shift = bucket / HISTOGRAM_SUB_COUNT - 1;
    uint64_t lowest = (uint64_t)(bucket - shift * HISTOGRAM_SUB_COUNT) << shift;
    return lowest + ((uint64_t)1 << shift) / 2;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    if (h->count == 0 || value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
    h->count++;
    h->sum += (double)value;
    h->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
    if (from->count == 0)
        return;
    if (h->count == 0 || from->min < h->min)
        h->min = from->min;
    if (from->max > h->max)
        h->max = from->max;
    h->count += from->count;
    h->sum += from->sum;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->buckets[i] += from->buckets[i];
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    double wanted = percent * (double)h->count / 100;
    uint64_t rank = (uint64_t)wanted;
    if ((double)rank < wanted || rank == 0)
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

double histogram_deviation(const struct histogram *h)
{
    double mean = histogram_mean(h), squares = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (h->buckets[i] > 0) {
            double off = (double)middle_of(i) - mean;
            squares += (double)h->buckets[i] * off * off;
        }
    return h->count > 0 ? sqrt(squares / (double)h->count) : 0;
}

double histogram_mean(const struct histogram *h)
{
    return h->count > 0 ? h->sum / (double)h->count : 0;
}

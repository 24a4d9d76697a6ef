// percentiles.c - a whole distribution of latencies, as other tools read it.

#include "percentiles.h"

#include <inttypes.h>

#include "clock.h"

// Lines until the distance to 100 % is halved: 50, 75, 87.5, ...
enum { LINES_PER_HALF = 5 };

static double ms(double ns)
{
    return ns / CLOCK_NS_PER_MS;
}

static void print_lines(FILE *file, const struct histogram *h)
{
    double share = 0, half = 0.5;
    uint64_t value = histogram_percentile(h, 0);
    for (int i = 0; histogram_count_to(h, value) < h->count; i++) {
        fprintf(file, "%12.6f %2.12f %10" PRIu64 " %14.2f\n", ms((double)value),
                share, histogram_count_to(h, value), 1 / (1 - share));
        if (i > 0 && i % LINES_PER_HALF == 0)
            half /= 2;
        share += half / LINES_PER_HALF;
        value = histogram_percentile(h, share * 100);
    }
    fprintf(file, "%12.6f %2.12f %10" PRIu64 "\n", ms((double)h->max), 1.0,
            h->count);
}

void percentiles_print(FILE *file, const struct histogram *h)
{
    fprintf(file, "%12s %14s %10s %14s\n\n", "Value", "Percentile",
            "TotalCount", "1/(1-Percentile)");
    print_lines(file, h);
    fprintf(file, "#[Mean    = %12.6f, StdDeviation   = %12.6f]\n",
            ms(histogram_mean(h)), ms(histogram_deviation(h)));
    fprintf(file, "#[Max     = %12.6f, Total count    = %12" PRIu64 "]\n",
            ms((double)h->max), h->count);
    fprintf(file, "#[Buckets = %12d, SubBuckets     = %12d]\n",
            HISTOGRAM_BUCKETS / HISTOGRAM_SUB_COUNT, HISTOGRAM_SUB_COUNT);
}

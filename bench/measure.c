// measure.c - functions that the programs of this folder use to measure.

#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const double LONG_ENOUGH_S = 0.1;

double measure_cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double measure_ns(void (*batch)(void *arg), void *arg, size_t count)
{
    batch(arg);
    double start_s = measure_cpu_s(), spent_s = 0;
    size_t batches = 0;
    for (; spent_s < LONG_ENOUGH_S; batches++) {
        batch(arg);
        spent_s = measure_cpu_s() - start_s;
    }
    return spent_s * 1e9 / (double)(batches * count);
}

void measure_print(const char *name, double value, const char *unit)
{
    printf("%s %.6g %s\n", name, value, unit);
}

size_t measure_argument(int argc, char **argv, int at)
{
    unsigned long value = at < argc ? strtoul(argv[at], NULL, 10) : 0;
    if (value > 0)
        return value;
    fprintf(stderr, "%s: argument %d must be at least 1\n", argv[0], at);
    exit(2);
}

void measure_failed(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

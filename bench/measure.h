// measure.h - what the programs of this folder need to measure something.
//
// Each of them measures one thing in one way, prints lines "name value unit",
// and leaves comparing to scripts/bench/. Times are CPU times: what other
// programs do meanwhile counts for less. To be run on one core (taskset(1)), as
// waking a thread on another one takes far longer.

#ifndef MEASURE_H
#define MEASURE_H

#include <stddef.h>

// The CPU time that this process has used, in its threads and in the kernel.
double measure_cpu_s(void);

// Calls batch(arg) for about a tenth of a second of CPU time, after one call
// that warms up. Returns the ns that each of the `count` operations in a batch
// has cost; a batch should take at least 10 us.
double measure_ns(void (*batch)(void *arg), void *arg, size_t count);

void measure_print(const char *name, double value, const char *unit);

// argv[at] as a number from 1. Exits if there is none.
size_t measure_argument(int argc, char **argv, int at);

// Exits, saying that `what` failed, and why (errno).
_Noreturn void measure_failed(const char *what);

#endif

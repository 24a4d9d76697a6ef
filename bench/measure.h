// measure.h - functions that the programs of this folder use to measure.
//
// Each program measures one operation, and prints lines of the form "name value
// unit". scripts/bench/ runs and compares the programs. Times are CPU times, on
// which other processes of the machine have less influence than on real times.
// Run a program on one core (taskset(1)): waking a thread on another core takes
// far longer. No function here blocks, unless batch() does.

#ifndef MEASURE_H
#define MEASURE_H

#include <stddef.h>

// Returns the CPU time that all threads of this process have used, in the
// kernel, too.
double measure_cpu_s(void);

// Calls batch(arg) once to warm up, and then again until it has used a tenth of
// a second of CPU time. Returns the CPU time of an operation in ns. A batch has
// `count` operations, and should take at least 10 us.
double measure_ns(void (*batch)(void *arg), void *arg, size_t count);

// Prints one line: name, value and unit.
void measure_print(const char *name, double value, const char *unit);

// Returns the number in argv[at], which must be at least 1. Otherwise prints an
// error and exits with status 2.
size_t measure_argument(int argc, char **argv, int at);

// Prints that `what` failed, with the reason in errno, and exits with status 1.
_Noreturn void measure_failed(const char *what);

#endif

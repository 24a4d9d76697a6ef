// fib.h - the work that clients ask the servers to do.

#ifndef FIB_H
#define FIB_H

#include <stdint.h>

enum { FIB_N_MAX = 93 };  // fib(94) no longer fits in 64 bits.

// Returns the n-th Fibonacci number: fib(1) = fib(2) = 1. Requires n <=
// FIB_N_MAX. Never blocks, but the time to compute is exponential in n: fib(n +
// 1) takes about 1.6 times as long as fib(n).
uint64_t fib(unsigned n);

#endif

// fuzz.h - what all fuzz targets share.
//
// A target is one function that is given bytes, and aborts when the code under
// test does not do with them what it promises. libFuzzer makes up the bytes
// (make fuzz); replay.c takes those that were worth keeping from corpus/, with
// any compiler.

#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

// Returns how many random inputs replay.c should try. A target that wants none
// does not define it.
int fuzz_random_count(void);

// What must hold. Not assert(), which may be switched off.
#define MUST(condition) must((condition), __FILE__, __LINE__, #condition)

static inline void must(bool holds, const char *file, int line,
                        const char *condition)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
    abort();
}

// How TCP may cut a stream: pieces of 1 to 2^(seed % 8) bytes at random.
struct cutter {
    uint32_t state;
    unsigned size_max;
};

static inline struct cutter cutter_make(uint8_t seed)
{
    return (struct cutter){seed * 2654435761U + 1, 1U << seed % 8};
}

// Returns the size of the next piece (xorshift, see G. Marsaglia 2003).
static inline size_t cutter_next(struct cutter *c)
{
    c->state ^= c->state << 13;
    c->state ^= c->state >> 17;
    c->state ^= c->state << 5;
    return c->state % c->size_max + 1;
}

#endif

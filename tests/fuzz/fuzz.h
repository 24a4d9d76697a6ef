// fuzz.h - what all fuzz targets share.
//
// A target is one function that gets an input of bytes. It aborts if the code
// under test breaks a promise for that input. libFuzzer makes up inputs (`make
// fuzz`). replay.c takes the interesting ones from corpus/, and works with any
// compiler.

#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

// Returns how many random inputs replay.c must try, by default 0. A target may
// define it.
int fuzz_random_count(void);

// Aborts if the condition is false. assert() can be switched off; this cannot.
#define MUST(condition) must((condition), __FILE__, __LINE__, #condition)

static inline void must(bool holds, const char *file, int line,
                        const char *condition)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
    abort();
}

// A generator of random piece sizes, as TCP may cut a stream: 1 to 2^(seed % 8)
// bytes.
struct cutter {
    uint32_t state;
    unsigned size_max;
};

static inline struct cutter cutter_make(uint8_t seed)
{
    return (struct cutter){seed * 2654435761U + 1, 1U << seed % 8};
}

// Returns the size of the next piece. Uses xorshift (G. Marsaglia, 2003).
static inline size_t cutter_next(struct cutter *c)
{
    c->state ^= c->state << 13;
    c->state ^= c->state >> 17;
    c->state ^= c->state << 5;
    return c->state % c->size_max + 1;
}

#endif

// co_cache.h - what the runtime does for the processor's cache.
//
// No function here blocks or fails.

#ifndef CO_CACHE_H
#define CO_CACHE_H

#include <string.h>

#include "co_internal.h"

enum { CO_CACHE_LINE = 64 };

// LESSON colouring: the low bits of an address choose its line of the cache. If
// all coroutines started at the same offset of their stacks, their first frames
// would compete for the same few lines. So each coroutine starts 0 to 15 cache
// lines below the top of its stack. A hash of the stack's address chooses how
// many: Fibonacci hashing (Knuth, volume 3, 6.4), which spreads regularly
// spaced addresses evenly, and needs no division.
static inline size_t co_cache_colour(const char *stack)
{
    enum { PAGE_BITS = 12, HASH_BITS = 32, COLOUR_BITS = 4 };
    uint32_t page = (uint32_t)((uintptr_t)stack >> PAGE_BITS);
    size_t colour = page * 0x9e3779b9U >> (HASH_BITS - COLOUR_BITS);
    return colour * CO_CACHE_LINE;
}

// Returns the address for the struct of a coroutine: near the top of `stack`,
// at the beginning of a cache line. It is the same for all coroutines that use
// this stack one after the other.
static inline struct co *co_cache_place(char *stack, size_t size)
{
    size_t top = size - sizeof(struct co) - co_cache_colour(stack);
    return (struct co *)(void *)(stack + top - top % CO_CACHE_LINE);
}

// Zeroes the struct of a coroutine, one cache line at a time. For a single
// memset(), compilers choose an instruction (rep stos) that takes longer than
// creating, running and freeing a short coroutine.
static inline void co_cache_clear(struct co *c)
{
    for (size_t at = 0; at < sizeof(struct co); at += CO_CACHE_LINE)
        memset((char *)c + at, 0, CO_CACHE_LINE);
}

// LESSON prefetch: with thousands of clients, the stack of a coroutine is no
// longer in the cache when its turn comes. So one turn earlier, just before `c`
// runs, this function tells the processor to fetch the first lines of the next
// stack. The struct that contains its address was fetched one more turn
// earlier, by the last call below.
static inline void co_cache_prefetch_after(const struct co *c)
{
    enum { LINES = 8, FOR_WRITING = 1 };
    const struct co *next = c->next;
    if (next == NULL)
        return;
    for (size_t i = 0; i < LINES; i++)
        __builtin_prefetch((const char *)next->sp + i * CO_CACHE_LINE,
                           FOR_WRITING);
    if (next->next != NULL)
        __builtin_prefetch(next->next);
}

#endif

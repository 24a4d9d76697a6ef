// switch_co.c - measures how long it takes to resume a coroutine that yields.
//
//     switch_co COUNT DEPTH ORDER
//
// The program resumes COUNT coroutines, one after the other, again and again.
// Each yields from DEPTH nested calls. If ORDER is 1, they are resumed in the
// order in which they were created. If ORDER is 2, the order is shuffled. With
// many coroutines, the time depends on the cache, because each coroutine uses
// cache lines of its own.

#include <stdlib.h>

#include "../servers/coro/co.h"
#include "measure.h"

enum { RESUMES_AT_LEAST = 10000, SHUFFLED = 2 };

static struct co **all;
static size_t count, rounds;

// Yields from `depth` nested calls. A processor remembers the addresses of the
// last calls, and predicts from them where the next returns go. After a change
// of stacks, these predictions are wrong: one for each nested call that
// returns.
__attribute__((noinline)) static void yield_at(size_t depth)
{
    if (depth == 1)
        co_yield_value(NULL);
    else
        yield_at(depth - 1);
    __asm__ volatile("");  // Keeps the compiler from making a tail call.
}

static void *yield_without_end(void *depth)
{
    for (;;)
        if ((size_t)depth == 1)
            co_yield_value(NULL);
        else
            yield_at((size_t)depth - 1);
    return NULL;
}

static void resume_all(void *arg)
{
    (void)arg;
    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < count; i++)
            co_resume(all[i], NULL);
}

static void shuffle(void)
{
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = (size_t)random() % (i + 1);
        struct co *other = all[j];
        all[j] = all[i];
        all[i] = other;
    }
}

int main(int argc, char **argv)
{
    count = measure_argument(argc, argv, 1);
    size_t depth = measure_argument(argc, argv, 2);
    rounds = RESUMES_AT_LEAST / count + 1;
    all = calloc(count, sizeof(struct co *));
    for (size_t i = 0; all != NULL && i < count; i++)
        if ((all[i] = co_new(yield_without_end, (void *)depth)) == NULL)
            measure_failed("co_new");
    if (all == NULL)
        measure_failed("calloc");
    if (measure_argument(argc, argv, 3) == SHUFFLED)
        shuffle();
    measure_print("switch", measure_ns(resume_all, NULL, rounds * count), "ns");
}

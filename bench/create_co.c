// create_co.c - what it costs to create a coroutine, run it, and free it.
//
//     create_co COUNT
//
// COUNT at a time. One: its stack comes from the pool, and is still in the
// cache ("warm"). More than the pool keeps warm: each stack is mapped, gets its
// guard page, is touched for the first time, and in the end unmapped ("cold").

#include <stdlib.h>

#include "../servers/coro/co.h"
#include "measure.h"

enum { LIVES_AT_LEAST = 10000 };

static struct co **all;
static size_t count, rounds;

static void *do_nothing(void *arg)
{
    return arg;
}

static void live_once(void *arg)
{
    (void)arg;
    for (size_t round = 0; round < rounds; round++) {
        struct co *c = co_new(do_nothing, NULL);
        co_resume(c, NULL);
        co_free(c);
    }
}

static void live_all(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < count; i++) {
        if ((all[i] = co_new(do_nothing, NULL)) == NULL)
            measure_failed("co_new");
        co_resume(all[i], NULL);
    }
    for (size_t i = 0; i < count; i++)
        co_free(all[i]);
    co_release_stacks();
}

int main(int argc, char **argv)
{
    count = measure_argument(argc, argv, 1);
    rounds = count == 1 ? LIVES_AT_LEAST : 1;
    all = calloc(count, sizeof(struct co *));
    if (all == NULL)
        measure_failed("calloc");
    measure_print(
        "create",
        measure_ns(count == 1 ? live_once : live_all, NULL, rounds * count),
        "ns");
}

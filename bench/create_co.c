// create_co.c - measures how long it takes to create, run and free a coroutine.
//
//     create_co COUNT
//
// COUNT coroutines exist at a time. If COUNT is 1, each uses the same stack,
// which is still in the cache ("warm"). If COUNT is more than the pool of
// stacks keeps, each stack is mapped, gets its guard page, is touched for the
// first time, and is unmapped at the end ("cold").

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

// switch_ucontext.c - measures how long a swapcontext() of the C library takes.
//
//     switch_ucontext COUNT
//
// For comparison with switch_co.c. main() switches to each of COUNT contexts,
// in the order in which they were created, and each switches back.
// swapcontext() also saves the signal mask, by a system call.

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "measure.h"

enum { STACK_SIZE = 16 * 1024, SWAPS_AT_LEAST = 1000 };

static ucontext_t home, *all;
static size_t count, rounds, current;

static void swap_without_end(void)
{
    for (;;)
        swapcontext(&all[current], &home);
}

static void swap_all(void *arg)
{
    (void)arg;
    for (size_t round = 0; round < rounds; round++)
        for (current = 0; current < count; current++)
            swapcontext(&home, &all[current]);
}

int main(int argc, char **argv)
{
    count = measure_argument(argc, argv, 1);
    rounds = SWAPS_AT_LEAST / count + 1;
    all = calloc(count, sizeof *all);
    char *stacks =
        mmap(NULL, count * STACK_SIZE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (all == NULL || stacks == MAP_FAILED)
        measure_failed("mmap");
    for (size_t i = 0; i < count; i++) {
        getcontext(&all[i]);
        all[i].uc_stack.ss_sp = stacks + i * STACK_SIZE;
        all[i].uc_stack.ss_size = STACK_SIZE;
        makecontext(&all[i], swap_without_end, 0);
    }
    measure_print("switch", measure_ns(swap_all, NULL, rounds * count), "ns");
}

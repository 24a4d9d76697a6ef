// offload.c - a long computation, while other coroutines run.
//
// Coroutines share one thread. They help to wait for many events at once, not
// to compute faster. While a coroutine computes fib(39), no other one runs.
// With co_offload(), another thread computes it instead. A second coroutine
// prints a dot every 10 ms; brackets mark the start and the end of the
// computation.
//
//     make examples && bin/examples/offload [N]
//
// Try it: start four computations at once. How many cores do they use? The
// program prints, with more or fewer dots:
//
//     computed here:      . . . [ 63245986 ] . . .
//     in another thread:  . . . [ . . . . . . . . . 63245986 ] . . .

#include <inttypes.h>
#include <stdio.h>

#include "../co.h"
#include "argument.h"

struct task {
    int n;
    uint64_t result;
};

static uint64_t fib(int n)
{
    return n <= 2 ? 1 : fib(n - 1) + fib(n - 2);
}

static void compute(void *arg)
{
    struct task *t = arg;
    t->result = fib(t->n);
}

static void compute_elsewhere(void *arg)
{
    // `arg` may be on this stack: co_offload() returns only after compute().
    co_offload(compute, arg);
}

// Prints at once. printf() to an unbuffered stream would, too, but needs 8 KB
// of stack.
static void show(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

// Prints a dot every 10 ms, until it is cancelled.
static int print_dots(void *arg)
{
    (void)arg;
    while (co_sleep(10) == 0)
        show(". ");
    return 0;
}

static void compute_beside_dots(void (*run)(void *arg), int n)
{
    struct task t = {.n = n};
    struct co_group dots = {0};
    co_group_go(&dots, print_dots, NULL);
    co_sleep(35);
    show("[ ");
    run(&t);
    printf("%" PRIu64 " ] ", t.result);
    co_sleep(35);
    co_group_cancel(&dots);
    co_group_join(&dots);
    show("\n");
}

static void compare(void *arg)
{
    int n = *(int *)arg;
    show("computed here:      ");
    compute_beside_dots(compute, n);
    show("in another thread:  ");
    compute_beside_dots(compute_elsewhere, n);
}

int main(int argc, char **argv)
{
    (void)argc;
    int n = parse_argument(argv, "N", 39, 1, 93);
    co_go(compare, &n);
    return co_run();
}

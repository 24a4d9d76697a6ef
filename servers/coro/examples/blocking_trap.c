// blocking_trap.c - one call that blocks the thread, and every coroutine stops.
//
// Three coroutines print their numbers every 100 ms. A fourth sleeps for 500
// ms, first with co_sleep(), then with nanosleep(). In the output, brackets
// mark the start and the end of this sleep.
//
//     make examples && bin/examples/blocking_trap [TICK_MS]
//
// The kernel does not know that this thread runs several coroutines, so
// nanosleep() stops all of them. So do getaddrinfo(), reading a file from a
// slow disk, and most database libraries. offload.c shows a remedy. If the
// machine is not too busy, the program prints:
//
//     co_sleep():  1 2 3 [ 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 ] 1 2 3
//     nanosleep(): 1 2 3 [ ] 1 2 3 1 2 3

#include <stdio.h>
#include <time.h>

#include "../co.h"
#include "argument.h"

static int tick_ms = 100;

// Prints at once. printf() to an unbuffered stream would, too, but needs 8 KB
// of stack.
static void show(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

// Prints its number every `tick_ms` milliseconds, until it is cancelled.
static int tick(void *arg)
{
    while (co_sleep(tick_ms) == 0)
        show(arg);
    return 0;
}

static int block_thread(int ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    return nanosleep(&time, NULL);
}

static void sleep_among_others(int (*sleep_ms)(int ms))
{
    char names[][3] = {"1 ", "2 ", "3 "};
    struct co_group tickers = {0};
    for (int i = 0; i < 3; i++)
        co_group_go(&tickers, tick, names[i]);

    co_sleep(tick_ms * 3 / 2);
    show("[ ");
    sleep_ms(tick_ms * 5);
    show("] ");
    co_sleep(tick_ms);

    co_group_cancel(&tickers);
    co_group_join(&tickers);
    show("\n");
}

static void compare(void *arg)
{
    (void)arg;
    show("co_sleep():  ");
    sleep_among_others(co_sleep);
    show("nanosleep(): ");
    sleep_among_others(block_thread);
}

int main(int argc, char **argv)
{
    (void)argc;
    tick_ms = parse_argument(argv, "TICK_MS", tick_ms, 1, 10000);
    co_go(compare, NULL);
    return co_run();
}

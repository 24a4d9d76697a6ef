// gdb_backtrace.c - a program with a coroutine, for gdb_backtrace.py to debug.

#include <stddef.h>

#include "../servers/coro/co.h"

static struct co *generator;
// Changed after each call, so that the compiler does not make the call a jump.
static volatile int turns;

__attribute__((noinline)) static void bottom(void)
{
    co_yield_value(NULL);
    turns++;
}

__attribute__((noinline)) static void middle(void)
{
    bottom();
    turns++;
}

static void *generate(void *arg)
{
    for (;;)
        middle();
    return arg;
}

__attribute__((noinline)) static void resume(void)
{
    co_resume(generator, NULL);
    turns++;
}

int main(void)
{
    generator = co_new(generate, NULL);
    for (int i = 0; i < 3; i++)
        resume();
    co_free(generator);
    return 0;
}

// switch_pthread.c - measures how long it takes two threads to wake each other.
//
//     switch_pthread
//
// For comparison with switch_co.c. The threads call futex(2) themselves:
// mutexes and condition variables use it, too, and take longer.

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "measure.h"

enum { PAIRS = 1000 };

static atomic_int turn;  // The thread that may run: 0: main(); 1: the other.

static void futex(int op, int value)
{
    syscall(SYS_futex, &turn, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

// Wakes thread number `next`, and blocks until it has passed the turn back.
static void pass_turn_to(int next)
{
    atomic_store(&turn, next);
    futex(FUTEX_WAKE, 1);
    while (atomic_load(&turn) == next)
        futex(FUTEX_WAIT, next);
}

static void *pass_back_without_end(void *arg)
{
    while (atomic_load(&turn) == 0)
        futex(FUTEX_WAIT, 0);
    for (;;)
        pass_turn_to(0);
    return arg;
}

static void pass_turns(void *arg)
{
    (void)arg;
    for (int i = 0; i < PAIRS; i++)
        pass_turn_to(1);
}

int main(void)
{
    pthread_t other;
    if (pthread_create(&other, NULL, pass_back_without_end, NULL) != 0)
        measure_failed("pthread_create");
    measure_print("switch", measure_ns(pass_turns, NULL, PAIRS), "ns");
}

// switch_pthread.c - switch_co.c, with two threads that wake each other.
//
//     switch_pthread
//
// They use the futex itself, as mutexes and conditions only add to it.

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "measure.h"

enum { PAIRS = 1000 };

static atomic_int turn;  // Whose it is: 0 main(), 1 the other thread.

static void futex(int op, int value)
{
    syscall(SYS_futex, &turn, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void pass_turn_to(int whom)
{
    atomic_store(&turn, whom);
    futex(FUTEX_WAKE, 1);
    while (atomic_load(&turn) == whom)
        futex(FUTEX_WAIT, whom);
}

static void *answer_for_ever(void *arg)
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
    if (pthread_create(&other, NULL, answer_for_ever, NULL) != 0)
        measure_failed("pthread_create");
    measure_print("switch", measure_ns(pass_turns, NULL, PAIRS), "ns");
}

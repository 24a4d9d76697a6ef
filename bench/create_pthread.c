// create_pthread.c - measures the same as create_co.c 1, for threads.
//
//     create_pthread
//
// One thread exists at a time. The C library keeps a pool of stacks, too.

#include <pthread.h>
#include <stddef.h>

#include "measure.h"

enum { LIVES = 100 };

static void *do_nothing(void *arg)
{
    return arg;
}

static void live(void *arg)
{
    pthread_t thread;
    for (int i = 0; i < LIVES; i++) {
        if (pthread_create(&thread, NULL, do_nothing, arg) != 0)
            measure_failed("pthread_create");
        pthread_join(thread, NULL);
    }
}

int main(void)
{
    measure_print("create", measure_ns(live, NULL, LIVES), "ns");
}

// threads.c - what servers with a thread per client have in common.

#include "threads.h"

#include <errno.h>
#include <stddef.h>

pthread_attr_t threads_attributes;

int threads_set_stack(int kib)
{
    errno = pthread_attr_init(&threads_attributes);
    if (errno == 0)
        errno =
            pthread_attr_setstacksize(&threads_attributes, (size_t)kib * 1024);
    return errno == 0 ? 0 : -1;
}

void threads_sem_wait(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        ;  // The only possible failure is EINTR.
}

void threads_sem_wait_for(sem_t *semaphore, int count)
{
    for (int i = 0; i < count; i++)
        threads_sem_wait(semaphore);
}

// threads.h - what servers with a thread per client have in common.

#ifndef THREADS_H
#define THREADS_H

#include <pthread.h>
#include <semaphore.h>

// For pthread_create(): threads with a stack of --stack-kib. By default each
// would take 8 MiB of address space. Set by server_open().
extern pthread_attr_t threads_attributes;

// Sets the size of that stack. Returns 0, or -1 with errno set.
int threads_set_stack(int kib);

// sem_wait(3) that starts again after a signal.
void threads_sem_wait(sem_t *semaphore);

// Calls threads_sem_wait() `count` times. As a client's thread posts its slot
// when it ends, this blocks until that many have ended.
void threads_sem_wait_for(sem_t *semaphore, int count);

#endif

// threads.h - what servers with a thread per client have in common.
//
// Only the two functions that wait for a semaphore block.

#ifndef THREADS_H
#define THREADS_H

#include <pthread.h>
#include <semaphore.h>

// The attributes for pthread_create(). server_open() sets the stack size to
// --stack-kib. By default, each thread would take 8 MiB of address space.
extern pthread_attr_t threads_attributes;

// Sets the stack size in threads_attributes to `kib` KiB. Returns 0, or -1 with
// errno set.
int threads_set_stack(int kib);

// Calls sem_wait(3), and again if a signal interrupts it: blocks until the
// semaphore is above 0, and subtracts one.
void threads_sem_wait(sem_t *semaphore);

// Calls threads_sem_wait() `count` times. Each client's thread posts the
// semaphore when it ends, so this call blocks until `count` slots are free.
void threads_sem_wait_for(sem_t *semaphore, int count);

#endif

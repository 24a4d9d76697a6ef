// co_calls.h - the system calls of the runtime, which this test replaces.
//
// Some fail on demand, and some tell the model what has been transferred. The
// clock is virtual. Where the loop would sleep, the test compares the runtime
// with the model. If the loop would never wake up, the test acts from outside.

#ifndef CO_CALLS_H
#define CO_CALLS_H

#include <stdbool.h>

#include "co_model.h"

enum fault { EPOLL_FULL, INTERRUPT, NO_MEMORY, FAULTS };

// Makes the next `count` calls fail.
void set_fault(enum fault fault, int count);

// calls_begin() ends all faults and replaces the clock. calls_end() gives the
// real clock back.
void calls_begin(void);
void calls_end(void);

// Sets the coroutine that the test wakes when the loop would never wake up.
void set_keeper(struct co *c);

// The job that the actor `arg` gives to co_offload(). It blocks until the loop
// would otherwise never wake up.
void do_job(void *arg);

#endif

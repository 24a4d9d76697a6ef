// co_calls.h - the system calls of the runtime, which this test replaces.
//
// Some calls fail on demand, and some tell the model how many bytes they have
// transferred. The clock is virtual. Where the loop would sleep, the test
// compares the runtime with the model. If the loop would never wake up, the
// test wakes a coroutine, or lets a job of co_offload() end.

#ifndef CO_CALLS_H
#define CO_CALLS_H

#include <stdbool.h>

#include "co_model.h"

enum fault { EPOLL_FULL, INTERRUPT, NO_MEMORY, FAULTS };

// Makes the next `count` calls that the fault concerns fail.
void set_fault(enum fault fault, int count);

// calls_begin() ends all faults and replaces the clock. calls_end() restores
// the real clock.
void calls_begin(void);
void calls_end(void);

// Sets the coroutine that the test wakes when the loop would never wake up.
void set_keeper(struct co *c);

// Is the job that the actor `arg` gives to co_offload(). Blocks, in a thread of
// its own, until the test lets the job end.
void do_job(void *arg);

#endif

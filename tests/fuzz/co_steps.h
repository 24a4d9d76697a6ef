// co_steps.h - what actors do, in the runtime and in the model.

#ifndef CO_STEPS_H
#define CO_STEPS_H

#include <stdint.h>

#include "co_model.h"

// The semaphores and groups that all actors share.
extern struct co_sem sems[SEMS];
extern struct co_group groups[GROUPS];

extern uint64_t step_count;  // of all inputs together

// Starts another actor, unless ACTORS exist already or the input has ended.
void start_actor(void);

#endif

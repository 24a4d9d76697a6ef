// co_steps.h - what actors do, in the runtime and in the model.

#ifndef CO_STEPS_H
#define CO_STEPS_H

#include <stdint.h>

#include "co_model.h"

// What the actors use together.
extern struct co_sem sems[SEMS];
extern struct co_group groups[GROUPS];

extern uint64_t step_count;  // of all inputs together

// Starts another actor, if there is room and the input has not ended.
void start_actor(void);

#endif

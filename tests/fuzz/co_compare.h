// co_compare.h - compares the runtime with the model.

#ifndef CO_COMPARE_H
#define CO_COMPARE_H

#include <stdbool.h>

#include "co_model.h"

extern struct actor *current;  // the actor that runs, or NULL

// Returns the actor that is the coroutine `c`, or NULL.
struct actor *actor_of(const struct co *c);

// Returns the state of an actor in the runtime.
enum co_state state_of(const struct actor *a);

// Updates the model of the actors that join a group. When such an actor is
// interrupted, the runtime cancels the members of the group and lets the actor
// wait again, without a return to this test. The actor also waits again if a
// member was added after the last member had ended.
void notice_joiners(void);

// Compares the states of all actors.
void compare(void);

// Notes that `me` has returned from a call that may have suspended it. Returns
// the error with which the call had to fail, or 0.
int return_from_call(struct actor *me);

// Checks the result of a call: it must fail with `error`, or succeed if `error`
// is 0.
void must_be(int result, int error);

// Checks the result of a waiting call. If `refusal` is not 0, the call had to
// fail at once with that error.
void must_return(struct actor *me, int refusal, int result);

#endif

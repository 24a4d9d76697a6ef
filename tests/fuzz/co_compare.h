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

// Brings the model of joining actors up to date. When one is interrupted, the
// runtime cancels the group's members and makes it wait again, without a return
// to this test. It also waits again if a member was added after the last one
// had ended.
void notice_joiners(void);

// Compares the states of all actors.
void compare(void);

// Notes that `me` has returned from a call that may have suspended it. Returns
// the error with which the call had to fail, or 0.
int return_from_call(struct actor *me);

// Checks the result of a call, which had to fail with `error` if that is not 0.
void must_be(int result, int error);

// Checks the result of a waiting call. If `refusal` is not 0, the call had to
// fail at once with that error.
void must_return(struct actor *me, int refusal, int result);

#endif

// co_compare.c - compares the runtime with the model.

#include "co_compare.h"

#include <errno.h>

#include "fuzz.h"

struct actor *current;

struct actor *actor_of(const struct co *c)
{
    for (int i = 0; i < ACTORS; i++)
        if (actors[i].exists && actors[i].c == c)
            return &actors[i];
    return NULL;
}

enum co_state state_of(const struct actor *a)
{
    return a->c != NULL ? co_state_of(a->c) : a->state;
}

static void notice_joiner_of(int group)
{
    struct actor *joiner = group_models[group].joiner;
    if (joiner == NULL || joiner->state != CO_READY)
        return;
    enum co_state state = state_of(joiner);
    int error = joiner->error != 0 ? joiner->error : model_refusal(joiner);
    if (state == CO_UNINTERRUPTIBLE && error != 0)
        model_group_fail(group, error);
    else if (state != CO_WAITING || model_members(group) == 0)
        return;
    joiner->state = state;
    joiner->error = 0;
}

void notice_joiners(void)
{
    for (int i = 0; i < GROUPS; i++)
        notice_joiner_of(i);
}

// Compares the state of an actor in a call for a descriptor. The actor may be
// woken, find nothing to do and wait again, without a return to this test. But
// right after the loop has slept, the actor must be ready if its descriptor is
// ready.
static void compare_io(struct actor *a, enum co_state state)
{
    MUST(state == CO_READY || state == CO_WAITING);
    if (a->error != 0 || a->must_run)
        MUST(state == CO_READY);
    else
        a->state = state;
    a->must_run = false;
}

void compare(void)
{
    notice_joiners();
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        if (!a->exists)
            continue;
        enum co_state state = state_of(a);
        if (a == current)
            MUST(state == CO_RUNNING);
        else if (a->wait == IO)
            compare_io(a, state);
        else
            MUST(state == a->state);
    }
}

int return_from_call(struct actor *me)
{
    int saved_errno = errno;
    MUST(co_self() == me->c);
    MUST(me->wait == IO || me->state == CO_READY);
    current = me;
    compare();
    errno = saved_errno;
    return model_return(me);
}

void must_be(int result, int error)
{
    MUST(error == 0 ? result >= 0 : result == -1 && errno == error);
}

void must_return(struct actor *me, int refusal, int result)
{
    must_be(result, refusal != 0 ? refusal : return_from_call(me));
}

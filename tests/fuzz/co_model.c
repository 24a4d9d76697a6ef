// co_model.c - a model of what co.h promises: simple, slow and complete.

#include "co_model.h"

#include <errno.h>
#include <string.h>

#include "fuzz.h"

struct actor actors[ACTORS];
int sem_counts[SEMS];
struct group_model group_models[GROUPS];
int64_t now_ms;

static uint64_t last_ticket;

void model_reset(void)
{
    memset(actors, 0, sizeof actors);
    memset(sem_counts, 0, sizeof sem_counts);
    memset(group_models, 0, sizeof group_models);
    now_ms = 1000;
}

struct actor *model_free_slot(void)
{
    for (int i = 0; i < ACTORS; i++)
        if (!actors[i].exists)
            return &actors[i];
    return NULL;
}

void model_create(struct actor *a, bool is_task)
{
    *a = (struct actor){.exists = true,
                        .is_task = is_task,
                        .state = is_task ? CO_READY : CO_NEW,
                        .deadline_ms = NEVER,
                        .limit_ms = -1,
                        .group = -1};
}

// ---- Waits

static int64_t deadline_of(const struct actor *a)
{
    int64_t earliest_ms = NEVER;
    for (; a != NULL; a = a->resumer)
        if (a->deadline_ms < earliest_ms)
            earliest_ms = a->deadline_ms;
    return earliest_ms;
}

int model_refusal(const struct actor *a)
{
    for (const struct actor *c = a; c != NULL; c = c->resumer)
        if (c->cancelled)
            return ECANCELED;
    return deadline_of(a) <= now_ms ? ETIMEDOUT : 0;
}

void model_call(struct actor *a, enum wait wait)
{
    a->wait = wait;
    a->state = CO_READY;  // Other actors run only if it is rescheduled.
    a->error = 0;
}

void model_wait(struct actor *a, enum wait wait, int64_t due_ms)
{
    a->state = wait == PARK ? CO_PARKED : CO_WAITING;
    if (wait == OFFLOAD)
        a->state = CO_UNINTERRUPTIBLE;
    a->wait = wait;
    a->due_ms = due_ms;
    a->limit_at = due_ms;
    a->unwatched = a->tried_again = a->closed = a->must_run = false;
    a->error = 0;
    a->ticket = ++last_ticket;
}

void model_end_wait(struct actor *a, int error)
{
    a->state = CO_READY;
    a->error = error;
}

int model_return(struct actor *a)
{
    if (a->wait == PARK && a->error == 0)
        a->permit = false;
    a->state = CO_RUNNING;
    a->wait = NO_WAIT;
    a->rounds_ready = 0;
    return a->error;
}

static bool can_be_interrupted(const struct actor *a)
{
    return a->state == CO_PARKED || a->state == CO_WAITING;
}

int64_t model_due_ms(const struct actor *a)
{
    if (!can_be_interrupted(a))
        return NEVER;
    int64_t deadline_ms = deadline_of(a);
    return a->due_ms < deadline_ms ? a->due_ms : deadline_ms;
}

// Returns the error of a wait whose time has come. co_sleep() succeeds, unless
// a deadline has ended it. A call whose descriptor epoll has refused to watch
// does not fail before its limit: it tries again.
static int error_at_end(const struct actor *a)
{
    bool by_deadline = deadline_of(a) < a->due_ms;
    if (a->wait == SLEEP && !by_deadline)
        return 0;
    if (a->unwatched && !by_deadline && a->limit_at > now_ms)
        return 0;
    return ETIMEDOUT;
}

void model_end_retries(struct actor *a)
{
    a->due_ms = a->limit_at;
    a->unwatched = false;
}

void model_pass_time(void)
{
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        if (!a->exists || model_due_ms(a) > now_ms)
            continue;
        model_end_wait(a, error_at_end(a));
        model_end_retries(a);
    }
}

// ---- What actors do to each other

void model_resume(struct actor *by, struct actor *a)
{
    by->inner = a;
    a->resumer = by;
    a->state = CO_RUNNING;
}

void model_yield(struct actor *a)
{
    a->state = CO_YIELDED;
    a->resumer->inner = NULL;
    a->resumer = NULL;
}

void model_wake(struct actor *a)
{
    if (a->state == CO_PARKED)
        model_end_wait(a, 0);
    else
        a->permit = true;
}

void model_wake_async(struct actor *a)
{
    a->async_wake = true;
}

void model_deliver_async_wakes(void)
{
    for (int i = 0; i < ACTORS; i++) {
        if (actors[i].exists && actors[i].async_wake)
            model_wake(&actors[i]);
        actors[i].async_wake = false;
    }
}

void model_cancel(struct actor *a)
{
    a->cancelled = true;
    while (a->inner != NULL)
        a = a->inner;
    if (can_be_interrupted(a))
        model_end_wait(a, ECANCELED);
}

void model_sem_post(int sem)
{
    struct actor *first = NULL;
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        if (!a->exists || a->state != CO_WAITING || a->wait != SEM ||
            a->sem != sem)
            continue;
        if (first == NULL || a->ticket < first->ticket)
            first = a;
    }
    if (first != NULL)
        model_end_wait(first, 0);
    else
        sem_counts[sem]++;
}

// ---- Groups

int model_members(int group)
{
    int count = 0;
    for (int i = 0; i < ACTORS; i++)
        count += actors[i].exists && actors[i].group == group;
    return count;
}

void model_group_cancel(int group)
{
    group_models[group].cancelled = true;
    for (int i = 0; i < ACTORS; i++)
        if (actors[i].exists && actors[i].group == group)
            model_cancel(&actors[i]);
}

void model_group_fail(int group, int error)
{
    if (group_models[group].error == 0)
        group_models[group].error = error;
    model_group_cancel(group);
}

void model_end(struct actor *a, int error)
{
    int group = a->group;
    a->state = CO_DONE;
    if (a->resumer != NULL)
        a->resumer->inner = NULL;
    a->resumer = NULL;
    if (a->is_task)
        a->exists = false;
    if (group < 0)
        return;
    a->group = -1;
    struct actor *joiner = group_models[group].joiner;
    if (error != 0)
        model_group_fail(group, error);
    if (model_members(group) == 0 && joiner != NULL &&
        joiner->state != CO_READY)
        model_end_wait(joiner, 0);
}

// co_wait.c - calls that wait for another coroutine or for a time, and what can
// end every wait: cancellation and deadlines.
//
// A coroutine waits until the one that it has resumed yields. So while the
// resumed coroutine waits for an event, both wait. Therefore a waiting call
// fails if the running coroutine, its resumer, the resumer of its resumer, or
// another one in this chain is cancelled. Deadlines hold in the same way. No
// function here blocks the thread.

#include "co.h"
#include "co_internal.h"

// Checks the running coroutine and all its resumers: sets `deadline_ns` to the
// earliest of their deadlines, and returns true if one of them was cancelled.
static bool check_chain(int64_t *deadline_ns)
{
    bool cancelled = false;
    *deadline_ns = CO_NEVER;
    for (const struct co *c = co_current(); c != NULL; c = co_resumer(c)) {
        cancelled = cancelled || c->cancelled;
        if (c->deadline_ns != 0 && c->deadline_ns < *deadline_ns)
            *deadline_ns = c->deadline_ns;
    }
    return cancelled;
}

int co_begin_wait(void)
{
    int64_t deadline_ns;
    if (!co_in_loop())
        return co_fail(EPERM);
    if (check_chain(&deadline_ns))
        return co_fail(ECANCELED);
    if (deadline_ns != CO_NEVER && deadline_ns <= co_now_ns())
        return co_fail(ETIMEDOUT);
    return 0;
}

// Sets the field `innermost` in all resumers of the running coroutine. While
// this coroutine waits, the field points to it; else it is NULL. With this
// field, co_cancel() finds the coroutine whose wait it must end.
static void set_innermost(struct co *innermost)
{
    for (struct co *c = co_resumer(co_current()); c != NULL; c = co_resumer(c))
        c->innermost = innermost;
}

// Waits in `state`. Checks for cancellation once more: after a spurious wakeup,
// some calls wait again, and the coroutine may have been cancelled since the
// call began.
static int wait_in(enum co_state state, int64_t due_ns)
{
    int64_t deadline_ns;
    if (check_chain(&deadline_ns))
        return co_fail(ECANCELED);
    if (deadline_ns < due_ns)
        due_ns = deadline_ns;
    if (co_resumer(co_current()) == NULL)
        return co_suspend(state, due_ns);  // A tail call: it needs less stack.
    set_innermost(co_current());
    int result = co_suspend(state, due_ns);
    set_innermost(NULL);
    return result;
}

int co_wait_until(int64_t due_ns)
{
    return wait_in(CO_WAITING, due_ns);
}

void co_cancel(struct co *c)
{
    c->cancelled = true;
    struct co *waiter = c->innermost != NULL ? c->innermost : c;
    enum co_state state = co_state(waiter);
    if (state == CO_PARKED || state == CO_WAITING)
        co_end_wait(waiter, ECANCELED);
}

void co_set_deadline(int ms)
{
    co_current()->deadline_ns = ms < 0 ? 0 : co_time_in(ms);
}

int co_limit_waits(int ms)
{
    struct co *self = co_current();
    int previous_ms = (int)(self->limit_ms_plus_1 - 1);
    self->limit_ms_plus_1 = (unsigned)ms + 1;
    return previous_ms;
}

int64_t co_limit_due_ns(void)
{
    unsigned shortest_ms = (unsigned)-1;  // No limit: the largest unsigned.
    for (const struct co *c = co_current(); c != NULL; c = co_resumer(c))
        if (c->limit_ms_plus_1 - 1 < shortest_ms)
            shortest_ms = c->limit_ms_plus_1 - 1;
    return co_time_in((int)shortest_ms);
}

int co_park(void)
{
    struct co *self = co_current();
    if (co_begin_wait() != 0)
        return -1;
    if (self->permit)
        co_spend();
    else if (wait_in(CO_PARKED, CO_NEVER) != 0)
        return -1;
    self->permit = false;
    return 0;
}

int co_sleep(int ms)
{
    int64_t deadline_ns;
    if (co_begin_wait() != 0)
        return -1;
    if (ms == 0)
        return 0;
    int64_t due_ns = co_time_in(ms);
    check_chain(&deadline_ns);
    // At `due_ns`, this call fails with ETIMEDOUT. That is a success here,
    // unless a deadline has passed before.
    int result = co_wait_until(due_ns);
    bool slept = result != 0 && errno == ETIMEDOUT && due_ns <= deadline_ns;
    return slept ? 0 : result;
}

int co_sem_wait(struct co_sem *sem)
{
    if (co_begin_wait() != 0)
        return -1;
    if (sem->count > 0) {
        sem->count--;
        co_spend();
        return 0;
    }
    struct co *self = co_current();
    co_queue_append(&sem->waiters, self);
    self->queue = &sem->waiters;
    return co_wait_until(CO_NEVER);
}

// If a coroutine waits, ends its wait, and the count stays 0. If the count
// became 1 instead, a third coroutine could call co_sem_wait() before the
// waiting one runs, and get ahead of it.
void co_sem_post(struct co_sem *sem)
{
    if (sem->waiters.first != NULL)
        co_end_wait(sem->waiters.first, 0);
    else
        sem->count++;
}

// co_wait.c - calls that wait for another coroutine or for a time, and what can
// end every wait: cancellation and deadlines.
//
// A coroutine that has resumed another one waits until that one yields. So
// while the resumed coroutine waits for an event, both wait. Therefore each
// waiting call obeys the running coroutine and all coroutines up the chain of
// resumers. Nothing here blocks the thread.

#include "co.h"
#include "co_internal.h"

// Returns whether a coroutine of the chain was cancelled. Sets `deadline_ns` to
// the earliest of their deadlines.
static bool is_cancelled(int64_t *deadline_ns)
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
    if (is_cancelled(&deadline_ns))
        return co_fail(ECANCELED);
    if (deadline_ns != CO_NEVER && deadline_ns <= co_now_ns())
        return co_fail(ETIMEDOUT);
    return 0;
}

// Tells the coroutines up the chain which coroutine to interrupt in their
// place; NULL: none.
static void set_innermost(struct co *innermost)
{
    for (struct co *c = co_resumer(co_current()); c != NULL; c = co_resumer(c))
        c->innermost = innermost;
}

// Waits in `state`. Checks once more for cancellation: a call that waits again,
// after a spurious wakeup, may have been cancelled since it began.
static int wait_in(enum co_state state, int64_t due_ns)
{
    int64_t deadline_ns;
    if (is_cancelled(&deadline_ns))
        return co_fail(ECANCELED);
    if (deadline_ns < due_ns)
        due_ns = deadline_ns;
    if (co_resumer(co_current()) == NULL)
        return co_suspend(state, due_ns);  // As a jump, it needs less stack.
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
    int previous_ms = (int)(self->limit_plus_1 - 1);
    self->limit_plus_1 = (unsigned)ms + 1;
    return previous_ms;
}

int64_t co_limit_ns(void)
{
    unsigned shortest_ms = (unsigned)-1;  // As unsigned, -1 is the longest.
    for (const struct co *c = co_current(); c != NULL; c = co_resumer(c))
        if (c->limit_plus_1 - 1 < shortest_ms)
            shortest_ms = c->limit_plus_1 - 1;
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
    is_cancelled(&deadline_ns);
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

// Gives the count directly to the first coroutine that waits, so that no other
// coroutine can take it before that one runs.
void co_sem_post(struct co_sem *sem)
{
    if (sem->waiters.first != NULL)
        co_end_wait(sem->waiters.first, 0);
    else
        sem->count++;
}

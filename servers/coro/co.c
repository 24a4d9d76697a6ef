// co.c - coroutines: functions that can be suspended and resumed.
//
// A coroutine and its resumer (the coroutine or thread that has resumed it) run
// alternately. Each has a stack of its own. co_jump() switches from one to the
// other and passes a value. This takes no system call. No function here blocks.

#include "co.h"

#include "co_cache.h"
#include "co_internal.h"
#include "co_stack.h"
#include "co_switch.h"

// Represents the thread's own stack, the one on which the thread starts.
static _Thread_local struct co own_stack = {.state = CO_RUNNING};
static _Thread_local struct co *running;   // NULL: no coroutine created yet
static _Thread_local struct co *previous;  // the last one that called co_jump()

struct co *co_current(void)
{
    return running != NULL ? running : &own_stack;
}

struct co *co_self(void)
{
    return running == &own_stack ? NULL : running;
}

// LESSON stack-switch: co_switch() saves our registers, among them the stack
// pointer. Then it loads the registers that `to` saved when it was suspended.
// So `to` continues: there, its own call of co_switch() returns. Our call
// returns in the same way, once a coroutine jumps back to us.
void *co_jump(struct co *to, void *value)
{
    struct co *self = running;

    previous = self;
    running = to;
    co_tools_leaving(&self->stack, co_state(self) == CO_DONE, &to->stack);
    value = co_switch(&self->sp, to->sp, value);
    co_tools_arrived(&self->stack, &previous->stack);
    return value;
}

// Is the first function on the stack of every coroutine: calls fn(arg), and
// passes its result to the resumer.
static void co_main(void *value)
{
    struct co *self = running;

    co_tools_arrived(&self->stack, &previous->stack);
    (void)value;  // Discarded: no co_yield_value() could return it yet.
    value = self->fn(self->arg);
    co_become(self, CO_DONE);
    co_jump(co_resumer(self), value);
    assert(false);  // co_resume() refuses a coroutine that is done.
}

struct co *co_new(void *(*fn)(void *arg), void *arg)
{
    char *low = co_stack_take();
    if (low == NULL)
        return NULL;

    running = co_current();
    size_t size = co_stack_usable_size();
    struct co *c = co_cache_place(low, size);
    size_t below = (size_t)((char *)c - low);  // what its functions may use
    co_cache_clear(c);
    c->state = CO_NEW;
    c->fn = fn;
    c->arg = arg;
    c->mailbox = &co_mailbox;
    c->stack.low = low;
    c->stack.size = size;
    co_tools_created(&c->stack, below);
    c->sp = co_switch_prepare(low, below, co_main);
    return c;
}

int co_free(struct co *c)
{
    enum co_state state = co_state(c);
    if (state != CO_NEW && state != CO_YIELDED && state != CO_DONE)
        return co_fail(EBUSY);
    if (atomic_load(&c->mail.pending))
        co_mail_withdraw(&c->mail);
    c->state = CO_DONE;  // So that co_at() ignores it.
    co_tools_freeing(&c->stack);
    co_stack_put(c->stack.low);
    return 0;
}

struct co *co_at(size_t at)
{
    char *low = co_stack_at(at);
    struct co *c = co_cache_place(low, co_stack_usable_size());
    // If the system has taken back the memory of the stack, it reads as zeros:
    // then fn is NULL.
    return c->fn != NULL && co_state(c) != CO_DONE ? c : NULL;
}

// Sets errno and returns NULL, for a co_resume() or co_yield_value() that is
// not allowed. This rare case is not inlined, because it would make these two
// short functions slower.
static __attribute__((noinline)) void *refuse(int error)
{
    errno = error;
    return NULL;
}

void *co_resume(struct co *c, void *value)
{
    enum co_state state = co_state(c);
    if (state != CO_NEW && state != CO_YIELDED)
        return refuse(state == CO_DONE ? EINVAL : EBUSY);
    c->state = co_running_for(running);
    return co_jump(c, value);
}

void *co_yield_value(void *value)
{
    struct co *self = running;
    struct co *resumer = self != NULL ? co_running_resumer(self) : NULL;
    if (resumer == NULL)
        return refuse(EPERM);
    self->state = CO_YIELDED;
    return co_jump(resumer, value);
}

// LESSON yield-from: the running coroutine passes values on between `inner` and
// its own resumer. The loop yields to the resumer each value that `inner` has
// yielded. Then it resumes `inner` with the value that the resumer has passed.
void *co_delegate(struct co *inner)
{
    void *value = co_resume(inner, NULL);
    while (co_state(inner) == CO_YIELDED)
        value = co_resume(inner, co_yield_value(value));
    return value;
}

enum co_state co_state_of(const struct co *c)
{
    return co_state(c);
}

bool co_done(const struct co *c)
{
    return co_state(c) == CO_DONE;
}

void co_set_name(const char *name)
{
    co_current()->name = name;
}

void co_set_stack_size(size_t size)
{
    co_stack_set_size(size);
}

size_t co_stack_used(const struct co *c)
{
    co_tools_mute(true);
    size_t used = co_stack_touched(c->stack.low);
    co_tools_mute(false);
    co_tools_defined(&used, sizeof used);
    return used;
}

int co_release_stacks(void)
{
    return co_stack_release_all();
}

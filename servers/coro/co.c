// co.c - coroutines: functions that can pause, and pass values when they do.
//
// A coroutine and whoever resumed it take turns. Each has a stack; co_jump()
// is the moment when the turn passes from one to the other.

#include "co.h"

#include <assert.h>
#include <string.h>

#include "co_internal.h"
#include "co_stack.h"
#include "co_switch.h"
#include "co_tools.h"

static _Thread_local struct co own_stack;  // Stands for the thread's own stack.
static _Thread_local struct co *running;   // NULL: that one.
static _Thread_local struct co *left;      // Who ran before the last jump.

void co_set_stack_size(size_t size)
{
    co_stack_set_size(size);
}

struct co *co_current(void)
{
    return running != NULL ? running : &own_stack;
}

struct co *co_self(void)
{
    return running;
}

// LESSON stack-switch: co_switch() saves our registers, among them the stack
// pointer, and loads those that `to` saved. It returns when somebody jumps back
// here, as if nothing had happened; from the other side it looks just the same.
void *co_jump(struct co *to, void *value)
{
    struct co *self = co_current();

    left = self;
    running = to == &own_stack ? NULL : to;
    tools_leaving(self, to);
    value = co_switch(&self->sp, to->sp, value);
    tools_arrived(self, left);
    return value;
}

// The first function on every stack.
static void co_main(void *value)
{
    struct co *self = co_self();

    tools_arrived(self, left);
    (void)value;  // Nobody waits for it yet: see co_resume().
    value = self->fn(self->arg);
    self->done = true;
    co_jump(self->resumer, value);
    assert(false);  // It was resumed although it was done.
}

enum { CACHE_LINE_SIZE = 64, COLOURS = 16 };

// LESSON colouring: if all coroutines began at the same place of their stacks,
// their first frames would compete for the same few lines of the cache, which
// are chosen by the low bits of an address. So each begins a few lines lower
// than its neighbour.
static size_t colour_of(const char *stack, size_t stack_size)
{
    return (uintptr_t)stack / stack_size % COLOURS * CACHE_LINE_SIZE;
}

struct co *co_new(void *(*fn)(void *arg), void *arg)
{
    char *stack = co_stack_take();
    if (stack == NULL)
        return NULL;

    size_t size = co_stack_usable();
    size_t room = size - sizeof(struct co) - colour_of(stack, size);
    room -= room % CACHE_LINE_SIZE;
    struct co *c = (struct co *)(void *)(stack + room);
    *c = (struct co){.fn = fn,
                     .arg = arg,
                     .stack = stack,
                     .stack_size = size,
                     .loop = co_current()->loop};
    tools_created(c);
    c->sp = co_switch_prepare(stack, room, co_main);
    return c;
}

void co_free(struct co *c)
{
    assert(c != running);
    tools_freeing(c);
    co_stack_put(c->stack);
}

void *co_resume(struct co *c, void *value)
{
    assert(c != running && !c->done);
    c->resumer = co_current();
    return co_jump(c, value);
}

void *co_yield(void *value)
{
    assert(running != NULL && running->resumer != NULL);
    return co_jump(running->resumer, value);
}

// LESSON yield-from: a generator hands its caller over to another one. All this
// function knows is which value goes which way.
void *co_delegate(struct co *inner)
{
    void *value = co_resume(inner, NULL);
    while (!inner->done)
        value = co_resume(inner, co_yield(value));
    return value;
}

void co_set_name(const char *name)
{
    running->name = name;
}

size_t co_stack_used(const struct co *c)
{
    tools_mute(true);
    size_t used = co_stack_touched(c->stack);
    tools_mute(false);
    return used;
}

int co_release_stacks(void)
{
    return co_stack_release_all();
}

bool co_done(const struct co *c)
{
    return c->done;
}

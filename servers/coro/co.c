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
static _Thread_local struct co *running;   // NULL: none was created yet.
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
    return running == &own_stack ? NULL : running;
}

// LESSON stack-switch: co_switch() saves our registers, among them the stack
// pointer, and loads those that `to` saved. It returns when somebody jumps back
// here, as if nothing had happened; from the other side it looks just the same.
void *co_jump(struct co *to, void *value)
{
    struct co *self = running;

    left = self;
    running = to;
    tools_leaving(self, to);
    value = co_switch(&self->sp, to->sp, value);
    tools_arrived(self, left);
    return value;
}

// The first function on every stack.
static void co_main(void *value)
{
    struct co *self = running;

    tools_arrived(self, left);
    (void)value;  // Nobody waits for it yet: see co_resume().
    value = self->fn(self->arg);
    self->done = true;
    co_jump(self->resumer, value);
    assert(false);  // It was resumed although it was done.
}

enum { CACHE_LINE_SIZE = 64, COLOUR_BITS = 4 };

// LESSON colouring: if all coroutines began at the same place of their stacks,
// their first frames would compete for the same few lines of the cache, which
// are chosen by the low bits of an address. So each begins a few lines lower
// than its neighbour: how many, Fibonacci hashing decides (Knuth, volume 3,
// 6.4), which spreads addresses at any regular distance, without a division.
static size_t colour_of(const char *stack)
{
    enum { PAGE_BITS = 12, HASH_BITS = 32 };
    uint32_t page = (uint32_t)((uintptr_t)stack >> PAGE_BITS);
    size_t colour = page * 0x9e3779b9U >> (HASH_BITS - COLOUR_BITS);
    return colour * CACHE_LINE_SIZE;
}

// A coroutine at the top of `stack`, at the beginning of a cache line. Zeroed
// line by line: for more at a time compilers choose an instruction (rep stos)
// that takes longer than all the rest of a short life.
static struct co *lay_out(char *stack, size_t size)
{
    size_t top = size - sizeof(struct co) - colour_of(stack);
    char *c = stack + top - top % CACHE_LINE_SIZE;
    for (size_t at = 0; at < sizeof(struct co); at += CACHE_LINE_SIZE)
        memset(c + at, 0, CACHE_LINE_SIZE);
    return (struct co *)(void *)c;
}

struct co *co_new(void *(*fn)(void *arg), void *arg)
{
    char *stack = co_stack_take();
    if (stack == NULL)
        return NULL;

    running = co_current();
    struct co *c = lay_out(stack, co_stack_usable());
    c->fn = fn;
    c->arg = arg;
    c->stack = stack;
    c->stack_size = co_stack_usable();
    c->loop = running->loop;
    tools_created(c);
    c->sp = co_switch_prepare(stack, (size_t)((char *)c - stack), co_main);
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
    c->resumer = running;
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

// co_group.c - several coroutines that succeed or fail together.
//
// LESSON structured: a coroutine that starts others and goes on without them
// leaves loose ends: who notices when one fails, and who stops the rest? A
// group is a promise: co_group_join() returns when all members are gone, with
// the reason of the first that failed. What a function starts, ends in it.

#include <errno.h>
#include <stddef.h>

#include "co.h"
#include "co_internal.h"

static void join_members(struct co_group *group, struct co *c)
{
    c->group = group;
    c->group_before = NULL;
    c->group_next = group->members;
    if (c->group_next != NULL)
        c->group_next->group_before = c;
    group->members = c;
}

static void leave_members(struct co *c)
{
    if (c->group_before != NULL)
        c->group_before->group_next = c->group_next;
    else
        c->group->members = c->group_next;
    if (c->group_next != NULL)
        c->group_next->group_before = c->group_before;
}

static void fail(struct co_group *group, int reason)
{
    if (group->error == 0)
        group->error = reason;
    co_group_cancel(group);
}

static void member_main(void *arg)
{
    struct co *self = co_self();
    struct co_group *group = self->group;
    int result = self->member(arg);
    int reason = errno;

    leave_members(self);
    if (result != 0)
        fail(group, reason);
    if (group->members == NULL && group->joiner != NULL)
        co_wake(group->joiner);
}

int co_group_go(struct co_group *group, int (*fn)(void *arg), void *arg)
{
    struct co *c = co_start(member_main, arg);
    if (c == NULL)
        return -1;
    c->member = fn;
    c->cancelled = group->error != 0;  // It comes too late.
    join_members(group, c);
    return 0;
}

int co_group_join(struct co_group *group)
{
    group->joiner = co_self();
    if (group->members != NULL && co_park_for(-1) != 0)
        fail(group, errno);
    while (group->members != NULL)
        co_park_firmly();
    group->joiner = NULL;

    int reason = group->error;
    group->error = 0;
    if (reason == 0)
        return 0;
    errno = reason;
    return -1;
}

void co_group_cancel(struct co_group *group)
{
    for (struct co *c = group->members; c != NULL; c = c->group_next)
        co_cancel(c);
}

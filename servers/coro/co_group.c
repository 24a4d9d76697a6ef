// co_group.c - coroutines that succeed or fail together.
//
// LESSON structured: suppose a coroutine starts others and does not wait for
// them. Which coroutine learns that one of them has failed, and which one stops
// the rest? A group answers both questions: co_group_join() returns when all
// members have returned, with the errno of the first that failed. So no member
// outlives the function that calls co_group_join(). Only co_group_join() waits.

#include "co.h"
#include "co_internal.h"

static void join_members(struct co_group *group, struct co *c)
{
    c->group = group;
    c->group_previous = NULL;
    c->group_next = group->members;
    if (c->group_next != NULL)
        c->group_next->group_previous = c;
    group->members = c;
}

static void leave_members(struct co *c)
{
    if (c->group_previous != NULL)
        c->group_previous->group_next = c->group_next;
    else
        c->group->members = c->group_next;
    if (c->group_next != NULL)
        c->group_next->group_previous = c->group_previous;
}

// Stores the error of the first member that has failed, and cancels the others.
static void fail_group(struct co_group *group, int reason)
{
    if (group->error == 0)
        group->error = reason != 0 ? reason : EIO;
    co_group_cancel(group);
}

// Is the main function of each member. The last member to return wakes the
// coroutine that waits in co_group_join().
static void *member_main(void *arg)
{
    struct co *self = co_current();
    struct co_group *group = self->group;
    int result = self->member(arg);
    int reason = errno;

    leave_members(self);
    if (result != 0)
        fail_group(group, reason);
    if (group->members == NULL && group->joiner != NULL)
        co_end_wait(group->joiner, 0);
    return co_finish();
}

int co_group_go(struct co_group *group, int (*fn)(void *arg), void *arg)
{
    struct co *c = co_start(member_main, arg);
    if (c == NULL)
        return -1;
    c->member = fn;
    c->cancelled = group->cancelled;
    join_members(group, c);
    return 0;
}

// Waits until the group has no members. Checks this after each wait, because
// another coroutine may have added a member in the meantime. Returns 0, or -1
// if a wait failed.
static int wait_for_members(struct co_group *group)
{
    while (group->members != NULL)
        if (co_wait_until(CO_NEVER) != 0)
            return -1;
    return 0;
}

int co_group_join(struct co_group *group)
{
    if (!co_in_loop())
        return co_fail(EPERM);
    if (group->joiner != NULL)
        return co_fail(EBUSY);
    for (const struct co *c = co_current(); c != NULL; c = co_resumer(c))
        if (c->group == group)
            return co_fail(EDEADLK);
    group->joiner = co_current();
    if (co_begin_wait() != 0 || wait_for_members(group) != 0)
        fail_group(group, errno);
    while (group->members != NULL)
        co_suspend(CO_UNINTERRUPTIBLE, CO_NEVER);

    int reason = group->error;
    *group = (struct co_group){0};
    return reason == 0 ? 0 : co_fail(reason);
}

void co_group_cancel(struct co_group *group)
{
    group->cancelled = true;
    for (struct co *c = group->members; c != NULL; c = c->group_next)
        co_cancel(c);
}

// co_steps.c - what actors do, in the runtime and in the model.

#include "co_steps.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "co_calls.h"
#include "co_compare.h"
#include "co_ends.h"
#include "co_input.h"
#include "fuzz.h"

struct co_sem sems[SEMS];
struct co_group groups[GROUPS];
uint64_t step_count;

static struct actor *any_actor(void)
{
    return &actors[next_byte() % ACTORS];
}

// ---- The functions of coroutines

static bool act(struct actor *me);

// Ends an actor in the model. `error` is the error of a member that fails, or
// 0.
static void end(struct actor *me, int error)
{
    struct actor *resumer = me->resumer;
    compare();
    model_end(me, error);
    current = resumer;
}

static void task_main(void *arg)
{
    struct actor *me = arg;
    me->c = co_self();
    return_from_call(me);
    while (act(me))
        continue;
    end(me, 0);
}

void start_actor(void)
{
    struct actor *a = model_free_slot();
    if (a == NULL || input_left == 0)
        return;
    model_create(a, true);
    if (co_go(task_main, a) != 0) {
        MUST(errno == ENOMEM);
        a->exists = false;
    }
}

static int member_main(void *arg)
{
    struct actor *me = arg;
    me->c = co_self();
    return_from_call(me);
    while (act(me))
        continue;
    int error = next_byte() % 4 == 1 ? ECONNREFUSED : 0;
    end(me, error);
    errno = error;
    return error == 0 ? 0 : -1;
}

static void *generator_main(void *arg)
{
    struct actor *me = arg;
    MUST(co_self() == me->c);
    while (act(me))
        continue;
    end(me, 0);
    return me;
}

// ---- Steps of an actor. Each returns whether the actor continues.

static bool start_task(struct actor *me)
{
    (void)me;
    start_actor();
    return true;
}

static bool start_member(struct actor *me)
{
    struct actor *a = model_free_slot();
    int group = (int)next_byte() % GROUPS;
    struct actor *joiner = group_models[group].joiner;
    (void)me;
    if (a == NULL)
        return true;
    if (joiner != NULL)
        joiner->rounds_ready = 0;  // If it is ready, it will wait again.
    model_create(a, true);
    a->group = group;
    a->cancelled = group_models[group].cancelled;
    if (co_group_go(&groups[group], member_main, a) != 0) {
        MUST(errno == ENOMEM);
        a->exists = false;
    }
    return true;
}

static bool create_generator(struct actor *me)
{
    struct actor *a = model_free_slot();
    (void)me;
    if (a == NULL)
        return true;
    model_create(a, false);
    a->c = co_new(generator_main, a);
    MUST(a->c != NULL || errno == ENOMEM);
    a->exists = a->c != NULL;
    return true;
}

static bool resume(struct actor *me)
{
    struct actor *a = any_actor();
    if (!a->exists || a->c == NULL)
        return true;
    if (a->state != CO_NEW && a->state != CO_YIELDED) {
        MUST(co_resume(a->c, NULL) == NULL);
        MUST(errno == (a->state == CO_DONE ? EINVAL : EBUSY));
        return true;
    }
    model_resume(me, a);
    current = a;
    void *value = co_resume(a->c, me);
    MUST(current == me && value == a);
    MUST(a->state == CO_YIELDED || a->state == CO_DONE);
    compare();
    return true;
}

static bool yield(struct actor *me)
{
    struct actor *resumer = me->resumer;
    if (resumer == NULL) {
        MUST(co_yield_value(me) == NULL && errno == EPERM);
        return true;
    }
    model_yield(me);
    current = resumer;
    void *value = co_yield_value(me);
    MUST(current == me && value == me->resumer);
    compare();
    return true;
}

static bool free_actor(struct actor *me)
{
    struct actor *a = any_actor();
    (void)me;
    if (!a->exists || a->c == NULL)
        return true;
    bool can =
        a->state == CO_NEW || a->state == CO_YIELDED || a->state == CO_DONE;
    must_be(co_free(a->c), can ? 0 : EBUSY);
    a->exists = !can;
    return true;
}

static bool reschedule(struct actor *me)
{
    model_call(me, NO_WAIT);
    co_reschedule();
    return_from_call(me);
    return true;
}

static bool park(struct actor *me)
{
    int refusal = model_refusal(me);
    if (refusal == 0 && me->permit)
        model_call(me, PARK);
    else if (refusal == 0)
        model_wait(me, PARK, NEVER);
    must_return(me, refusal, co_park());
    return true;
}

static bool wake(struct actor *me)
{
    struct actor *a = any_actor();
    (void)me;
    if (!a->exists || a->c == NULL)
        return true;
    co_wake(a->c);
    model_wake(a);
    return true;
}

static bool wake_async(struct actor *me)
{
    struct actor *a = any_actor();
    (void)me;
    if (!a->exists || a->c == NULL)
        return true;
    co_wake_async(a->c);
    model_wake_async(a);
    return true;
}

static bool cancel(struct actor *me)
{
    struct actor *a = any_actor();
    (void)me;
    if (!a->exists || a->c == NULL || next_byte() % 4 > 0)
        return true;  // Cancels rarely: a cancelled actor does little more.
    co_cancel(a->c);
    model_cancel(a);
    return true;
}

static int64_t time_in(int ms)
{
    return ms < 0 ? NEVER : now_ms + ms;
}

static int any_ms(void)
{
    unsigned byte = next_byte();
    return byte % 16 == 15 ? -1 : (int)(byte % 32);
}

static bool set_deadline(struct actor *me)
{
    int ms = any_ms();
    co_set_deadline(ms);
    me->deadline_ms = time_in(ms);
    return true;
}

static bool limit_waits(struct actor *me)
{
    int ms = any_ms();
    MUST(co_limit_waits(ms) == me->limit_ms);
    me->limit_ms = ms;
    return true;
}

static bool sleep_for_a_while(struct actor *me)
{
    int ms = any_ms(), refusal = model_refusal(me);
    if (refusal == 0 && ms == 0) {
        MUST(co_sleep(0) == 0);
        return true;
    }
    if (refusal == 0)
        model_wait(me, SLEEP, time_in(ms));
    must_return(me, refusal, co_sleep(ms));
    return true;
}

static bool compute(struct actor *me)
{
    (void)me;
    now_ms += next_byte() % 16;
    return true;
}

static bool wait_for_sem(struct actor *me)
{
    int sem = (int)next_byte() % SEMS, refusal = model_refusal(me);
    if (refusal == 0 && sem_counts[sem] > 0) {
        sem_counts[sem]--;
        model_call(me, NO_WAIT);
    } else if (refusal == 0) {
        model_wait(me, SEM, NEVER);
        me->sem = sem;
    }
    must_return(me, refusal, co_sem_wait(&sems[sem]));
    return true;
}

static bool post_sem(struct actor *me)
{
    int sem = (int)next_byte() % SEMS;
    (void)me;
    co_sem_post(&sems[sem]);
    model_sem_post(sem);
    MUST(sems[sem].count == sem_counts[sem]);
    return true;
}

// ---- Groups

// Returns the highest group that `a`, or an actor that waits for `a` in
// co_resume(), is a member of; -1 if there is none.
static int group_of(const struct actor *a)
{
    int highest = -1;
    for (; a != NULL; a = a->resumer)
        if (a->group > highest)
            highest = a->group;
    return highest;
}

// Notes in the model that `me` joins a group. Returns 0 if it must wait for the
// members, or the error with which the call must fail at once.
static int begin_to_join(struct actor *me, int group)
{
    struct group_model *g = &group_models[group];
    if (g->joiner != NULL)
        return EBUSY;
    if (group_of(me) == group)
        return EDEADLK;
    g->joiner = me;
    int refusal = model_refusal(me);
    if (refusal != 0)
        model_group_fail(group, refusal);
    if (model_members(group) == 0)
        model_call(me, NO_WAIT);
    else
        model_wait(me, JOIN, NEVER);
    if (refusal != 0 && me->wait == JOIN)
        me->state = CO_UNINTERRUPTIBLE;
    return 0;
}

static bool join_group(struct actor *me)
{
    int group = (int)next_byte() % GROUPS;
    // A member joins only groups with a higher number than its own. Otherwise
    // two members could wait for each other without end. The runtime detects
    // only a member that joins its own group.
    if (group_of(me) > group)
        return true;
    int refusal = begin_to_join(me, group);
    int result = co_group_join(&groups[group]);
    if (refusal != 0) {
        must_be(result, refusal);
        return true;
    }
    int error = return_from_call(me);
    if (error != 0)
        model_group_fail(group, error);
    must_be(result, group_models[group].error);
    group_models[group] = (struct group_model){0};
    return true;
}

static bool cancel_group(struct actor *me)
{
    int group = (int)next_byte() % GROUPS;
    (void)me;
    if (next_byte() % 4 > 0)
        return true;
    co_group_cancel(&groups[group]);
    model_group_cancel(group);
    return true;
}

// ---- Other threads

static bool offload(struct actor *me)
{
    int refusal = model_refusal(me);
    if (next_byte() % 8 > 0)
        return true;  // Offloads rarely: threads are slow.
    me->job_ends = false;
    if (refusal == 0)
        model_wait(me, OFFLOAD, NEVER);
    must_return(me, refusal, co_offload(do_job, me));
    MUST(refusal != 0 || me->job_ends);
    return true;
}

// ---- Descriptors

static int limit_of(const struct actor *a)
{
    int shortest_ms = -1;
    for (; a != NULL; a = a->resumer)
        if (a->limit_ms >= 0 && (shortest_ms < 0 || a->limit_ms < shortest_ms))
            shortest_ms = a->limit_ms;
    return shortest_ms;
}

static int begin_io(struct actor *me, const struct end *e, bool out)
{
    int refusal = model_refusal(me);
    if (refusal != 0)
        return refusal;
    model_wait(me, IO, time_in(limit_of(me)));
    me->end = (int)(e - ends);
    me->out = out;
    me->transferred = -1;
    return 0;
}

// Returns whether another actor waits for the same socket in the same
// direction.
static bool is_busy(const struct actor *me)
{
    for (int i = 0; i < ACTORS; i++)
        if (&actors[i] != me && actors[i].exists && actors[i].wait == IO &&
            actors[i].end == me->end && actors[i].out == me->out)
            return true;
    return false;
}

// Checks the result of a call for a descriptor. Returns whether it succeeded.
static bool end_io(struct actor *me, int refusal, ssize_t result)
{
    if (refusal != 0) {
        must_be((int)result, refusal);
        return false;
    }
    bool busy = is_busy(me), closed = me->closed, out = me->out;
    bool late = me->tried_again && me->limit_at <= now_ms;
    int error = return_from_call(me);
    // An interrupted co_group_join() of another actor cancels the members,
    // perhaps after their calls have succeeded.
    bool cancelled_late = error == ECANCELED && me->group >= 0;
    if (result >= 0 && (error == 0 || cancelled_late))
        return true;
    MUST(result == -1);
    if (closed)
        MUST(errno == EBADF);
    else if (error != 0)
        MUST(errno == error);
    else
        // A coroutine may be cancelled after it was woken for data that another
        // actor then received.
        MUST((busy && errno == EBUSY) || errno == model_refusal(me) ||
             (late && errno == ETIMEDOUT) || errno == ECONNRESET ||
             (out && errno == EPIPE));
    return false;
}

static bool receive(struct actor *me)
{
    uint8_t bytes[64];
    const struct end *e = any_end();
    size_t size = 1 + next_byte() % sizeof bytes;
    int refusal = begin_io(me, e, false);
    ssize_t n = co_recv(e->fd, bytes, size);
    if (end_io(me, refusal, n))
        MUST(n == me->transferred);
    return true;
}

// Writes the next bytes of the stream that `e` sends to `bytes`. Returns how
// many.
static size_t any_bytes(const struct end *e, uint8_t *bytes, size_t size)
{
    size_t len = next_byte();
    len = 1 + len * len / 64 % size;  // Small lengths are more frequent.
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(e->next_sent + i);
    return len;
}

static bool has_space(const struct end *e)
{
    return peer_of(e)->message_count < MESSAGES_MAX;
}

static bool transmit(struct actor *me)
{
    uint8_t bytes[1024];
    const struct end *e = any_end();
    // While another actor waits to send, these bytes must not overtake its
    // bytes.
    me->end = (int)(e - ends);
    me->out = true;
    if (is_busy(me) || !has_space(e))
        return true;
    size_t len = any_bytes(e, bytes, sizeof bytes);
    int refusal = begin_io(me, e, true);
    ssize_t n = co_send(e->fd, bytes, len);
    if (end_io(me, refusal, n))
        MUST(n == me->transferred);
    return true;
}

static bool wait_until_ready(struct actor *me)
{
    const struct end *e = any_end();
    bool out = next_byte() % 4 == 0;
    int refusal = begin_io(me, e, out);
    int result = co_poll(e->fd, out ? EPOLLOUT : EPOLLIN);
    end_io(me, refusal, result);
    return true;
}

// Sends bytes without the runtime, together with a descriptor.
static bool pass_descriptor(struct actor *me)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    uint8_t bytes[64];
    const struct end *e = any_end();
    me->end = (int)(e - ends);
    me->out = true;
    if (is_busy(me) || !has_space(e))
        return true;
    struct iovec data = {bytes, any_bytes(e, bytes, sizeof bytes)};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    // This descriptor is not a socket. If it were one, the kernel would close
    // it later and report an event.
    const int passed = STDERR_FILENO;
    memcpy(CMSG_DATA(&control.header), &passed, sizeof passed);
    note_sent(e->fd, sendmsg(e->fd, &message, MSG_NOSIGNAL));
    return true;
}

static bool finish_sending(struct actor *me)
{
    const struct end *e = any_end();
    (void)me;
    if (next_byte() % 4 == 0 && shutdown(e->fd, SHUT_WR) == 0)
        peer_of(e)->finished = true;
    return true;
}

// Closes both ends of a pair and opens new ones, which may get the same
// descriptors.
static bool close_ends(struct actor *me)
{
    struct end *one = any_end(), *other = peer_of(one);
    int pair = (int)(one - ends) / 2;
    (void)me;
    compare();
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        if (!a->exists || a->wait != IO || a->end / 2 != pair)
            continue;
        a->closed = true;
        if (a->state == CO_WAITING)
            model_end_wait(a, EBADF);
    }
    co_close(one->fd);
    co_close(other->fd);
    open_pair(pair);
    return true;
}

// ---- The table of steps

static bool cause_fault(struct actor *me)
{
    unsigned byte = next_byte();
    (void)me;
    set_fault(byte % FAULTS, (int)(byte / FAULTS % 4));
    return true;
}

static bool end_sometimes(struct actor *me)
{
    (void)me;
    return next_byte() % 8 > 0;
}

typedef bool step(struct actor *me);

// A byte of the input selects one of these steps, some of which are listed
// twice, to be more frequent.
static step *const steps[] = {
    start_task,
    start_member,
    create_generator,
    resume,
    resume,
    yield,
    free_actor,
    reschedule,
    park,
    park,
    wake,
    wake,
    wake_async,
    cancel,
    set_deadline,
    limit_waits,
    sleep_for_a_while,
    compute,
    wait_for_sem,
    post_sem,
    join_group,
    cancel_group,
    offload,
    receive,
    receive,
    transmit,
    transmit,
    wait_until_ready,
    pass_descriptor,
    finish_sending,
    close_ends,
    cause_fault,
    end_sometimes,
};

static bool act(struct actor *me)
{
    if (input_left == 0)
        return false;
    bool continues = steps[next_byte() % (sizeof steps / sizeof steps[0])](me);
    MUST(current == me);
    compare();
    step_count++;
    return continues;
}

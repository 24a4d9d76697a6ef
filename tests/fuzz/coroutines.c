// coroutines.c - fuzzes the coroutine runtime, with a model of co.h to compare.
//
// The input is a program for up to 16 coroutines ("actors"). The actor that
// runs takes the next byte of the input, which selects its next step: start
// another actor, yield, park, wake one, sleep, receive, wait for a semaphore,
// cancel, resume, free, and so on. The model (co_model.c) does the same step.
// After each step, this test checks:
//
//   - the state of every coroutine, and the result of every call;
//   - that an actor continues only when something has ended its wait, and that
//     every ready actor gets its turn;
//   - that the loop sleeps only when no coroutine is ready, until exactly the
//     next timer, and that it does not busy-wait;
//   - that no coroutine waits for a descriptor that is ready, and that all data
//     arrives in order.
//
// The clock is virtual: it moves only while the loop sleeps. So each input
// gives the same run every time. When the loop would never wake up, the test
// acts from outside: it wakes an actor or lets a job of co_offload() end. At
// the end of the input all actors are cancelled, and must end.

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "co_model.h"
#include "fuzz.h"

enum {
    PAIRS = 4,
    ENDS = 2 * PAIRS,
    MESSAGES_MAX = 64,
    STACK_SIZE = 64 * 1024,
    RETRY_MS = 10,
    NS_PER_MS = 1000000,
    NS_PER_S = 1000000000,
};

// ---- The input

static const uint8_t *input;
static size_t input_left;
static uint64_t steps;  // of all inputs together

static unsigned next_byte(void)
{
    if (input_left == 0)
        return 0;
    input_left--;
    return *input++;
}

static struct actor *current;  // the actor that runs, or NULL
static struct co_group groups[GROUPS];

static struct actor *any_actor(void)
{
    return &actors[next_byte() % ACTORS];
}

// ---- Sockets: what has been sent and not yet received

// One end of a socket pair, and what is on its way to it. Each byte of a stream
// is its own position, modulo 256, so that a lost or swapped byte is noticed.
struct end {
    int fd;                          // -1: not opened for this input
    int message_lens[MESSAGES_MAX];  // a stream has one, long message
    int message_count;
    uint8_t next_sent, next_received;
    bool finished;  // its peer will send no more
};

static struct end ends[ENDS];
static const int types[PAIRS] = {SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM,
                                 SOCK_SEQPACKET};

static bool is_stream(const struct end *e)
{
    return types[(e - ends) / 2] == SOCK_STREAM;
}

static struct end *peer_of(const struct end *e)
{
    return &ends[(e - ends) ^ 1];
}

static struct end *end_of(int fd)
{
    for (int i = 0; i < ENDS; i++)
        if (ends[i].fd == fd)
            return &ends[i];
    return NULL;
}

static void open_pair(int pair)
{
    int fds[2];
    const int least = 1;  // The kernel raises this to its minimum.
    MUST(socketpair(AF_UNIX, types[pair] | SOCK_NONBLOCK, 0, fds) == 0);
    for (int i = 0; i < 2; i++) {
        ends[2 * pair + i] = (struct end){.fd = fds[i]};
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    }
}

static struct end *any_end(void)
{
    int at = (int)next_byte() % ENDS;
    if (ends[at].fd < 0)
        open_pair(at / 2);
    return &ends[at];
}

// Notes that `len` bytes are on their way to `to`.
static void add_message(struct end *to, int len)
{
    bool joins = is_stream(to) && to->message_count > 0;
    if (!joins) {
        MUST(to->message_count < MESSAGES_MAX);
        to->message_lens[to->message_count++] = 0;
    }
    to->message_lens[to->message_count - 1] += len;
}

static void remove_message(struct end *e, int len)
{
    e->next_received = (uint8_t)(e->next_received + len);
    e->message_lens[0] -= len;
    if (e->message_lens[0] > 0)
        return;
    e->message_count--;
    memmove(e->message_lens, e->message_lens + 1,
            (size_t)e->message_count * sizeof e->message_lens[0]);
}

// Checks `len` bytes that `e` has received, in a call that asked for `size`.
static void check_received(struct end *e, const uint8_t *bytes, int len,
                           int size)
{
    if (len == 0) {
        MUST(e->finished && e->message_count == 0);
        return;
    }
    MUST(e->message_count > 0);
    int expected = e->message_lens[0];
    for (int i = 0; i < len; i++)
        MUST(bytes[i] == (uint8_t)(e->next_received + i));
    if (is_stream(e)) {
        MUST(len <= expected);
        remove_message(e, len);
    } else {
        MUST(len == (expected < size ? expected : size));
        remove_message(e, expected);  // The kernel discards the rest.
    }
}

// ---- Comparing the runtime with the model

static struct co *keeper;  // starts actors, and cancels them at the end

static struct actor *actor_of(const struct co *c)
{
    for (int i = 0; i < ACTORS; i++)
        if (actors[i].exists && actors[i].c == c)
            return &actors[i];
    return NULL;
}

static enum co_state state_of(const struct actor *a)
{
    return a->c != NULL ? co_state_of(a->c) : a->state;
}

// Brings the model of a joining actor up to date. When it is interrupted, the
// runtime cancels the group's members and makes it wait again, without a return
// to this test. It also waits again if a member was added after the last one
// had ended.
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

static void notice_joiners(void)
{
    for (int i = 0; i < GROUPS; i++)
        notice_joiner_of(i);
}

// Compares the state of an actor in a call for a descriptor. It may be woken,
// find nothing to do and wait again, without a return to this test. But right
// after the loop has slept, it must be ready if its descriptor is ready.
static void compare_io(struct actor *a, enum co_state state)
{
    MUST(state == CO_READY || state == CO_WAITING);
    if (a->error != 0 || a->must_run)
        MUST(state == CO_READY);
    else
        a->state = state;
    a->must_run = false;
}

static void compare(void)
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

// Notes that `me` has returned from a call that may have suspended it. Returns
// the error with which the call had to fail, or 0.
static int return_from_call(struct actor *me)
{
    int saved_errno = errno;
    MUST(co_self() == me->c);
    MUST(me->wait == IO || me->state == CO_READY);
    current = me;
    compare();
    errno = saved_errno;
    return model_return(me);
}

static void must_be(int result, int error)
{
    MUST(error == 0 ? result >= 0 : result == -1 && errno == error);
}

// Checks the result of a waiting call. If `refusal` is not 0, the call had to
// fail at once with that error.
static void must_return(struct actor *me, int refusal, int result)
{
    must_be(result, refusal != 0 ? refusal : return_from_call(me));
}

// ---- Faults: how many of the next calls fail

enum fault { EPOLL_FULL, INTERRUPT, NO_MEMORY, FAULTS };

static int faults[FAULTS];

static bool fails(enum fault fault)
{
    if (faults[fault] == 0)
        return false;
    faults[fault]--;
    return true;
}

// Notes whether epoll has refused to watch a descriptor for the running
// coroutine. The runtime then tries again after RETRY_MS.
static void notice_unwatched(bool unwatched)
{
    struct actor *a = actor_of(co_self());
    if (a == NULL)
        return;
    a->unwatched = unwatched;
    a->tried_again = a->tried_again || unwatched;
    a->due_ms = unwatched ? now_ms + RETRY_MS : a->limit_at;
}

int __real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    bool full = fails(EPOLL_FULL);
    notice_unwatched(full);
    if (!full)
        return __real_epoll_ctl(epoll, op, fd, event);
    errno = op == EPOLL_CTL_ADD ? ENOSPC : ENOMEM;
    return -1;
}

void *__real_mmap(void *at, size_t size, int access, int flags, int fd,
                  off_t offset);
void *__wrap_mmap(void *at, size_t size, int access, int flags, int fd,
                  off_t offset);

void *__wrap_mmap(void *at, size_t size, int access, int flags, int fd,
                  off_t offset)
{
    if (!fails(NO_MEMORY))
        return __real_mmap(at, size, access, flags, fd, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

// ---- System calls that transfer data: here the model learns of it

static ssize_t received(int fd, const void *bytes, size_t size, ssize_t n)
{
    struct actor *a = actor_of(co_self());
    struct end *e = end_of(fd);
    MUST(a != NULL && e != NULL);
    if (n >= 0)
        check_received(e, bytes, (int)n, (int)size);
    a->transferred = n;
    return n;
}

static bool interrupted(void)
{
    if (!fails(INTERRUPT))
        return false;
    errno = EINTR;
    return true;
}

ssize_t __real_recv(int fd, void *buf, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags);

ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags)
{
    if (interrupted())
        return -1;
    return received(fd, buf, size, __real_recv(fd, buf, size, flags));
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    if (interrupted())
        return -1;
    struct iovec space = message->msg_iov[0];
    ssize_t n = __real_recvmsg(fd, message, flags);
    return received(fd, space.iov_base, space.iov_len, n);
}

static void sent(int fd, ssize_t n)
{
    struct end *e = end_of(fd);
    MUST(e != NULL);
    if (n <= 0)
        return;
    add_message(peer_of(e), (int)n);
    e->next_sent = (uint8_t)(e->next_sent + n);
}

ssize_t __real_send(int fd, const void *buf, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags);

ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags)
{
    if (interrupted())
        return -1;
    ssize_t n = __real_send(fd, buf, len, flags);
    sent(fd, n);
    actor_of(co_self())->transferred = n;
    return n;
}

// ---- Time, and the outside world

static bool clock_is_virtual;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!clock_is_virtual)
        return __real_clock_gettime(clock, now);
    *now = (struct timespec){now_ms * NS_PER_MS / NS_PER_S,
                             now_ms * NS_PER_MS % NS_PER_S};
    return 0;
}

static sem_t jobs[ACTORS];  // each is posted when that actor's job may end

// Returns the actor whose job has been waiting longest in another thread, or
// NULL if there is none.
static struct actor *oldest_job(void)
{
    struct actor *oldest = NULL;
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        if (!a->exists || a->wait != OFFLOAD || a->job_ends)
            continue;
        if (oldest == NULL || a->ticket < oldest->ticket)
            oldest = a;
    }
    return oldest;
}

static int64_t next_due_ms(void)
{
    int64_t earliest_ms = NEVER;
    for (int i = 0; i < ACTORS; i++)
        if (actors[i].exists && model_due_ms(&actors[i]) < earliest_ms)
            earliest_ms = model_due_ms(&actors[i]);
    return earliest_ms;
}

// Returns the timeout, in ms, with which the loop must wait now; -1 means none.
static int expected_timeout_ms(void)
{
    bool ready = co_state_of(keeper) == CO_READY;
    for (int i = 0; i < ACTORS; i++)
        ready = ready || (actors[i].exists && state_of(&actors[i]) == CO_READY);
    int64_t due_ms = next_due_ms();
    if (ready || due_ms <= now_ms)
        return 0;
    return due_ms == NEVER ? -1 : (int)(due_ms - now_ms);
}

// Checks that ready coroutines run soon. A ready coroutine runs in the next
// round of the loop; before its call returns, it may be rescheduled once
// because its budget is used up. One that joins a group may also wait again,
// and become ready again in the same round.
static void check_turns(void)
{
    enum { ROUNDS_MAX = 2, ROUNDS_TO_JOIN_MAX = 4 };
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        if (!a->exists || state_of(a) != CO_READY)
            a->rounds_ready = 0;
        else
            MUST(++a->rounds_ready <=
                 (a->wait == JOIN ? ROUNDS_TO_JOIN_MAX : ROUNDS_MAX));
    }
}

static void before_sleep(int timeout_ms)
{
    current = NULL;
    notice_joiners();
    model_deliver_async_wakes();
    compare();
    check_turns();
    MUST(timeout_ms == expected_timeout_ms());
}

// Ends the waits in the model that the loop will end now: those for ready
// descriptors, and those whose time has come.
static void after_wait(void)
{
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        if (!a->exists || a->wait != IO || a->state != CO_WAITING ||
            a->unwatched)
            continue;
        struct pollfd fd = {.fd = ends[a->end].fd,
                            .events = a->out ? POLLOUT : POLLIN};
        if (poll(&fd, 1, 0) <= 0)
            continue;
        model_end_wait(a, 0);
        a->must_run = true;
    }
    model_deliver_async_wakes();
    model_pass_time();
}

// Causes an event that ends the sleep of the loop. Returns whether another
// thread causes it, so that the loop must wait for it.
static bool outside_acts(void)
{
    struct actor *job = oldest_job();
    if (job != NULL && (input_left == 0 || next_byte() % 2 == 0)) {
        job->job_ends = true;
        model_end_wait(job, 0);
        sem_post(&jobs[job - actors]);
        return true;
    }
    unsigned byte = next_byte();
    struct actor *a = &actors[byte % ACTORS];
    if (input_left == 0 || byte % 2 == 0) {
        co_wake_async(keeper);
    } else if (a->exists && a->c != NULL) {
        co_wake_async(a->c);
        model_wake_async(a);
    }
    return false;
}

// Waits until the other thread has acted. libFuzzer's timer may interrupt the
// wait.
static int wait_for_thread(int (*wait_call)(int ms))
{
    int count = wait_call(-1);
    while (count < 0 && errno == EINTR)
        count = wait_call(-1);
    return count;
}

// Replaces a call of the loop that waits for up to `timeout_ms`. wait_call(ms)
// makes the real call. Returns the number of events.
static int wait_in_loop(int timeout_ms, int (*wait_call)(int ms))
{
    before_sleep(timeout_ms);
    int count = wait_call(0);
    bool jumps =
        timeout_ms > 0 && (oldest_job() == NULL || next_byte() % 4 > 0);
    if (count == 0 && jumps)
        now_ms += timeout_ms;
    while (count == 0 && timeout_ms != 0 && !jumps)
        count = outside_acts() ? wait_for_thread(wait_call) : wait_call(0);
    after_wait();
    return count;
}

static struct {
    int epoll;
    struct epoll_event *events;
    int events_max;
} wait_arguments;

int __real_epoll_wait(int epoll, struct epoll_event *events, int max, int ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int ms);
int __real_epoll_pwait(int epoll, struct epoll_event *events, int max, int ms,
                       const sigset_t *mask);
int __wrap_epoll_pwait(int epoll, struct epoll_event *events, int max, int ms,
                       const sigset_t *mask);

static bool in_real_epoll_wait;

static int wait_by_epoll(int ms)
{
    in_real_epoll_wait = true;
    int count = __real_epoll_wait(wait_arguments.epoll, wait_arguments.events,
                                  wait_arguments.events_max, ms);
    in_real_epoll_wait = false;
    return count;
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int ms)
{
    wait_arguments.epoll = epoll;
    wait_arguments.events = events;
    wait_arguments.events_max = max;
    return wait_in_loop(ms, wait_by_epoll);
}

// Called by the loop, or by epoll_wait() of a statically linked C library. The
// mask can be ignored: there are no signals here.
int __wrap_epoll_pwait(int epoll, struct epoll_event *events, int max, int ms,
                       const sigset_t *mask)
{
    if (in_real_epoll_wait)
        return __real_epoll_pwait(epoll, events, max, ms, mask);
    return __wrap_epoll_wait(epoll, events, max, ms);
}

// ---- Actors

static bool act(struct actor *me);

// Ends an actor in the model. `error` is what a member of a group fails with,
// or 0.
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

// ---- What an actor can do. Each step returns whether the actor continues.

static bool start_task(struct actor *me)
{
    struct actor *a = model_free_slot();
    (void)me;
    if (a == NULL || input_left == 0)
        return true;
    model_create(a, true);
    if (co_go(task_main, a) != 0) {
        MUST(errno == ENOMEM);
        a->exists = false;
    }
    return true;
}

static bool start_member(struct actor *me)
{
    struct actor *a = model_free_slot();
    int group = (int)next_byte() % GROUPS;
    (void)me;
    if (a == NULL)
        return true;
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
        return true;  // Rarely: a cancelled actor does little more.
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

static struct co_sem sems[SEMS];

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

static void do_job(void *arg)
{
    while (sem_wait(&jobs[(struct actor *)arg - actors]) != 0)
        continue;
}

static bool offload(struct actor *me)
{
    int refusal = model_refusal(me);
    if (next_byte() % 8 > 0)
        return true;  // Rarely: threads are slow.
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
    // When another actor's co_group_join() is interrupted, it cancels the
    // members, perhaps after their calls have succeeded.
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
    len = 1 + len * len / 64 % size;  // Mostly few.
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
    // It is not a socket: the kernel would close that later and report an
    // event.
    const int passed = STDERR_FILENO;
    memcpy(CMSG_DATA(&control.header), &passed, sizeof passed);
    sent(e->fd, sendmsg(e->fd, &message, MSG_NOSIGNAL));
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

// ---- Steps

static bool cause_fault(struct actor *me)
{
    unsigned byte = next_byte();
    (void)me;
    faults[byte % FAULTS] = (int)(byte / FAULTS % 4);
    return true;
}

static bool end_sometimes(struct actor *me)
{
    (void)me;
    return next_byte() % 8 > 0;
}

typedef bool step(struct actor *me);

static bool act(struct actor *me)
{
    static step *const all[] = {
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
    if (input_left == 0)
        return false;
    bool continues = all[next_byte() % (sizeof all / sizeof all[0])](me);
    MUST(current == me);
    compare();
    steps++;
    return continues;
}

// ---- The end

// Cancels all actors. When no task is left, frees those that no actor will
// resume any more. Returns whether none is left.
static bool end_all(void)
{
    int task_count = 0, count = 0;
    for (int i = 0; i < ACTORS; i++)
        task_count += actors[i].exists && actors[i].is_task;
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        if (!a->exists || a->c == NULL)
            continue;
        co_cancel(a->c);
        model_cancel(a);
        if (task_count == 0)
            a->exists = co_free(a->c) != 0;
        count += a->exists;
    }
    return task_count + count == 0;
}

static void keeper_main(void *arg)
{
    (void)arg;
    keeper = co_self();
    do {
        co_park();
        compare();
        start_task(NULL);
    } while (input_left > 0 || !end_all());
}

static void begin(const uint8_t *data, size_t len)
{
    input = data;
    input_left = len;
    model_reset();
    memset(faults, 0, sizeof faults);
    memset(sems, 0, sizeof sems);
    memset(groups, 0, sizeof groups);
    for (int i = 0; i < ENDS; i++)
        ends[i].fd = -1;
    current = NULL;
    clock_is_virtual = true;
}

static void report(void)
{
    fprintf(stderr, "# coroutines: %llu steps\n", (unsigned long long)steps);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static bool registered;
    if (!registered)
        atexit(report);
    registered = true;
    co_set_stack_size(STACK_SIZE);
    co_set_offload_threads(2);
    begin(data, len);
    MUST(co_go(keeper_main, NULL) == 0);
    start_task(NULL);
    faults[EPOLL_FULL] = (int)(len % 2);
    while (co_run() != 0)
        MUST(errno == ENOSPC);
    for (int i = 0; i < ACTORS; i++)
        MUST(!actors[i].exists);
    for (int i = 0; i < SEMS; i++)
        MUST(sems[i].waiters.first == NULL);
    clock_is_virtual = false;
    for (int i = 0; i < ENDS; i++)
        if (ends[i].fd >= 0)
            close(ends[i].fd);
    MUST(len % 4 > 0 || co_release_stacks() == 0);
    return 0;
}

int fuzz_random_count(void)
{
#ifdef SANITIZED
    return 1000;
#else
    return 20000;
#endif
}

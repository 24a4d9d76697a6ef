// co_calls.c - the system calls of the runtime, which this test replaces.

#include "co_calls.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "co_compare.h"
#include "co_ends.h"
#include "co_input.h"
#include "fuzz.h"

enum { RETRY_MS = 10, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

// ---- Faults: how many of the next calls fail

static int faults[FAULTS];

void set_fault(enum fault fault, int count)
{
    faults[fault] = count;
}

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

// ---- Calls that transfer data, and tell the model how much

static ssize_t received(int fd, const void *bytes, size_t size, ssize_t n)
{
    struct actor *a = actor_of(co_self());
    MUST(a != NULL);
    check_received(fd, bytes, n, size);
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

ssize_t __real_send(int fd, const void *buf, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags);

ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags)
{
    if (interrupted())
        return -1;
    ssize_t n = __real_send(fd, buf, len, flags);
    note_sent(fd, n);
    actor_of(co_self())->transferred = n;
    return n;
}

// ---- Time, and the outside world

static bool clock_is_virtual;
static struct co *keeper;

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

void calls_begin(void)
{
    memset(faults, 0, sizeof faults);
    clock_is_virtual = true;
}

void calls_end(void)
{
    clock_is_virtual = false;
}

void set_keeper(struct co *c)
{
    keeper = c;
}

static sem_t jobs[ACTORS];  // each is posted when that actor's job may end

void do_job(void *arg)
{
    while (sem_wait(&jobs[(struct actor *)arg - actors]) != 0)
        continue;
}

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
// because its budget is used up.
static void check_turns(void)
{
    enum { ROUNDS_MAX = 2 };
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        if (!a->exists || state_of(a) != CO_READY)
            a->rounds_ready = 0;
        else
            MUST(++a->rounds_ready <= ROUNDS_MAX);
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

// The arguments with which the loop has called epoll_wait().
static struct {
    int epoll;
    struct epoll_event *events;
    int events_max;
} wait_arguments;

// Returns whether the first `count` events are also for the descriptor and the
// direction of `a`.
static bool is_reported(const struct actor *a, int count)
{
    uint32_t wanted = a->out ? EPOLLOUT : EPOLLIN | EPOLLRDHUP | EPOLLPRI;
    for (int i = 0; i < count; i++) {
        const struct epoll_event *e = &wait_arguments.events[i];
        if ((int)e->data.u64 == ends[a->end].fd &&
            (e->events & (wanted | EPOLLHUP | EPOLLERR)) != 0)
            return true;
    }
    return false;
}

// Returns whether the loop must wake `a` now, after a wait with `count` events.
// If epoll has refused to watch the descriptor for `a`, it may still report the
// descriptor, because it watches it for an actor that waits for the other
// direction.
static bool must_wake(const struct actor *a, int count)
{
    if (a->unwatched)
        return is_reported(a, count);
    struct pollfd fd = {.fd = ends[a->end].fd,
                        .events = a->out ? POLLOUT : POLLIN};
    return poll(&fd, 1, 0) > 0;
}

// Ends the waits in the model that the loop will end now: those for ready
// descriptors, and those whose time has come.
static void after_wait(int count)
{
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        if (!a->exists || a->wait != IO || a->state != CO_WAITING ||
            !must_wake(a, count))
            continue;
        model_end_wait(a, 0);
        model_end_retries(a);
        a->must_run = true;
    }
    model_deliver_async_wakes();
    model_pass_time();
}

// Causes an event that ends the sleep of the loop. Returns true if another
// thread causes the event, so that the loop must wait for it.
static bool cause_event(void)
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

// Waits until the other thread has caused its event. libFuzzer's timer may
// interrupt the wait.
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
        count = cause_event() ? wait_for_thread(wait_call) : wait_call(0);
    after_wait(count);
    return count;
}

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

// Replaces the epoll_pwait() of the loop, but not that in the epoll_wait() of a
// statically linked C library. Ignores the mask, because there are no signals
// here.
int __wrap_epoll_pwait(int epoll, struct epoll_event *events, int max, int ms,
                       const sigset_t *mask)
{
    if (in_real_epoll_wait)
        return __real_epoll_pwait(epoll, events, max, ms, mask);
    return __wrap_epoll_wait(epoll, events, max, ms);
}

// co_io.c - calls that wait for a descriptor while other coroutines run.
//
// Each call tries first, as most often it need not wait. A descriptor is made
// known to epoll when a call on it would have to wait for the first time, and
// stays known until it is closed: one epoll_ctl() in its life, or two if it
// also has to wait for writing. The price is a memory of what epoll has said,
// as it then says everything only once (EPOLLET, see epoll(7)).

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "co.h"
#include "co_internal.h"
#include "co_tools.h"

// One of the two directions of a descriptor.
struct direction {
    struct co *waiter;  // NULL: nobody waits
    bool drained;       // a try would only say EAGAIN, until an event comes
};

// What we remember of a descriptor; all zero when it is new.
struct slot {
    struct direction in, out;
    uint32_t events;      // what epoll watches; 0: it does not know it yet
    uint32_t generation;  // unmasks an event of a descriptor since closed
    bool read_on;         // something was announced that a short read hides
};

enum {
    EVENTS_AT_ONCE = 256,
    SLOTS_AT_FIRST = 64,
    RETRY_MS = 10,
    // The end of the input, and TCP's urgent data: both stop a recv() short
    // although there is more to come, which no further event announces.
    SPECIAL = EPOLLRDHUP | EPOLLPRI,
};

struct io {
    bool open;
    int epoll, event;
    struct slot *slots;  // indexed by descriptor
    size_t slot_count;
    struct tools_signals held;
};

static _Thread_local struct io io = {.epoll = -1, .event = -1};

// Returns what we remember of `fd`, or NULL with errno set. It may move when
// others run: look it up again after every wait.
static struct slot *slot_of(int fd)
{
    size_t at = (size_t)fd;
    if (at < io.slot_count)
        return &io.slots[at];
    if (fd < 0) {
        errno = EBADF;
        return NULL;
    }
    size_t count = at < SLOTS_AT_FIRST ? SLOTS_AT_FIRST : 2 * at;
    struct slot *slots = realloc(io.slots, count * sizeof *slots);
    if (slots == NULL)
        return NULL;
    memset(slots + io.slot_count, 0, (count - io.slot_count) * sizeof *slots);
    io.slots = slots;
    io.slot_count = count;
    return &slots[at];
}

static void give_up(struct direction *d)
{
    if (d->waiter == NULL)
        return;
    d->waiter->wait_errno = EBADF;
    co_wake(d->waiter);
}

// Forgets what was remembered of an earlier descriptor with this number.
static void forget(int fd)
{
    if ((size_t)fd >= io.slot_count)
        return;
    struct slot *s = &io.slots[fd];
    give_up(&s->in);
    give_up(&s->out);
    *s = (struct slot){.generation = s->generation + 1};
}

static int watch(int fd, struct slot *s, uint32_t event)
{
    uint32_t events = s->events | event | EPOLLIN | SPECIAL | EPOLLET;
    if (events == s->events)
        return 0;
    struct epoll_event wanted = {.events = events,
                                 .data.u64 = (uint64_t)s->generation << 32 |
                                             (uint32_t)fd};
    int op = s->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(io.epoll, op, fd, &wanted) != 0)
        return -1;
    s->events = events;
    return 0;
}

static struct direction *direction_of(struct slot *s, uint32_t event)
{
    return event == EPOLLIN ? &s->in : &s->out;
}

// LESSON try-then-wait: called after a try has said "not now". If the event
// comes between that try and this call, epoll still reports it: it tells what
// is the case when a descriptor is added, and afterwards every change.
static int wait_for(int fd, uint32_t event)
{
    struct slot *s = slot_of(fd);
    if (s == NULL)
        return -1;
    if (direction_of(s, event)->waiter != NULL) {
        errno = EBUSY;
        return -1;
    }
    if (watch(fd, s, event) != 0) {
        if (errno != ENOSPC && errno != ENOMEM)
            return -1;
        co_sleep(RETRY_MS);  // Full tables empty again; the caller's next try
        return 0;            // finds out whether waiting is still called for.
    }
    struct co *self = co_self();
    uint32_t generation = s->generation;
    direction_of(s, event)->waiter = self;
    int result =
        co_park_for(self->wait_limit_ms > 0 ? self->wait_limit_ms : -1);
    s = slot_of(fd);
    if (s->generation == generation)  // It was not closed meanwhile.
        *direction_of(s, event) = (struct direction){0};
    return result;
}

static void became_ready(struct direction *d)
{
    d->drained = false;
    if (d->waiter != NULL)
        co_wake(d->waiter);
}

static void handle(const struct epoll_event *e)
{
    uint32_t broken = EPOLLHUP | EPOLLERR;
    struct slot *s = &io.slots[(uint32_t)e->data.u64];

    if (s->generation != (uint32_t)(e->data.u64 >> 32))
        return;  // For a descriptor that was closed earlier in this round.
    if (e->events & (SPECIAL | broken))
        s->read_on = true;
    if (e->events & (EPOLLIN | SPECIAL | broken))
        became_ready(&s->in);
    if (e->events & (EPOLLOUT | broken))
        became_ready(&s->out);
}

int co_open_events(void)
{
    if (io.open)
        return io.event;
    tools_hold_signals(&io.held);
    io.epoll = epoll_create1(EPOLL_CLOEXEC);
    io.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct slot *s = io.epoll < 0 || io.event < 0 ? NULL : slot_of(io.event);
    // Nobody ever reads it: each write is an event of its own.
    io.open = s != NULL && watch(io.event, s, EPOLLIN) == 0;
    if (!io.open)
        co_close_events();
    return io.open ? io.event : -1;
}

void co_close_events(void)
{
    int saved = errno;
    tools_let_signals(&io.held);
    if (io.epoll >= 0)
        close(io.epoll);
    if (io.event >= 0)
        close(io.event);
    free(io.slots);
    io = (struct io){.epoll = -1, .event = -1};
    errno = saved;
}

int co_wait_events(int timeout_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = tools_epoll_wait(io.epoll, events, EVENTS_AT_ONCE, timeout_ms,
                                 &io.held);
    if (count < 0)
        return errno == EINTR ? 0 : -1;
    for (int i = 0; i < count; i++)
        handle(&events[i]);
    return 0;
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

// After a failed try on `fd`: waits if waiting helps. Returns 0 when the next
// try makes sense, or -1 with errno set.
static int retry(int fd, uint32_t event)
{
    if (errno == EINTR || errno == ECONNABORTED)
        return 0;
    if (!would_block())
        return -1;
    struct slot *s = slot_of(fd);
    if (s == NULL)
        return -1;
    direction_of(s, event)->drained = true;
    return wait_for(fd, event);
}

// What every call begins with: waits first if a try is known to be in vain.
// Returns 0, or -1.
static int begin_call(int fd, uint32_t event)
{
    struct slot *s = slot_of(fd);
    if (s == NULL)
        return -1;
    if (co_self()->cancelled) {
        errno = ECANCELED;
        return -1;
    }
    return direction_of(s, event)->drained ? wait_for(fd, event) : 0;
}

int co_accept(int listener)
{
    if (begin_call(listener, EPOLLIN) != 0)
        return -1;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) <
           0)
        if (retry(listener, EPOLLIN) != 0)
            return -1;
    forget(fd);
    co_spend();
    return fd;
}

ssize_t co_recv(int fd, void *buf, size_t size)
{
    if (begin_call(fd, EPOLLIN) != 0)
        return -1;
    ssize_t got;
    while ((got = recv(fd, buf, size, 0)) < 0)
        if (retry(fd, EPOLLIN) != 0)
            return -1;

    // LESSON short-read: less than we asked for was all there is. The next try
    // is spared, one system call in three.
    struct slot *s = slot_of(fd);
    if (s != NULL && got > 0 && (size_t)got < size && !s->read_on)
        s->in.drained = true;
    co_spend();
    return got;
}

ssize_t co_send(int fd, const void *buf, size_t len)
{
    if (begin_call(fd, EPOLLOUT) != 0)
        return -1;
    ssize_t put;
    while ((put = send(fd, buf, len, MSG_NOSIGNAL)) < 0)
        if (retry(fd, EPOLLOUT) != 0)
            return -1;
    co_spend();
    return put;
}

int co_poll(int fd, uint32_t events)
{
    struct pollfd wanted = {.fd = fd, .events = (short)events};
    int ready;
    while ((ready = poll(&wanted, 1, 0)) <= 0)
        if ((ready == 0 || errno != EINTR) && wait_for(fd, events) != 0)
            return -1;
    if (wanted.revents & POLLNVAL) {
        errno = EBADF;
        return -1;
    }
    co_spend();
    return 0;
}

int co_close(int fd)
{
    forget(fd);
    return close(fd);
}

// co_io.c - calls that wait for a descriptor while other coroutines run.
//
// Most calls need not wait, so a call usually tries its system call first. If
// it has to wait for a descriptor, it adds the descriptor to epoll, where the
// descriptor stays until it is closed. This takes one epoll_ctl() for each
// descriptor, and a second one if a call waits for writing later. With EPOLLET
// (see epoll(7)), epoll reports each event only once. Otherwise it would report
// the same input at every call, until a coroutine reads it. So this file must
// remember the events.
//
// The thread blocks only in wait_for_events(), for all coroutines at once.

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "co.h"
#include "co_internal.h"

// One direction of a descriptor: reading from it, or writing to it.
struct direction {
    struct co *waiter;  // the coroutine that waits, or NULL
    bool drained;       // until the next event, the system call gives EAGAIN
};

enum kind { UNKNOWN, TCP, UNIX_STREAM, OTHER };

// What this file remembers of a descriptor. Starts as {0}.
struct slot {
    struct direction in, out;
    uint32_t events;      // what epoll watches; 0: not added yet
    uint32_t generation;  // how many descriptors have had this number before
    enum kind kind;       // the kind of socket
    bool read_on;         // a SPECIAL event or error came: see receive()
};

// A waiting call, and the event of a descriptor for which it waits.
struct call {
    int fd;
    uint32_t event;
    int64_t due_ns;  // when it must end; 0: it has not waited yet
};

enum {
    EVENTS_AT_ONCE = 256,
    SLOTS_AT_FIRST = 64,
    RETRY_MS = 10,
    // After one of these two events, recv() may return less than it was asked
    // for. More can be read then, but no further event comes. EPOLLRDHUP: the
    // peer has shut down its sending side, so another recv() must follow, which
    // returns 0. EPOLLPRI: the peer has sent urgent data, and recv() stops
    // before these data.
    SPECIAL = EPOLLRDHUP | EPOLLPRI,
};

static const uint64_t MAIL = UINT64_MAX;  // key of the mailbox in epoll

struct io {
    int epoll;
    struct slot *slots;  // indexed by descriptor
    size_t slot_count;
};

static _Thread_local struct io io = {.epoll = -1};

// ---- Slots: what this file remembers of descriptors

// Returns the slot of `fd`, or NULL with errno set. Call it again after every
// wait: other coroutines may enlarge the table, which moves the slots.
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

static struct direction *direction_of(struct slot *s, uint32_t event)
{
    return event == EPOLLIN ? &s->in : &s->out;
}

// Empties the slot of a descriptor, and ends all waits for it with EBADF. The
// kernel may give the same number to a new descriptor. Then handle_event()
// recognizes the events of the old descriptor by their generation.
static void forget(int fd)
{
    if ((size_t)fd >= io.slot_count)
        return;
    struct slot *s = &io.slots[fd];
    if (s->in.waiter != NULL)
        co_end_wait(s->in.waiter, EBADF);
    if (s->out.waiter != NULL)
        co_end_wait(s->out.waiter, EBADF);
    *s = (struct slot){.generation = s->generation + 1};
}

static int socket_option(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    getsockopt(fd, SOL_SOCKET, name, &value, &size);
    return value;
}

// Returns the kind of a socket. Asks the kernel only the first time.
static enum kind kind_of(int fd, struct slot *s)
{
    if (s->kind != UNKNOWN)
        return s->kind;
    s->kind = OTHER;
    if (socket_option(fd, SO_PROTOCOL) == IPPROTO_TCP)
        s->kind = TCP;
    else if (socket_option(fd, SO_DOMAIN) == AF_UNIX &&
             socket_option(fd, SO_TYPE) == SOCK_STREAM)
        s->kind = UNIX_STREAM;
    return s->kind;
}

// ---- Events

static void became_ready(struct direction *d)
{
    d->drained = false;
    if (d->waiter != NULL)
        co_end_wait(d->waiter, 0);
}

static void handle_event(const struct epoll_event *e)
{
    const uint32_t broken = EPOLLHUP | EPOLLERR;
    if (e->data.u64 == MAIL)
        return;  // The loop collects mail in any case.
    struct slot *s = &io.slots[(uint32_t)e->data.u64];

    if (s->generation != (uint32_t)(e->data.u64 >> 32))
        return;  // The event is of a descriptor closed in this round.
    if (e->events & (SPECIAL | broken))
        s->read_on = true;
    if (e->events & (EPOLLIN | SPECIAL | broken))
        became_ready(&s->in);
    if (e->events & (EPOLLOUT | broken))
        became_ready(&s->out);
}

// Blocks the thread: see `wait` in struct co_poller. The next two functions are
// its `open` and `close`.
static int wait_for_events(int timeout_ms, const sigset_t *mask)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count =
        co_tools_epoll_wait(io.epoll, events, EVENTS_AT_ONCE, timeout_ms, mask);
    for (int i = 0; i < count; i++)
        handle_event(&events[i]);
    return count < 0 && errno != EINTR ? -1 : 0;
}

static int open_epoll(void)
{
    // With EPOLLET, epoll reports each write to the eventfd once. So the loop
    // need not read from the eventfd.
    struct epoll_event mail = {.events = EPOLLIN | EPOLLET, .data.u64 = MAIL};

    if (io.epoll >= 0)
        return 0;  // Left open by a co_run() that failed.
    io.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (io.epoll < 0)
        return -1;
    if (epoll_ctl(io.epoll, EPOLL_CTL_ADD, co_mailbox.event, &mail) == 0)
        return 0;
    int error = errno;
    close(io.epoll);
    io.epoll = -1;
    return co_fail(error);
}

static void close_epoll(void)
{
    close(io.epoll);
    free(io.slots);
    io = (struct io){.epoll = -1};
}

// Passes the functions above to the loop. So co_loop.c does not depend on this
// file.
__attribute__((constructor)) static void install(void)
{
    static const struct co_poller poller = {open_epoll, wait_for_events,
                                            close_epoll};
    co_set_poller(&poller);
}

// Adds a descriptor to epoll, or `event` to its events, unless epoll watches
// for them already. Returns 0, or -1 with errno set.
static int watch(int fd, struct slot *s, uint32_t event)
{
    uint32_t events = s->events | event | EPOLLIN | SPECIAL | EPOLLET;
    if (events == s->events)
        return 0;
    uint64_t key = (uint64_t)s->generation << 32 | (uint32_t)fd;
    struct epoll_event request = {.events = events, .data.u64 = key};
    int op = s->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(io.epoll, op, fd, &request) != 0)
        return -1;
    s->events = events;
    return 0;
}

// ---- Waiting

// LESSON try-then-wait: a call first tries its system call, and calls this
// function only if that fails with EAGAIN. If the event comes between the try
// and the wait, it is not lost: when a descriptor is added to epoll, epoll
// reports its present state, and from then on every change.
static int wait_for(struct call *call)
{
    struct slot *s = slot_of(call->fd);
    if (s == NULL)
        return -1;
    if (direction_of(s, call->event)->waiter != NULL)
        return co_fail(EBUSY);
    if (call->due_ns == 0)
        call->due_ns = co_limit_due_ns();
    bool watched = watch(call->fd, s, call->event) == 0;
    // After ENOSPC or ENOMEM, the kernel cannot watch the descriptor now. Then
    // this function waits for RETRY_MS, and its caller tries again. After any
    // other error, the call fails.
    if (!watched && errno != ENOSPC && errno != ENOMEM)
        return -1;

    uint32_t generation = s->generation;
    direction_of(s, call->event)->waiter = co_current();
    co_current()->fd = call->fd;
    int result = watched ? co_wait_until(call->due_ns) : co_sleep(RETRY_MS);
    s = &io.slots[call->fd];  // The table may have grown, and moved.
    if (s->generation != generation)
        return co_fail(EBADF);  // The descriptor has been closed.
    *direction_of(s, call->event) = (struct direction){0};
    if (!watched && result == 0 && call->due_ns <= co_now_ns())
        return co_fail(ETIMEDOUT);
    return result;
}

int co_awaited_fd(const struct co *c, uint32_t *event)
{
    if ((size_t)c->fd >= io.slot_count)
        return -1;
    const struct slot *s = &io.slots[c->fd];
    *event = s->in.waiter == c ? EPOLLIN : EPOLLOUT;
    return s->in.waiter == c || s->out.waiter == c ? c->fd : -1;
}

// Begins a call of co_accept(), co_recv() or co_send(). If it is certain that
// the system call would fail with EAGAIN, waits first. Returns 0, or -1 with
// errno set.
static inline int begin_call(struct call *call)
{
    if (co_begin_wait() != 0)
        return -1;
    struct slot *s = slot_of(call->fd);
    if (s == NULL)
        return -1;
    return direction_of(s, call->event)->drained ? wait_for(call) : 0;
}

// Handles the failure of a system call, with the reason in errno. After EAGAIN,
// waits for the event. Returns 0 if the caller should try again, or -1 if the
// call must fail.
static int wait_to_retry(struct call *call)
{
    if (errno == EINTR)
        return 0;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        return -1;
    direction_of(slot_of(call->fd), call->event)->drained = true;
    return wait_for(call);
}

// ---- The calls

int co_accept(int listener)
{
    struct call call = {.fd = listener, .event = EPOLLIN};
    if (begin_call(&call) != 0)
        return -1;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) <
           0)
        if (errno != ECONNABORTED && wait_to_retry(&call) != 0)
            return -1;
    forget(fd);
    enum kind kind = kind_of(listener, slot_of(listener));
    struct slot *s = slot_of(fd);
    if (s != NULL)
        s->kind = kind;
    co_spend();
    return fd;
}

int co_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    struct call call = {.fd = fd, .event = EPOLLOUT};
    if (co_begin_wait() != 0)
        return -1;
    // After the wait, another connect() returns the result of the first one.
    while (connect(fd, address, len) != 0)
        if ((errno != EINPROGRESS && errno != EALREADY && errno != EINTR) ||
            wait_for(&call) != 0)
            return -1;
    co_spend();
    return 0;
}

// Receives as recv(2) does, on a UNIX socket. A peer may send descriptors with
// some bytes (SCM_RIGHTS). Then recvmsg() stops after these bytes, even if more
// have arrived, and this function sets `cut`. It has no use for the
// descriptors, so the kernel closes them.
static ssize_t receive_unix(int fd, void *buf, size_t size, bool *cut)
{
    struct iovec space = {buf, size};
    struct msghdr message = {.msg_iov = &space, .msg_iovlen = 1};
    ssize_t n = recvmsg(fd, &message, 0);
    *cut = *cut || (message.msg_flags & MSG_CTRUNC) != 0;
    return n;
}

// LESSON short-read: if recv() on a stream returns less than it was asked for,
// it has read all that was there. So the next call waits at once and does not
// try recv() first. This saves one system call in three. There are three
// exceptions: datagrams, bytes that come with descriptors on a UNIX socket, and
// the time after an event in SPECIAL.
//
// Not inlined: otherwise co_recv() would have the variables of this function in
// its stack frame, and every idle client waits in co_recv().
__attribute__((noinline)) static ssize_t receive(int fd, void *buf, size_t size)
{
    struct slot *s = slot_of(fd);
    enum kind kind = kind_of(fd, s);
    bool cut = kind == OTHER || s->read_on;
    ssize_t n = kind == UNIX_STREAM ? receive_unix(fd, buf, size, &cut)
                                    : recv(fd, buf, size, 0);
    s->in.drained = n > 0 && (size_t)n < size && !cut;
    return n;
}

ssize_t co_recv(int fd, void *buf, size_t size)
{
    struct call call = {.fd = fd, .event = EPOLLIN};
    if (begin_call(&call) != 0)
        return -1;
    ssize_t n;
    while ((n = receive(fd, buf, size)) < 0)
        if (wait_to_retry(&call) != 0)
            return -1;
    co_spend();
    return n;
}

ssize_t co_send(int fd, const void *buf, size_t len)
{
    struct call call = {.fd = fd, .event = EPOLLOUT};
    if (begin_call(&call) != 0)
        return -1;
    ssize_t n;
    while ((n = send(fd, buf, len, MSG_NOSIGNAL)) < 0)
        if (wait_to_retry(&call) != 0)
            return -1;
    co_spend();
    return n;
}

int co_send_all(int fd, const void *buf, size_t len)
{
    const char *rest = buf;
    if (co_begin_wait() != 0)
        return -1;
    while (len > 0) {
        ssize_t n = co_send(fd, rest, len);
        if (n < 0)
            return -1;
        rest += n;
        len -= (size_t)n;
    }
    return 0;
}

int co_poll(int fd, uint32_t event)
{
    struct call call = {.fd = fd, .event = event};
    struct pollfd request = {.fd = fd, .events = (short)event};
    if (event != EPOLLIN && event != EPOLLOUT)
        return co_fail(EINVAL);
    if (co_begin_wait() != 0)
        return -1;
    int ready;
    while ((ready = poll(&request, 1, 0)) <= 0)
        if (ready == 0 ? wait_for(&call) != 0 : errno != EINTR)
            return -1;
    if (request.revents & POLLNVAL)
        return co_fail(EBADF);
    co_spend();
    return 0;
}

int co_close(int fd)
{
    forget(fd);
    return close(fd);
}

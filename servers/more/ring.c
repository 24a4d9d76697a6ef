// ring.c - io_uring(7) by its system calls, without a library.
//
// Only ring_enter() blocks. The program and the kernel change the rings at the
// same time. So each first writes an entry, and then moves the tail by a store
// with release order. The other side reads the tail with acquire order. After
// it has taken an entry, it moves the head in the same way.

#include "ring.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/clock.h"

// Maps a part of the ring: `what` is one of IORING_OFF_...
static void *map(int fd, size_t size, off_t what)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                fd, what);
}

// Returns the address of a field in the rings. The kernel has chosen its
// offset.
static unsigned *field(char *rings, unsigned offset)
{
    return (unsigned *)(void *)(rings + offset);
}

int ring_open(struct ring *r)
{
    struct io_uring_params p = {0};
    const unsigned required =
        IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL;
    r->fd = (int)syscall(SYS_io_uring_setup, RING_SIZE, &p);
    if (r->fd < 0)
        return -1;
    if ((p.features & required) != required) {
        errno = ENOSYS;
        return -1;
    }
    size_t sq_size = p.sq_off.array + p.sq_entries * sizeof(unsigned);
    size_t cq_size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
    char *rings =
        map(r->fd, sq_size > cq_size ? sq_size : cq_size, IORING_OFF_SQ_RING);
    r->sqes = map(r->fd, p.sq_entries * sizeof *r->sqes, IORING_OFF_SQES);
    if (rings == MAP_FAILED || r->sqes == MAP_FAILED)
        return -1;
    r->sq_head = field(rings, p.sq_off.head);
    r->sq_tail = field(rings, p.sq_off.tail);
    r->sq_index = field(rings, p.sq_off.array);
    r->sq_mask = *field(rings, p.sq_off.ring_mask);
    r->cq_head = field(rings, p.cq_off.head);
    r->cq_tail = field(rings, p.cq_off.tail);
    r->cq_mask = *field(rings, p.cq_off.ring_mask);
    r->cqes = (struct io_uring_cqe *)(void *)(rings + p.cq_off.cqes);
    return 0;
}

// Returns how many prepared requests the kernel has not taken yet.
static unsigned prepared_count(const struct ring *r)
{
    return *r->sq_tail - __atomic_load_n(r->sq_head, __ATOMIC_ACQUIRE);
}

// Stores the timeout of request `index` and returns its address. The kernel
// reads it only in ring_enter(). Until then, each timeout needs its own place.
static struct __kernel_timespec *timeout_at(struct ring *r, unsigned index,
                                            size_t ms)
{
    struct timespec timeout = clock_timespec((int)ms);
    r->timeouts[index] =
        (struct __kernel_timespec){timeout.tv_sec, timeout.tv_nsec};
    return &r->timeouts[index];
}

bool ring_prepare(struct ring *r, const struct ring_request *request)
{
    unsigned tail = *r->sq_tail, index = tail & r->sq_mask;
    if (prepared_count(r) == RING_SIZE)
        return false;
    bool is_timeout = request->operation == IORING_OP_TIMEOUT;
    const void *address =
        is_timeout ? timeout_at(r, index, request->len) : request->address;
    r->sq_index[index] = index;
    r->sqes[index] =
        (struct io_uring_sqe){.opcode = request->operation,
                              .fd = request->fd,
                              .addr = (uint64_t)(uintptr_t)address,
                              .len = is_timeout ? 1 : (unsigned)request->len,
                              .user_data = request->data};
    __atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
    return true;
}

int ring_enter(struct ring *r, unsigned results)
{
    return (int)syscall(SYS_io_uring_enter, r->fd, prepared_count(r), results,
                        IORING_ENTER_GETEVENTS, NULL, 0) < 0
               ? -1
               : 0;
}

bool ring_take(struct ring *r, uint64_t *data, int *result)
{
    unsigned head = *r->cq_head;
    if (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE))
        return false;
    const struct io_uring_cqe *entry = &r->cqes[head & r->cq_mask];
    *data = entry->user_data;
    *result = entry->res;
    __atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
    return true;
}

// ring.h - io_uring(7) by its three system calls, without a library.
//
// Two rings in memory shared with the kernel: we put requests into one, and it
// puts results into the other. One thread may use a ring.

#ifndef RING_H
#define RING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RING_SIZE = 256 };  // requests that can wait to be submitted

struct ring {
    int fd;
    // Submissions: the kernel takes at the head, we put at the tail.
    unsigned *sq_head, *sq_tail, *sq_index;
    struct io_uring_sqe *sqes;
    // Completions: the kernel puts at the tail, we take at the head.
    unsigned *cq_head, *cq_tail;
    struct io_uring_cqe *cqes;
    unsigned sq_mask, cq_mask;
    struct __kernel_timespec pauses[RING_SIZE];
};

// Sets up a ring, for the life of the process. Returns 0, or -1 with errno set:
// ENOSYS where the kernel is older than 5.7, EPERM where it is not allowed.
int ring_open(struct ring *r);

// Prepares a request (an IORING_OP_) about `fd` and the `len` bytes at `at`,
// which must stay until its result comes, with `data`. At most RING_SIZE can be
// prepared before ring_enter(). For a pause, IORING_OP_TIMEOUT, `len` is the
// number of milliseconds, and its result is -ETIME.
void ring_ask(struct ring *r, uint8_t operation, int fd, const void *at,
              size_t len, uint64_t data);

// Submits what was prepared, and sleeps until there are at least `results` (0
// or 1) of them, or a signal comes. Returns 0, or -1 with errno set; what was
// not submitted then will be the next time.
int ring_enter(struct ring *r, unsigned results);

// Takes a result: -errno where a system call had failed, else what it would
// have returned. Returns false when there is none.
bool ring_take(struct ring *r, uint64_t *data, int *result);

#endif

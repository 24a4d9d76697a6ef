// ring.h - io_uring(7) by its three system calls, without a library.
//
// Two rings in memory that is shared with the kernel: the program puts requests
// into one, and the kernel puts results into the other. For one thread.

#ifndef RING_H
#define RING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RING_SIZE = 256 };  // requests that can wait to be submitted

struct ring {
    int fd;
    // Submissions: the kernel takes at the head, the program adds at the tail.
    unsigned *sq_head, *sq_tail, *sq_index;
    struct io_uring_sqe *sqes;
    // Completions: the kernel adds at the tail, the program takes at the head.
    unsigned *cq_head, *cq_tail;
    struct io_uring_cqe *cqes;
    unsigned sq_mask, cq_mask;
    struct __kernel_timespec timeouts[RING_SIZE];
};

// A request: an operation (IORING_OP_) on `fd` with the `len` bytes at
// `address`, which must stay valid until the result comes. For
// IORING_OP_TIMEOUT, `len` is the number of milliseconds.
struct ring_request {
    uint8_t operation;
    int fd;
    const void *address;
    size_t len;
    uint64_t data;  // comes back with the result
};

// Sets up a ring, for the life of the process. Returns 0, or -1 with errno set:
// ENOSYS where the kernel is older than 5.7, EPERM where it is not allowed.
int ring_open(struct ring *r);

// Prepares a request for ring_enter(). Never blocks. Returns false if the ring
// is full of prepared requests.
bool ring_prepare(struct ring *r, const struct ring_request *request);

// Submits the prepared requests. Blocks until there are at least `results` (0
// or 1) results, or a signal comes. Returns 0, or -1 with errno set; then the
// next call submits the requests that this one has not.
int ring_enter(struct ring *r, unsigned results);

// Takes a result: -errno where a system call would have failed, else what it
// would have returned; -ETIME for a timeout. Returns false if there is none.
bool ring_take(struct ring *r, uint64_t *data, int *result);

#endif

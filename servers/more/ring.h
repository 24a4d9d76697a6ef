// ring.h - io_uring(7) by its three system calls, without a library.
//
// Two rings in memory that is shared with the kernel: the program puts requests
// into one, and the kernel puts results into the other. Only one thread may use
// them.

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

// A request: an operation (IORING_OP_...) on `fd`, with the `len` bytes at
// `address`. These bytes must stay valid until the result comes. For
// IORING_OP_TIMEOUT, `len` is the number of milliseconds.
struct ring_request {
    uint8_t operation;
    int fd;
    const void *address;
    size_t len;
    uint64_t data;  // comes back with the result
};

// Sets up the two rings, which stay until the process ends. Returns 0, or -1
// with errno set: ENOSYS if the kernel is older than 5.7, EPERM if it does not
// allow io_uring.
int ring_open(struct ring *r);

// Prepares a request for ring_enter(). Never blocks. Returns false if the ring
// is full of prepared requests.
bool ring_prepare(struct ring *r, const struct ring_request *request);

// Submits the prepared requests. Blocks until there are at least `results` (0
// or 1) results, or a signal comes. Returns 0, or -1 with errno set: then some
// requests may still be prepared, and the next call submits them.
int ring_enter(struct ring *r, unsigned results);

// Takes the oldest result, and the `data` of its request. The result is what
// the system call would have returned, or -errno if it failed; -ETIME when a
// timeout has passed. Returns false if there is no result.
bool ring_take(struct ring *r, uint64_t *data, int *result);

#endif

// ring.h - io_uring(7) by its system calls, without a library.
//
// Two ring buffers in memory that the program shares with the kernel: the
// program adds requests to one, and the kernel adds results to the other. Only
// one thread may use them. Only ring_enter() blocks.

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
// `address`. They must stay valid until the result comes. For
// IORING_OP_TIMEOUT, `len` is a number of milliseconds, and `address` is not
// used.
struct ring_request {
    uint8_t operation;
    int fd;
    const void *address;
    size_t len;
    uint64_t data;  // ring_take() returns it with the result
};

// Opens the two rings, which stay open until the process ends. Returns 0, or -1
// with errno set: ENOSYS if the kernel is older than Linux 5.7, EPERM if it
// does not allow io_uring.
int ring_open(struct ring *r);

// Prepares a request, which the next ring_enter() submits. Never blocks.
// Returns false if the ring has no place for another prepared request.
bool ring_prepare(struct ring *r, const struct ring_request *request);

// Submits the prepared requests. Blocks until at least `results` results (0 or
// 1) are there, or a signal comes. Returns 0, or -1 with errno set: then some
// requests may still be prepared, and the next call submits them.
int ring_enter(struct ring *r, unsigned results);

// Takes the oldest result, and the `data` of its request. `result` is what the
// system call would have returned, or -errno if it has failed; -ETIME if a
// timeout has passed. Returns false if there is no result.
bool ring_take(struct ring *r, uint64_t *data, int *result);

#endif

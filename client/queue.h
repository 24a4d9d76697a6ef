// queue.h - the connections that may ask, first come, first served.
//
// A connection stands in it at most once, so that it never overflows; one that
// closes meanwhile stays, and is left out when its turn comes.

#ifndef QUEUE_H
#define QUEUE_H

#include "connection.h"

// A place in a queue.
struct slot {
    struct connection *connection;
};

// Fields are private to queue.c.
struct queue {
    struct slot *ring;
    int size, count, first;
};

// Makes an empty queue for `size` connections. Returns 0, or -1 without memory;
// queue_destroy() frees it, also then.
int queue_create(struct queue *q, int size);
void queue_destroy(struct queue *q);

// Adds `c` at the end, if it is not there yet. It may ask from `ready_ns` on.
void queue_add(struct queue *q, struct connection *c, int64_t ready_ns);

// The first connection, NULL if there is none; queue_take() removes it too.
struct connection *queue_first(const struct queue *q);
struct connection *queue_take(struct queue *q);

#endif

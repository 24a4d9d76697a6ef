// timer_queue.h - connections that wait for a time, the earliest first.
//
// Most connections wait equally long, for the simulated backend. So a new one
// usually belongs at the end, where adding it is fast. No call blocks.

#ifndef TIMER_QUEUE_H
#define TIMER_QUEUE_H

#include "connection.h"

// Starts as {0}. A connection may be in one queue only, and must not move in
// memory while it is there.
struct timer_queue {
    struct connection *first, *last;
};

// Adds a connection that waits until `due_ns`. Sets its field due_ns.
void timer_queue_add(struct timer_queue *q, struct connection *c,
                     int64_t due_ns);

// Returns when the first connection is due, INT64_MAX if there is none.
int64_t timer_queue_first_ns(const struct timer_queue *q);

// Removes and returns the first connection if it is due. Otherwise returns
// NULL.
struct connection *timer_queue_take_due(struct timer_queue *q, int64_t now_ns);

#endif

// timer_queue.h - connections that wait for a time, the earliest first.
//
// Most connections wait equally long, for the simulated backend, so a new one
// belongs at the end, and adding it takes a step or two. No call blocks.

#ifndef TIMER_QUEUE_H
#define TIMER_QUEUE_H

#include "connection.h"

// Begins as {0}. A connection is in one queue only, and must not move.
struct timer_queue {
    struct connection *first, *last;
};

// Adds a connection that waits for `due_ns`, and sets its due_ns to that.
void timer_queue_add(struct timer_queue *q, struct connection *c,
                     int64_t due_ns);

// Returns when the first connection is due, INT64_MAX if there is none.
int64_t timer_queue_first_ns(const struct timer_queue *q);

// Removes and returns the first connection if it is due, else NULL.
struct connection *timer_queue_take_due(struct timer_queue *q, int64_t now_ns);

#endif

// timer_queue.h - connections that wait for a time, the earliest first.
//
// Most connections wait for the simulated backend, which always takes the same
// time (--delay). So a new one usually belongs at the end, where adding it is
// fast. No function here blocks or fails.

#ifndef TIMER_QUEUE_H
#define TIMER_QUEUE_H

#include "connection.h"

// A queue starts as {0}. A connection may be in only one queue at a time. While
// it is there, it must not move in memory.
struct timer_queue {
    struct connection *first, *last;
};

// Adds a connection that waits until `due_ns`, and sets its field due_ns.
void timer_queue_add(struct timer_queue *q, struct connection *c,
                     int64_t due_ns);

// Returns the due_ns of the first connection, or INT64_MAX if there is none.
int64_t timer_queue_first_ns(const struct timer_queue *q);

// Removes and returns the first connection if it is due. Otherwise returns
// NULL.
struct connection *timer_queue_take_due(struct timer_queue *q, int64_t now_ns);

#endif

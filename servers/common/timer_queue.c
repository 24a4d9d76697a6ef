// timer_queue.c - connections that wait for a time, the earliest first.

#include "timer_queue.h"

#include <stddef.h>

void timer_queue_add(struct timer_queue *q, struct connection *c,
                     int64_t due_ns)
{
    struct connection **at = &q->first;
    if (q->first != NULL && q->last->due_ns <= due_ns)
        at = &q->last->next;  // The usual case: at the end.
    while (*at != NULL && (*at)->due_ns <= due_ns)
        at = &(*at)->next;
    c->due_ns = due_ns;
    c->queued = true;
    c->next = *at;
    *at = c;
    if (c->next == NULL)
        q->last = c;
}

int64_t timer_queue_first_ns(const struct timer_queue *q)
{
    return q->first != NULL ? q->first->due_ns : INT64_MAX;
}

struct connection *timer_queue_take_due(struct timer_queue *q, int64_t now_ns)
{
    struct connection *c = q->first;
    if (c == NULL || c->due_ns > now_ns)
        return NULL;
    q->first = c->next;
    c->queued = false;
    return c;
}

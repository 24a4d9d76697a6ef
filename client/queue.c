// queue.c - the connections that may ask, first come, first served.

#include "queue.h"

#include <stdlib.h>

int queue_create(struct queue *q, int size)
{
    *q = (struct queue){.size = size};
    q->ring = calloc((size_t)size, sizeof *q->ring);
    return q->ring != NULL ? 0 : -1;
}

void queue_destroy(struct queue *q)
{
    free(q->ring);
}

void queue_add(struct queue *q, struct connection *c, int64_t ready_ns)
{
    if (c->ready)
        return;
    c->ready = true;
    c->ready_ns = ready_ns;
    int at = q->first + q->count++;
    q->ring[at < q->size ? at : at - q->size].connection = c;
}

struct connection *queue_first(const struct queue *q)
{
    return q->count > 0 ? q->ring[q->first].connection : NULL;
}

struct connection *queue_take(struct queue *q)
{
    struct connection *c = queue_first(q);
    if (c == NULL)
        return NULL;
    q->first = q->first + 1 < q->size ? q->first + 1 : 0;
    q->count--;
    c->ready = false;
    return c;
}

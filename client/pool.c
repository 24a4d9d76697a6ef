// pool.c - all connections of a run, and the one place that waits for them.

#include "pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

enum {
    OPENING_AT_ONCE = 128,  // more would overrun a backlog
    CONNECTIONS_PER_SOURCE = 10000,
};

static enum connection_role role_at(const struct pool_plan *plan, int i)
{
    if (i < plan->idle)
        return ROLE_IDLE;
    return i < plan->idle + plan->stream ? ROLE_STREAM : ROLE_HOG;
}

int pool_create(struct pool *pool, const struct pool_plan *plan)
{
    *pool = (struct pool){.count = plan->idle + plan->stream + plan->hogs,
                          .stream_count = plan->stream,
                          .first = plan->first,
                          .all = plan->all};
    size_t count = (size_t)pool->count, depth = (size_t)plan->depth;
    pool->epoll = epoll_create1(EPOLL_CLOEXEC);
    pool->connections = calloc(count, sizeof *pool->connections);
    pool->pending = calloc(count * depth, sizeof *pool->pending);
    pool->ready = calloc((size_t)plan->stream, sizeof *pool->ready);
    if (pool->epoll < 0 || pool->connections == NULL || pool->pending == NULL ||
        pool->ready == NULL)
        return -1;
    pool->stream = pool->connections + plan->idle;
    for (int i = 0; i < pool->count; i++) {
        struct connection *c = &pool->connections[i];
        c->role = role_at(plan, i);
        c->depth = (uint16_t)depth;
        c->stamps = plan->stamps;
        c->pending = pool->pending + (size_t)i * depth;
    }
    return 0;
}

void pool_destroy(struct pool *pool)
{
    for (int i = 0; pool->connections != NULL && i < pool->count; i++)
        pool_drop(pool, &pool->connections[i]);
    free(pool->connections);
    free(pool->pending);
    free(pool->ready);
    if (pool->epoll >= 0)
        close(pool->epoll);
}

static int watch(struct pool *pool, struct connection *c, uint32_t events,
                 int operation)
{
    struct epoll_event wanted = {.events = events, .data.ptr = c};
    return epoll_ctl(pool->epoll, operation, c->fd, &wanted);
}

// Passes on the result of a step, and drops the connection if it failed.
static int checked(struct pool *pool, struct connection *c, int result)
{
    if (result != 0)
        pool_drop(pool, c);
    return result;
}

static bool is_loopback(const struct addrinfo *address)
{
    const struct sockaddr_in *to = (const void *)address->ai_addr;
    return address->ai_family == AF_INET &&
           ntohl(to->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

// Which source address a connection has. One has 28,000 ports, and beyond half
// of them the kernel takes long to find a free one.
static uint16_t source_of(const struct pool *pool, const struct connection *c)
{
    long index = pool->first + (c - pool->connections);
    if (pool->all <= CONNECTIONS_PER_SOURCE || !is_loopback(pool->address))
        return 0;
    return (uint16_t)(index / CONNECTIONS_PER_SOURCE + 1);
}

int pool_open(struct pool *pool, struct connection *c)
{
    if (connection_open(c, pool->address, source_of(pool, c)) != 0)
        return checked(pool, c, -1);
    pool->opening++;
    return checked(pool, c, watch(pool, c, EPOLLOUT, EPOLL_CTL_ADD));
}

int pool_opened(struct pool *pool, struct connection *c)
{
    if (connection_opened(c) != 0)
        return checked(pool, c, -1);
    pool->opening--;
    pool->open++;
    return checked(pool, c, watch(pool, c, EPOLLIN, EPOLL_CTL_MOD));
}

int pool_open_some(struct pool *pool)
{
    int result = 0;
    while (pool->tried < pool->count && pool->opening < OPENING_AT_ONCE &&
           result == 0) {
        struct connection *c = &pool->connections[pool->tried++];
        if (c->state == CONNECTION_CLOSED)
            result = pool_open(pool, c);
    }
    return result;
}

int pool_ask(struct pool *pool, struct connection *c, struct request *request,
             int count, int64_t due_ns)
{
    bool watched = c->unsent > 0;
    request->under_way += count;
    if (connection_ask(c, request, count, due_ns) != 0)
        return -1;
    if (watched || c->unsent == 0 || c->slow)
        return 0;
    return watch(pool, c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

int pool_push(struct pool *pool, struct connection *c)
{
    if (connection_push(c) != 0)
        return -1;
    if (c->unsent > 0 || c->slow)
        return 0;
    return watch(pool, c, EPOLLIN, EPOLL_CTL_MOD);
}

int pool_slow_down(struct pool *pool, struct connection *c)
{
    c->slow = true;
    return watch(pool, c, 0, EPOLL_CTL_MOD);
}

void pool_answered(struct connection *c)
{
    c->request->under_way--;
    connection_answered(c);
}

void pool_enqueue(struct pool *pool, struct connection *c, int64_t ready_ns)
{
    if (c->ready)
        return;
    c->ready = true;
    c->ready_ns = ready_ns;
    int at = pool->ready_first + pool->ready_count++;
    pool->ready[at % pool->stream_count] = (int)(c - pool->stream);
}

struct connection *pool_next(const struct pool *pool)
{
    return pool->ready_count > 0 ? &pool->stream[pool->ready[pool->ready_first]]
                                 : NULL;
}

struct connection *pool_dequeue(struct pool *pool)
{
    struct connection *c = &pool->stream[pool->ready[pool->ready_first]];
    pool->ready_first = (pool->ready_first + 1) % pool->stream_count;
    pool->ready_count--;
    c->ready = false;
    return c;
}

void pool_drop(struct pool *pool, struct connection *c)
{
    pool->opening -= c->state == CONNECTION_OPENING;
    pool->open -= c->state == CONNECTION_OPEN;
    if (c->under_way > 0)
        c->request->under_way -= c->under_way;
    if (c->state != CONNECTION_CLOSED)
        connection_close(c);
    c->since_ns = clock_now_ns();
}

int pool_wait(struct pool *pool, struct epoll_event *events, int size,
              int64_t timeout_ns)
{
    const struct timespec timeout = {.tv_sec = timeout_ns / CLOCK_NS_PER_S,
                                     .tv_nsec = timeout_ns % CLOCK_NS_PER_S};
    int count = epoll_pwait2(pool->epoll, events, size, &timeout, NULL);
    if (count >= 0 || errno != ENOSYS)
        return count;
    // Before Linux 5.11. Rounded up, or we would ask again and again.
    return epoll_wait(
        pool->epoll, events, size,
        (int)((timeout_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS));
}

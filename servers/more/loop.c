// loop.c - an event loop for the clients of one process, by epoll.
//
// Blocks in epoll_wait() only, except when memory is exhausted.

#include "loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../common/server.h"
#include "../common/timer_queue.h"

enum { EVENTS_AT_ONCE = 64, STEPS_IN_A_ROW = 8 };

struct connections loop_clients;
static int epoll, wake = -1;
static struct timer_queue timers;  // Clients that wait for a time.

int loop_open(void)
{
    epoll = epoll_create1(EPOLL_CLOEXEC);
    wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return epoll < 0 || wake < 0 ? -1 : loop_watch(wake, EPOLLIN);
}

int loop_watch(int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int loop_unwatch(int fd)
{
    return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
}

void loop_serve(const struct connection *c)
{
    while (loop_watch(c->fd, EPOLLIN | EPOLLOUT | EPOLLET) != 0 &&
           net_backoff("epoll_ctl"))
        ;  // If the server stops now, connections_drain() serves the client.
}

// Makes steps for a client until a step would block, because epoll reports each
// change only once. After STEPS_IN_A_ROW steps, other clients are served first,
// and a timer continues this one.
static void step_client(struct connection *c)
{
    int64_t now_ns = clock_now_ns();
    c->progress.blocked = false;
    for (int i = 0; i < STEPS_IN_A_ROW; i++) {
        if (!connection_step(c, loop_clients.options)) {
            connections_close(&loop_clients, c);
            return;
        }
        if (c->progress.blocked)
            return;  // An event will come.
        if (clock_now_ns() < c->due_ns)
            break;
    }
    timer_queue_add(&timers, c, c->due_ns > now_ns ? c->due_ns : now_ns);
}

bool loop_wait(int listener)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    connections_end_idle(&loop_clients);
    int ms = connections_wait_ms(&loop_clients, timer_queue_first_ns(&timers));
    int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, ms);
    int64_t now_ns = clock_now_ns();
    bool pending = false;
    struct connection *c;
    for (int i = 0; i < count; i++) {
        int fd = events[i].data.fd;
        if (fd == listener)
            pending = true;
        else if (fd != wake && !loop_clients.all[fd].queued)
            step_client(&loop_clients.all[fd]);
    }
    while ((c = timer_queue_take_due(&timers, now_ns)) != NULL)
        step_client(c);
    return pending;
}

// LESSON wake-by-event: if a signal comes just before epoll_wait(), it does not
// interrupt that call. But an eventfd(2) that was written to stays readable:
// from then on, every epoll_wait() returns at once.
void loop_wake(void)
{
    (void)!write(wake, &(uint64_t){1}, sizeof(uint64_t));
}

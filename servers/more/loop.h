// loop.h - an event loop for the clients of this process, by epoll.
//
// The loop serves clients as callback.c --edge does, but for a server with
// several processes. Each process opens its own loop after fork(). Only
// loop_wait() blocks, and loop_serve() if memory is exhausted.

#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/connection.h"

enum { LOOP_DESCRIPTORS = 2 };  // how many loop_open() opens

// The clients of the loop. Before loop_open(), call connections_open() for
// them, with `by_descriptor` true.
extern struct connections loop_clients;

// Opens the loop. Returns 0, or -1 with errno set.
int loop_open(void);

// loop_watch() starts and loop_unwatch() stops watching a descriptor. `events`
// are those of epoll_ctl(2). Both return 0, or -1 with errno set.
int loop_watch(int fd, uint32_t events);
int loop_unwatch(int fd);

// Starts to serve an accepted client. If the kernel has no memory for this,
// backs off (net_backoff() in net.h) and tries again. Otherwise does not block.
void loop_serve(const struct connection *c);

// Blocks until the listener or a client is ready, or a timer is due (for
// example that of a simulated backend). Also ends its wait when the server must
// check for idle clients or accept again. Makes steps for each client that is
// ready or due, until a step would block. Returns true if the listener is
// ready.
bool loop_wait(int listener);

// Makes loop_wait() return, now and at every later call. Safe in a signal
// handler. Does nothing while the loop is not open.
void loop_wake(void);

#endif

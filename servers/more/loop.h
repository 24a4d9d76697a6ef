// loop.h - an event loop for the clients of this process, by epoll.
//
// It serves a client as callback.c --edge does, but in a server with several
// processes: each process opens its own loop after fork().

#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/connection.h"

enum { LOOP_DESCRIPTORS = 2 };  // how many loop_open() takes

// The clients of the loop. Call connections_open() with `by_descriptor` set
// before loop_open().
extern struct connections loop_clients;

// Opens the loop. Returns 0, or -1 with errno set.
int loop_open(void);

// Watches a descriptor for `events`, as epoll_ctl(2) has them, or no longer
// watches it. Returns 0, or -1 with errno set.
int loop_watch(int fd, uint32_t events);
int loop_unwatch(int fd);

// Starts to serve an accepted client. If the kernel has no memory to watch it,
// backs off (net.h) and tries again, which blocks.
void loop_serve(const struct connection *c);

// Blocks until clients or the listener are ready, or a timer is due: of a
// simulated backend, or of an idle connection. Steps each of these clients
// until it would block. Returns true if the listener is ready.
bool loop_wait(int listener);

// Wakes loop_wait(), now and whenever it is called. Safe in a signal handler.
// Does nothing while the loop is not open.
void loop_wake(void);

#endif

// loop.h - an event loop for the clients of this process, by epoll.
//
// The loop serves a client as callback.c --edge does, but in a server with
// several processes: each process opens its own loop after fork().

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

// Starts, or stops, watching a descriptor. `events` are those of epoll_ctl(2).
// Returns 0, or -1 with errno set.
int loop_watch(int fd, uint32_t events);
int loop_unwatch(int fd);

// Starts to serve an accepted client. Blocks only if the kernel has no memory
// to watch it: then backs off (net.h) and tries again.
void loop_serve(const struct connection *c);

// Blocks until the listener or a client is ready, until a client is due
// (because its simulated backend replies, for example), or until the server
// must check for idle clients or accept again. Steps each client that is ready
// or due, until it would block. Returns true if the listener is ready.
bool loop_wait(int listener);

// Wakes loop_wait(), now and at every later call. Safe in a signal handler.
// Does nothing while the loop is not open.
void loop_wake(void);

#endif

// co_net.h - the calls of net.h that block, for coroutines: here only the
// calling coroutine waits, and other coroutines run meanwhile.
//
// Each of the first five functions does and returns the same as its twin in
// net.h, whose name lacks "co_".

#ifndef CO_NET_H
#define CO_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"

// The listener must be non-blocking. The returned descriptor is non-blocking.
int co_net_accept(int listener);
bool co_net_backoff(const char *what);
bool co_net_receive(int fd, struct session *s);
int co_net_send_all(int fd, const void *buf, size_t len);
void co_net_close(int fd);

// Waits `ms` milliseconds for the simulated backend. With --trap, blocks the
// whole thread meanwhile, not only the coroutine.
void co_sleep_ms(int ms);

// The options that every server with coroutines has. Such a server puts them
// into the field `own` of its struct options.
extern const struct option_rule co_net_options[];

// Applies these options to this thread, and runs fn(arg) in the first coroutine
// of a loop. Returns when all coroutines of the loop have ended. Exits if the
// loop cannot start.
void co_net_run(void (*fn)(void *arg), void *arg);

// Runs serve_clients() by co_net_run(), for a server with one loop. Makes the
// listener non-blocking, and calls server_ready() when the loop runs.
void co_net_serve(int listener, void (*serve_clients)(void));

#endif

// co_net.h - the blocking calls of net.h, for coroutines. Here only the calling
// coroutine waits, and other coroutines run in the meantime.
//
// Each of the first five functions does and returns the same as the function of
// net.h with the same name without "co_".

#ifndef CO_NET_H
#define CO_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"

// co_net_accept() needs a non-blocking `listener`, and returns a non-blocking
// descriptor.
int co_net_accept(int listener);
bool co_net_backoff(const char *what);
bool co_net_receive(int fd, struct session *s);
int co_net_send_all(int fd, const void *buf, size_t len);
void co_net_close(int fd);

// Simulates a backend: the calling coroutine waits for `ms` milliseconds. With
// --trap, the whole thread blocks for this time.
void co_sleep_ms(int ms);

// The options of every server with coroutines, for the field `own` of its
// struct options.
extern const struct option_rule co_net_options[];

// Applies co_net_options to this thread, and runs fn(arg) in the first
// coroutine of a loop. Returns when all coroutines of the loop have ended.
// Exits if the loop cannot start.
void co_net_run(void (*fn)(void *arg), void *arg);

// Runs a server with one loop: makes `listener` non-blocking, and runs
// serve_clients() in the loop, as co_net_run() does. Once the loop is open,
// first calls server_ready(). Exits if the loop cannot start, or the server
// cannot announce its address.
void co_net_serve(int listener, void (*serve_clients)(void));

#endif

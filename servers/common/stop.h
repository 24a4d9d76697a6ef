// stop.h - how a server learns from SIGTERM or SIGINT that it has to stop.
//
// Depends on clock.h only.

#ifndef STOP_H
#define STOP_H

#include <stdbool.h>
#include <stdint.h>

enum {
    // timeout(1) sends a signal to its process and then to the whole group, so
    // that process receives the signal twice. A second signal within this time
    // does not count.
    STOP_AGAIN_MS = 200,
    STOP_BACKOFF_MS = 100,  // pause when ppoll() fails for lack of memory
};

// Installs the handler of SIGTERM and SIGINT. The first signal makes
// stop_requested() true, and the handler calls `wake_blocked_calls`, if not
// NULL. That function may make only async-signal-safe calls (signal-safety(7)).
// It must wake every blocked call of the server, and keep later calls from
// blocking: the signal may come just before a call blocks. A system call that
// the signal interrupts fails with EINTR. Another signal, more than
// STOP_AGAIN_MS after the first, ends the process at once. A child of fork()
// ignores this signal, but the kernel ends a child whose parent has ended (see
// child_begin()). Returns 0, or -1 with errno set.
int stop_on_signal(void (*wake_blocked_calls)(void));

// Returns true once the server was asked to stop. Never blocks.
bool stop_requested(void);

// Returns when the server was asked to stop, 0 if it was not. Never blocks.
int64_t stop_requested_ns(void);

// Blocks until `fd` (-1: none) is readable, a signal comes or `timeout_ms` (-1:
// no timeout) has passed. Blocks for STOP_BACKOFF_MS instead if the kernel has
// no memory for the wait. Returns true only if `fd` is readable.
bool stop_wait(int fd, int timeout_ms);

// For a server that has children: blocks SIGCHLD, SIGTERM and SIGINT, except in
// stop_wait(). So the kernel delivers no signal after the server has checked
// for signals and before it waits. A child calls stop_unblock_signals() to
// receive signals at any time. Returns 0, or -1 with errno set.
int stop_block_signals(void);
void stop_unblock_signals(void);

#endif

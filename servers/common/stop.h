// stop.h - how a server learns from SIGTERM or SIGINT that it has to stop.
//
// Depends on clock.h only. Only stop_wait() blocks.

#ifndef STOP_H
#define STOP_H

#include <stdbool.h>
#include <stdint.h>

enum {
    // A second signal within this time does not count: timeout(1) signals its
    // child and then the whole process group, so the child receives the signal
    // twice.
    STOP_AGAIN_MS = 200,
    STOP_BACKOFF_MS = 100,  // how long to wait if ppoll() has no memory
};

// Installs the handler of SIGTERM and SIGINT. At the first signal,
// stop_requested() becomes true, and the handler calls `wake_blocked_calls` if
// it is not NULL. This function may make only async-signal-safe calls
// (signal-safety(7)). It must wake every blocked call of the server. It must
// also keep later calls from blocking, because the signal may come just before
// a call. A system call that the signal interrupts fails with EINTR. A second
// signal, more than STOP_AGAIN_MS after the first, ends the process at once.
// Children of fork() ignore a second signal, but the kernel kills them when
// their parent ends (see child_begin()). Returns 0, or -1 with errno set.
int stop_on_signal(void (*wake_blocked_calls)(void));

// Returns true once the server was asked to stop. Never blocks.
bool stop_requested(void);

// Returns the time at which the server was asked to stop, or 0 if it was not.
// Never blocks.
int64_t stop_requested_ns(void);

// Blocks until `fd` (-1: none) is readable, a signal comes, or `timeout_ms`
// (-1: no timeout) has passed. If the kernel has no memory for this wait,
// blocks for STOP_BACKOFF_MS instead. Returns true only if `fd` is readable.
bool stop_wait(int fd, int timeout_ms);

// For a server with children. stop_block_signals() blocks SIGCHLD, SIGTERM and
// SIGINT, except during stop_wait(). So no signal can come between a check for
// signals and the wait that follows. A child calls stop_unblock_signals() to
// receive signals at any time, and so does a parent that serves a client by
// itself. stop_block_signals() returns 0, or -1 with errno set.
int stop_block_signals(void);
void stop_unblock_signals(void);

#endif

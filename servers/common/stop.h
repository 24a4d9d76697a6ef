// stop.h - SIGTERM and SIGINT: the first asks, the second ends.

#ifndef STOP_H
#define STOP_H

#include <stdbool.h>

// From now on, the first SIGTERM or SIGINT makes stop_requested() true and then
// calls `on_stop`, if not NULL, from inside the signal handler, where it may
// only make async-signal-safe calls (signal-safety(7)). It should end the waits
// of the server, and end them for good: a signal may come just before the wait
// begins. A system call that the signal interrupts fails with EINTR.
// A second signal ends the process at once; a child made by fork() later is
// spared this, it ends with its parent. Returns 0, or -1 with errno set.
int stop_on_signal(void (*on_stop)(void));

// True once the server was asked to stop. Never waits.
bool stop_requested(void);

// Waits until `fd` (-1: none) is readable, a signal comes or `timeout_ms` (-1:
// for ever) is over; or NET_RETRY_MS, when the system has no memory to wait
// with. Returns true in the first case only.
bool stop_wait(int fd, int timeout_ms);

// For a server with children: signals, SIGCHLD among them, come only during
// stop_wait(), so that none can come between a test and the wait. A child calls
// stop_release_signals() to have them at any time. Returns 0, or -1.
int stop_hold_signals(void);
void stop_release_signals(void);

#endif

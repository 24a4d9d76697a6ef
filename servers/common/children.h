// children.h - the children of a server that forks: counted, reaped, ended.
//
// For the parent alone, and for one thread. Signals are blocked except in
// stop_wait() (stop.h), so that the end of a child cannot be missed.

#ifndef CHILDREN_H
#define CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

// How many children there are, as far as children_reap() has seen.
extern int children_count;

// Prepares for up to `count_max` children, and blocks signals. Returns 0, or -1
// with errno set.
int children_open(int count_max);

// Remembers a child that fork() has made.
void children_add(pid_t pid);

// Returns true if `pid` is that of a child, as far as children_reap() has seen.
bool children_has(pid_t pid);

// To be called when fork() has failed: backs off (net.h) and reaps; once the
// server is stopping, ends all children instead, which frees processes. Returns
// whether to try again.
bool children_backoff(void);

// Reaps all children that have exited by now. Never blocks.
void children_reap(void);

// Sends SIGTERM to all children. Blocks until they have exited.
void children_end(void);

// The first call of a child: from now on it receives signals, and SIGKILL when
// its parent dies.
void child_begin(void);

#endif

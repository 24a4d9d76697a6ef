// children.h - the children of a server that forks: counted, reaped, ended.
//
// Only the parent calls these functions, except child_begin(), in one thread.
// Signals are blocked except in stop_wait() (stop.h), so that the parent cannot
// miss the exit of a child.

#ifndef CHILDREN_H
#define CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

// The number of children that children_reap() has not reaped yet.
extern int children_count;

// Prepares for up to `count_max` children, and blocks signals. Returns 0, or -1
// with errno set.
int children_open(int count_max);

// Adds a child that fork() has created.
void children_add(pid_t pid);

// Returns true if `pid` is a child that children_reap() has not reaped yet.
bool children_has(pid_t pid);

// Call it when fork() has failed. Backs off (net.h) and reaps children. Once
// the server is stopping, ends all children instead, which frees processes.
// Returns true if the caller should try fork() again.
bool children_backoff(void);

// Reaps all children that have exited by now. Never blocks.
void children_reap(void);

// Sends SIGTERM to all children. Blocks until they have exited.
void children_end(void);

// Prepares a child, as its first call: lets it receive signals, and makes the
// kernel send it SIGKILL when its parent dies.
void child_begin(void);

#endif

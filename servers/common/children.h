// children.h - the children of a server that forks: counted, reaped, ended.
//
// Only child_begin() is for the child. The parent calls all the other
// functions, in one thread. Signals are blocked except in stop_wait() (stop.h),
// so that the parent cannot miss the exit of a child.

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

// Backs off (see net.h) after fork() has failed, and reaps children. Returns
// true if the caller should call fork() again. Once the server is stopping, the
// client that was accepted last still needs a child. So this function then ends
// all other children, and blocks until they have exited: with fewer processes,
// the next fork() can succeed. Returns false if the server is stopping and
// there was no other child.
bool children_backoff(void);

// Reaps all children that have exited by now. Never blocks.
void children_reap(void);

// Sends SIGTERM to all children. Blocks until they have exited.
void children_end(void);

// Prepares a child. The child must call it before it serves a client. From then
// on, signals are unblocked, and the kernel sends the child SIGKILL when its
// parent dies. If the parent has died already, the child exits.
void child_begin(void);

#endif

// children.h - the children of a server that forks: counted, reaped, ended.
//
// A child calls only child_begin(). The parent calls all other functions, in
// one thread. There, signals are blocked except in stop_wait() (stop.h), so
// that the parent cannot miss the exit of a child. Only children_backoff() and
// children_end() wait.

#ifndef CHILDREN_H
#define CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

// The number of children that children_reap() has not reaped yet.
extern int children_count;

// Allocates memory for up to `count_max` children, and blocks the signals that
// stop_block_signals() names (stop.h). Returns 0, or -1 with errno set.
int children_open(int count_max);

// Adds a child that fork() has created. There must be fewer than `count_max`.
void children_add(pid_t pid);

// Returns true if `pid` is a child that children_reap() has not reaped yet.
bool children_has(pid_t pid);

// Backs off (net_backoff() in net.h) after fork() has failed in the parent, and
// reaps children. If the server is stopping, ends all children instead, and
// blocks until they have exited: then there are fewer processes, and fork() may
// succeed. Returns true if the caller should call fork() again, and false if
// the server is stopping and there was no child to end.
bool children_backoff(void);

// Reaps all children that have exited by now. Never blocks.
void children_reap(void);

// Sends SIGTERM to all children. Blocks until they have exited.
void children_end(void);

// Prepares a child: the child calls this function before it serves a client.
// Unblocks signals, and asks the kernel to send SIGKILL to the child when the
// parent dies. If the parent has died already, the child exits.
void child_begin(void);

#endif

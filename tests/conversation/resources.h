// resources.h - what a server uses, its child processes included.
//
// /proc says so. Nothing here fails: a process that has ended uses nothing.

#ifndef RESOURCES_H
#define RESOURCES_H

#include <stdbool.h>

#include "server.h"

struct resources {
    int descriptors, processes, threads, zombies;
    long resident_kib, cpu_ms;
};

struct resources server_resources(const struct server *s);

// Returns a child process of the server, 0 if it has none. Does not block.
pid_t server_child(const struct server *s);

// Waits until a child of the server has ended and was reaped. Returns false if
// that does not happen within patience_ms().
bool server_await_reaped(const struct server *s, pid_t child);

// Waits until all threads of the server sleep: it has done all that it can do
// with what it was sent, and has started all the processes it begins with.
// Returns false if that does not happen within patience_ms(): it is busy.
bool server_await_rest(const struct server *s);

// Waits until the server uses at most as many descriptors, processes, threads
// and zombies as `limit` says. Returns what it uses then, or after
// patience_ms().
struct resources server_settle(const struct server *s,
                               const struct resources *limit);

// Returns how much address space the server has, without its children; 0 if it
// has ended. Does not block.
long server_address_space_kib(const struct server *s);

// Checks that resident memory is at most `limit_kib` above `before_kib`. Not
// under the sanitizers, which keep memory of their own.
void server_check_memory(const struct server *s, long before_kib,
                         long limit_kib, const char *what);

// Computes, to see how much CPU time the server takes meanwhile, in percent of
// what this process gets: whatever the machine is busy with, a server that
// wants a core gets about as much. Waits until the share is between the two
// limits. Returns it, or the last one after patience_ms().
int server_await_cpu_share(const struct server *s, int min_percent,
                           int max_percent);

#endif

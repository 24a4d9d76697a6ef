// resources.h - the resources that a server and its child processes use.
//
// The numbers come from /proc. No function here fails: a process that has ended
// uses nothing.

#ifndef RESOURCES_H
#define RESOURCES_H

#include <stdbool.h>

#include "server.h"

// The sums over the server and its child processes.
struct resources {
    int descriptors, processes, threads, zombies;
    long resident_kib, cpu_ms;
};

// Returns what the server uses now. Does not block.
struct resources server_resources(const struct server *s);

// Returns the id of a running child process of the server, or 0 if it has none.
// Does not block.
pid_t server_child(const struct server *s);

// Waits until the server has reaped a child that has ended. Returns false if
// that does not happen within patience_ms().
bool server_await_reaped(const struct server *s, pid_t child);

// Waits until all threads of the server sleep. By then it has started all the
// processes it begins with, and has processed all input that it can process.
// Returns false if it is still busy after patience_ms().
bool server_await_rest(const struct server *s);

// Waits until the server has no more descriptors, processes, threads and
// zombies than `limit`. Returns its resources then, or after patience_ms().
struct resources server_settle(const struct server *s,
                               const struct resources *limit);

// Returns the size of the server's address space, without its children, or 0 if
// the server has ended. Does not block.
long server_address_space_kib(const struct server *s);

// Checks that resident memory is at most `limit_kib` above `before_kib`. Checks
// nothing under the sanitizers, which need memory themselves.
void server_check_memory(const struct server *s, long before_kib,
                         long limit_kib, const char *what);

// Uses CPU time itself and compares: returns the server's CPU time in percent
// of that of this process. A server that never sleeps gets about as much as
// this process, even on a busy machine. Repeats until the result is between the
// two limits, or until patience_ms() have passed.
int server_await_cpu_share(const struct server *s, int min_percent,
                           int max_percent);

#endif

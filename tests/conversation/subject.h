// subject.h - the model under test, and how it differs from the others.

#ifndef SUBJECT_H
#define SUBJECT_H

#include <stdbool.h>

#include "peer.h"
#include "server.h"

struct subject {
    const char **command;  // the program and its options, NULL at the end
    const char *model;     // the file name of the program
    bool one_at_a_time;    // blocking: it serves one client after the other
    bool few_at_once;      // pool, prefork: it serves 64, idle ones included
    bool always_busy;      // nonblocking: it takes a core even without clients
    bool has_wall;         // select: no descriptor above 1,023
    bool has_stacks;       // it knows --stack-kib
    bool keeps_thread;     // offload: the one that has computed stays
    bool computes_beside;  // during a long request it serves other clients
    bool is_elsewhere;     // not one of ours: it promises the replies only
    bool shares_port;      // another server may listen on the same port
    bool has_runtime;      // any: it may have threads and memory of its own
};

extern struct subject subject;

// Describes the model of a command, which must stay valid, and puts its name
// and options in front of all later checks.
void subject_choose(const char **command);

// Starts a server of the model, see server_start().
bool subject_start(struct server *s, const char **arguments);

// Does the same, connects a client, and waits until all threads of the server
// block again. If the client cannot connect, says so; then all that it sends
// fails.
bool subject_start_with(struct peer *p, struct server *s,
                        const char **arguments);

// Whether a client that connects now gets its reply.
bool is_served(const struct server *s);

// Waits until the server has done all that it can do with what it was sent:
// until all of its threads sleep. One that is always busy has by then served a
// few other clients, and so has polled all clients more than once. Returns
// false if that does not happen.
bool subject_settle(const struct server *s);

// Returns whether the client does not read, and so the server neither sends
// nor receives, however much time it has: its replies and its input pile up.
bool subject_is_stuck(const struct server *s, const struct peer *p);

// Waits until that is so. Returns false if it does not happen within
// patience_ms().
bool subject_await_stuck(const struct server *s, const struct peer *p);

// Waits until a server with --max-clients `count` has as many clients: `peers`
// have connected, in this order, and are more than that.
bool subject_await_full(const struct server *s, const struct peer *peers,
                        int count);

// Whether a server that has nothing to do takes no CPU time or, if it is always
// busy, what it can get. Sets `percent` to its share, see
// server_await_cpu_share().
bool subject_idles(const struct server *s, int *percent);

enum { LONG_LINE_MEGABYTES = 8 };

// Connects and sends a line of that many megabytes of `digit`, but not its end.
// Returns false if the server does not take it.
bool subject_send_long_line(const struct server *s, struct peer *p, char digit);

// Sends such a line on a new connection, and closes the connection: a load that
// subject_check_memory() can repeat.
void subject_send_another_line(const struct server *s);

// Checks that a load has left resident memory at most `limit_kib` above
// `before_kib`. A runtime that collects its garbage takes memory for a first
// load and keeps it, so it is loaded `again` while memory grows: a leak grows
// every time.
void subject_check_memory(const struct server *s, long before_kib,
                          long limit_kib, void (*again)(const struct server *),
                          const char *what);

#endif

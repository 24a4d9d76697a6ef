// subject.h - the server under test, and how its model differs from the others.

#ifndef SUBJECT_H
#define SUBJECT_H

#include <stdbool.h>

#include "peer.h"
#include "server.h"

// The server under test.
struct subject {
    const char **command;  // the program and its options, NULL at the end
    const char *model;     // the file name of the program
    bool one_at_a_time;    // blocking: it serves one client after the other
    bool few_at_once;      // pool, prefork: it serves 64 clients, idle or not
    bool always_busy;      // nonblocking: it uses CPU time even if idle
    bool has_wall;         // select: it cannot watch descriptors above 1,023
    bool has_stacks;       // it has the option --stack-kib
    bool gets_signals;     // signal: the kernel's signals report its clients
    bool keeps_thread;     // offload: its first worker thread does not end
    bool computes_beside;  // it serves others during an expensive request
    bool is_elsewhere;     // from servers/elsewhere: it promises replies only
    bool shares_port;      // --reuseport: two servers may have the same port
    bool has_runtime;      // MODEL=any: has threads and memory of a runtime
    int expensive_n;       // of an expensive request: see subject_request()
};

extern struct subject subject;

// A request and its reply, each with its newline.
struct request {
    char line[8];
    char reply[32];
};

// Sets `subject` for a command, which must stay valid. Puts its model and
// options in front of the names of all later checks.
void subject_choose(const char **command);

// Measures how fast the server computes, for subject_request(). Starts a server
// and asks for larger and larger numbers. Without this, the server counts as
// fast.
void subject_measure(void);

// Returns an expensive request if `less` is 0. It takes long enough for a
// signal to arrive before the reply, and about the same CPU time in all servers
// that are slower than ours. Otherwise returns the request for a number that is
// lower by `less`: 4 makes it 7 times cheaper, and 16 makes it 2,000 times
// cheaper.
struct request subject_request(int less);

// Starts the server under test: see server_start().
bool subject_start(struct server *s, const char **arguments);

// Starts the server under test, connects a client, and waits until all threads
// of the server block again. Returns false if the server does not start. If the
// client cannot connect, prints why; all calls on the client then fail.
bool subject_start_with(struct peer *p, struct server *s,
                        const char **arguments);

// Returns whether a new client gets a reply.
bool is_served(const struct server *s);

// Waits until the server has processed all input that it can process: until all
// its threads sleep. A server that is always busy never sleeps. So the test has
// it serve a new client instead, which takes several rounds of polling. Returns
// false if this fails.
bool subject_settle(const struct server *s);

// Returns the resources of the server once it has settled. By then it has
// started all its processes, and those that woke for earlier clients have
// touched the memory that this takes.
struct resources subject_resources(const struct server *s);

// Returns whether the server is stuck because the client `p` does not read: it
// has unsent replies and unread requests, and makes no progress even when it
// has time.
bool subject_is_stuck(const struct server *s, const struct peer *p);

// Waits until subject_is_stuck(). Returns false if that does not happen within
// patience_ms().
bool subject_await_stuck(const struct server *s, const struct peer *p);

// Waits until a server with --max-clients `count` has accepted that many
// clients. More than `count` clients must have connected; `peers` has them in
// that order.
bool subject_await_full(const struct server *s, const struct peer *peers,
                        int count);

// Returns whether a server that has nothing to do uses almost no CPU time or,
// if it is always busy, at least half a core. Sets `percent` to its share: see
// server_await_cpu_share().
bool subject_idles(const struct server *s, int *percent);

enum { LONG_LINE_MEGABYTES = 8 };

// Connects and sends a line of that many megabytes of `digit`, without a
// newline. Returns false if the server does not receive it.
bool subject_send_long_line(const struct server *s, struct peer *p, char digit);

// Sends such a line on a new connection and closes the connection. For the
// argument `again` of subject_check_memory().
void subject_send_another_line(const struct server *s);

// Checks that resident memory is at most `limit_kib` above `before_kib` after
// the server had some load. A garbage-collected runtime may keep memory after
// its first load. So, for such a server, the function calls `again` to repeat
// the load while memory grows: only a leak grows every time.
void subject_check_memory(const struct server *s, long before_kib,
                          long limit_kib, void (*again)(const struct server *),
                          const char *what);

#endif

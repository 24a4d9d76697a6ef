// client.h - one client of a server that asks instead of waiting.
//
// What servers/nonblocking.c has in its own text, for the servers that differ
// from it in how they learn who can go on. No call here waits.

#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../fib/session.h"
#include "net.h"
#include "options.h"

// The place where we left off. Belongs to the server, which may move it.
struct client {
    int fd;
    size_t sent;       // bytes of session.reply that the kernel has taken
    int64_t due_ns;    // when the backend answers
    int64_t heard_ns;  // when it last said something, or took a reply
    bool over;         // no further reply will come
    bool blocked;      // the last call said "not now"
    struct net_progress progress;
    // Of these, each server uses what it needs.
    short awaits;                     // what the kernel was told it needs
    bool (*go_on)(struct client *c);  // the callback: what comes next
    int resume_at;                    // the line where it goes on
    int result;                       // of what the kernel did for it
    bool in_line;                     // waiting for due_ns
    struct client *next;              // in that line
    struct session session;
};

// Begins with a client that was accepted as `fd`, a non-blocking descriptor.
void client_start(struct client *c, int fd, const struct options *opt);

// Sends what is left of the reply, as far as the kernel takes it. Returns false
// when the client will take no more.
bool client_send_reply(struct client *c);

// Gives the session what has arrived. Returns false when the connection broke.
bool client_receive(struct client *c);

// Takes the client one step further, to the end of one reply at most. Returns
// false when no further reply will come.
bool client_step(struct client *c, const struct options *opt, int64_t now_ns);

// What has to come before the next step gets anywhere: POLLIN, POLLOUT (epoll
// has the same values), or 0: only the time `due_ns`.
short client_needs(const struct client *c, int64_t now_ns);

// Looks once a second for clients that have been silent for too long
// (net_limit_silence()) and shuts them, which ends every wait for them. Skips
// those whose fd is not above 0. Returns when to look again; INT64_MAX: never.
int64_t clients_end_silent(const struct client *clients, int count,
                           int64_t now_ns);

// When the first of the backends answers that `count` clients wait for, or
// `otherwise_ns`, or when to look for silent ones, if that is earlier.
int64_t clients_next_ns(const struct client *clients, int count,
                        const struct options *opt, int64_t now_ns,
                        int64_t otherwise_ns);

// Clients in order of their due_ns; all zero at first. They must not move.
struct client_line {
    struct client *first, *last;
    struct client *all;  // those that may be in it: `count` of them
    int count;
};

// Puts `c` at the end, where those belong whose backend was asked last.
void client_line_up(struct client_line *line, struct client *c);

// How long to sleep, for net_ms_until(): until the first is due, or until
// `otherwise_ns`, if that is earlier and not over yet, or until one should look
// for silent ones.
int64_t client_line_until(const struct client_line *line, int64_t now_ns,
                          int64_t otherwise_ns);

// Takes the first client out and returns it, if it is due; else NULL.
struct client *client_next_due(struct client_line *line, int64_t now_ns);

// Accepts a client, and never waits if the listener is non-blocking. Returns a
// non-blocking descriptor, or -1 when there is nobody, when the server is
// stopping, or when the system is exhausted: reports it then (report.h), and
// sets *again_ns to when another try is worth it.
int client_accept(int listener, int64_t *again_ns);

// Counts its conversation and closes its descriptor, which becomes 0.
void client_close(struct client *c);

// The same for a client that is over, unless the server is stopping and not all
// replies have arrived: then it is to be called again every NET_LINGER_MS.
// Returns whether it did close it.
bool client_end(struct client *c);

// For a server that is stopping: answers what has arrived by now, and no more,
// from `count` clients, and closes them. Sleeps until that is done. Skips those
// whose fd is not above 0.
void clients_drain(struct client *clients, int count,
                   const struct options *opt);

#endif

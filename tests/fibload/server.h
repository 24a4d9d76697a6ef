// server.h - scripted servers, each for one run of the client. They record what
// they receive and send: see record.h.
//
// A server is a child process with one thread and a loop around poll(). While a
// behaviour sleeps, all clients of the server wait.

#ifndef FIBLOAD_SERVER_H
#define FIBLOAD_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { LINE_SIZE = 16 };

// A connection of the server. `number` is 0 for the first that it accepted,
// then 1 and so on.
struct peer {
    int fd, number;
    char line[LINE_SIZE];  // the received part of the next request
    size_t len;
};

// A function that is called for each request of its kind. `i` counts these
// requests over all connections, from 0. Returns false to close the connection.
typedef bool behaviour(struct peer *peer, int i);

// The behaviours of a server. `answer` is called for requests, `probe` for
// probes, which are requests for fib(1). If `probe` is NULL, the server replies
// to probes at once. Requests for fib(20) come from hogs, and take HOG_MS each.
struct script {
    behaviour *answer, *probe;
};

enum { HOG_MS = 50 };

struct server {
    pid_t pid;
    int port;
    int running;  // a pipe; the server ends once the test has closed it
};

// Starts a server on a free port of 127.0.0.1 and empties the record. Ends the
// test program if it cannot.
struct server server_start(const struct script *script);

// Waits until all clients have closed their connections and the server has
// ended; then the record is complete. A server that does not end gets SIGALRM
// after 150 s. By then, the client's own time limit of 120 s has passed.
void server_stop(struct server *server);

// Returns a socket that is bound to a free port of 127.0.0.1 but does not
// listen. The caller closes it. Ends the test program if there is no port.
int server_bind(int *port);

// ---- Functions that behaviours call

// Sends a text. Returns false if the connection is broken.
bool say(struct peer *peer, const char *text);

// Records and sends the correct reply. Returns false if the connection is
// broken.
bool reply(struct peer *peer);

// Blocks the whole server for `ms` milliseconds.
void sleep_ms(int ms);

// Blocks until the client has received all bytes that were sent on a
// connection, so that the receive queue of its socket is empty.
void wait_until_read(const struct peer *peer);

// Fills the listener's queue of connections, so that the kernel drops the next
// one. Returns a descriptor for empty_queue_after_refusal().
int fill_queue(void);

// Waits until the kernel has dropped a client's connection because the queue is
// full; then empties the queue. The client's kernel tries again a second later.
void empty_queue_after_refusal(int filler);

// ---- Behaviours that several tests use

// Behaviours for requests. right: replies at once. soon: replies after 1 ms,
// which limits the number of requests in a run of given length. slow: replies
// after SLOW_MS. no_reply: does not reply.
behaviour right, soon, slow, no_reply;
enum { SLOW_MS = 20 };

// Does not reply. 50 ms after request number `last_request`, counted from 1,
// sends SIGINT to the client.
behaviour interrupt_after_last;
extern int last_request;

// Replies at once, except to request STALL_AT, counted from 0: that reply takes
// STALL_MS.
behaviour stall_once;
enum { STALL_AT = 5, STALL_MS = 300 };

// Reply at once, but the first or every tenth reply is wrong.
behaviour every_tenth_wrong, first_wrong;

// Behaviours for probes. reply_to_probe: replies to all. reply_to_first_probe:
// replies to the first only, like a server that serves one client after the
// other.
behaviour reply_to_probe, reply_to_first_probe;

#endif

// server.h - servers for one run of the client, which do what a script says and
// write down what happened (record.h).
//
// A server is a child process with one thread. It blocks in poll() until a
// client sends something; while a script sleeps, every client waits.

#ifndef FIBLOAD_SERVER_H
#define FIBLOAD_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { LINE_SIZE = 16 };

// A connection of the server. `number` counts them in the order of accept().
struct peer {
    int fd, number;
    char line[LINE_SIZE];  // what has arrived of the next request
    size_t len;
};

// What a server does with a request, the i-th of its kind over all connections,
// from 0. Returns false to close the connection.
typedef bool behaviour(struct peer *peer, int i);

// How a server behaves: on requests, which must not be for fib(1) or fib(20),
// and on the hello of each connection, the request for fib(1); NULL: it answers
// hellos at once. Requests for fib(20) are those of hogs: each takes HOG_MS.
struct script {
    behaviour *answer, *greet;
};

enum { HOG_MS = 50 };

struct server {
    pid_t pid;
    int port;
    int running;  // the server ends when this descriptor is closed
};

// Starts a server on a free port of 127.0.0.1, with an empty record. Exits the
// test if it cannot.
struct server server_start(const struct script *script);

// Waits until the server has seen its clients close all connections and has
// ended. Then the record is complete. Scripts that never end are ended by the
// kernel, half a minute after the client under test.
void server_stop(struct server *server);

// A socket that is bound to a free port of 127.0.0.1. The caller closes it.
// Exits the test if there is none.
int server_bind(int *port);

// ---- To write behaviours with

// Sends a text. Returns false if the connection is broken.
bool say(struct peer *peer, const char *text);

// Sends the correct reply, and records it.
bool reply(struct peer *peer);

void sleep_ms(int ms);

// Blocks until the client has received all that was sent on a connection: the
// receive queue of its socket is empty.
void wait_until_read(const struct peer *peer);

// Fills the queue of the listener, for a client that connects next. Returns a
// descriptor for the function below.
int fill_queue(void);

// Waits until the kernel has refused a client, as the queue is full, and then
// empties it. That client tries again, a second later.
void empty_queue_after_refusal(int filler);

// ---- Behaviours that several tests use

// To requests: reply at once, after 1 ms (so that runs for a time do not make
// many thousand requests), after SLOW_MS, and not at all.
behaviour right, soon, slow, no_reply;
enum { SLOW_MS = 20 };

// Replies to none. Some time after request `last_request`, counted from 1, the
// user of the client ends its run.
behaviour interrupt_after_last;
extern int last_request;

// Reply at once, but to request STALL_AT only after STALL_MS.
behaviour stall_once;
enum { STALL_AT = 5, STALL_MS = 300 };

// Reply at once, but not always correctly.
behaviour every_tenth_wrong, first_wrong;

// To hellos: reply to each, and only to the first, as a server does that serves
// one client after the other.
behaviour greet, greet_only_first;

#endif

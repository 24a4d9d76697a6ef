// fetch.h - ten slow replies, fetched in three ways.
//
// fetch_blocking.c, fetch_callbacks.c and fetch_coroutines.c do the same: send
// a line to each of ten backends and receive a line from each. fetch.c has what
// is not the lesson: main(), and the backends, which take a second to reply.
//
//     make examples && for how in blocking callbacks coroutines
//     do time bin/examples/fetch_$how; done
//
// Notice the time they take, 10 s, 1 s and 1 s, and then what the difference
// costs in the source:
//
//     cd servers/coro/examples
//     diff -u fetch_blocking.c fetch_coroutines.c
//     diff -u fetch_blocking.c fetch_callbacks.c

#ifndef FETCH_H
#define FETCH_H

#include <netinet/in.h>
#include <stddef.h>

enum { FETCHES = 10, LINE_SIZE = 64 };

struct fetch {
    char request[LINE_SIZE];  // a line, with its '\n'
    char reply[LINE_SIZE];    // the line that came back; at first all zero
};

// The address at which all ten backends listen.
extern struct sockaddr_in backend;

// Fetches all replies: what each of the three files has to do.
void fetch_all(struct fetch all[FETCHES]);

// Call it at the end of each fetch. Prints the reply or, if `result` is not 0,
// the reason why there is none (errno).
void fetch_done(const struct fetch *f, int result);

#endif

// fetch.h - ten slow replies, fetched in three ways.
//
// fetch_blocking.c, fetch_callbacks.c and fetch_coroutines.c do the same: send
// a line to each of ten backends and receive a line from each. fetch.c has the
// parts that all three share: main(), and the backends, which take a second to
// reply.
//
//     make examples && for how in blocking callbacks coroutines
//     do time bin/examples/fetch_$how; done
//
// Notice the time that they take: 10 s, 1 s and 1 s. Then compare their
// sources:
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

// Fetches all replies. Each of the three files has its own version.
void fetch_all(struct fetch all[FETCHES]);

// Prints the reply if `result` is 0. Otherwise prints the reason for the
// failure, which is in errno. Call it at the end of each fetch.
void fetch_report(const struct fetch *f, int result);

#endif

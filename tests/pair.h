// pair.h - two connected sockets for coroutines to talk over.

#ifndef PAIR_H
#define PAIR_H

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../servers/coro/co.h"
#include "tap.h"

static int ends[2];

// Opens both ends; records a failed check if it cannot.
static inline void make_pair(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
        ok(false, "socketpair: %s", strerror(errno));
}

static inline void close_pair(void)
{
    co_close(ends[0]);
    co_close(ends[1]);
}

#endif

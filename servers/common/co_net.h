// co_net.h - the waiting calls of net.h, for a coroutine: others run meanwhile.
//
// Each is the twin of a function there, does the same and returns the same.

#ifndef CO_NET_H
#define CO_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "../../fib/session.h"

// net_accept(), for a non-blocking listener. Returns a non-blocking descriptor
// to be closed with co_hang_up(), or -1 when the server is stopping.
int co_net_accept(int listener);

// net_retry_later().
bool co_retry_later(const char *what);

// net_send_all(). Leaves the limit on the coroutine's waits as it was.
int co_send_all(int client, const void *buf, size_t len);

// session_answer(), computed by another thread. Does without it when there is
// nothing to compute, or no such thread.
bool co_answer_elsewhere(struct session *s);

// net_hang_up().
void co_hang_up(int client);

#endif

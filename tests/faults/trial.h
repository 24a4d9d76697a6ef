// trial.h - tests a server with one fault.

#ifndef TRIAL_H
#define TRIAL_H

#include "../conversation/peer.h"
#include "../conversation/server.h"
#include "cases.h"
#include "side_by_side.h"

// Sets the fault of programs that are started from now on; NULL means none.
// Returns the memory shared with them, all zero. It is valid until the next
// call.
struct fault_counts *trial_set_fault(const char *fault);

// Returns how many calls were made to fail.
int trial_failed(const struct fault_counts *counts);

// Waits until a call has failed, but not longer than patience_ms().
void trial_await_failure(const struct fault_counts *counts);

// Waits until the server is stopped by SIGSTOP. Returns false if it has ended
// instead.
bool trial_await_stopped(const struct server *s);

// What a client has received: all replies, none, a wrong one, or only some of
// them before the end of the stream.
enum reception { SERVED, LOST, WRONG, CUT };

// trial_begin() connects a client and sends its requests; the server may close
// the connection at once. trial_finish() receives the replies and closes the
// connection.
void trial_begin(struct peer *p, int port);
enum reception trial_finish(struct peer *p);

// Has several clients send requests at the same time. Returns how many did not
// get all their replies, or -1 if one got a wrong reply.
int trial_count_lost(int port);

// Counts the calls that a server makes without faults. Returns false if the
// server does not work even without a fault; `o` says why.
bool trial_count_calls(const char *path, struct call_counts *counts,
                       struct outcome *o);

// Starts the server of a case and checks that:
//
// - a server that does not start ends with one line and status 1 or 2;
// - no reply is wrong;
// - no more clients are lost than calls have failed, and none if the fault is
//   harmless;
// - the server serves the next client after the fault;
// - the server keeps no descriptor and no process of a client that has left;
// - during a lasting fault, the server pauses before it retries;
// - residents are served during a fault that is not about their connections;
// - on SIGTERM, the server serves all clients that it has accepted, prints its
//   summary and ends with status 0.
void trial_run(const struct fault_case *c, struct outcome *o);

#endif

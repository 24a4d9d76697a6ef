// trial.h - a server with a fault: started, asked, stopped, judged.

#ifndef TRIAL_H
#define TRIAL_H

#include "../conversation/peer.h"
#include "cases.h"
#include "side_by_side.h"

// Tells programs that are started from now on of a fault (NULL: none), and
// returns what they share with us, all zero. One at a time.
struct fault_counts *trial_announce(const char *fault);

// How many calls were made to fail.
int trial_failed(const struct fault_counts *counts);

// The outcome for a client that asks for several replies.
enum fate { SERVED, LOST, WRONG, CUT };

// Begins such a conversation, which may be lost at once, and receives its
// replies. CUT means that some came, and then the end.
void trial_begin(struct peer *p, int port);
enum fate trial_finish(struct peer *p);

// Has some clients ask, all at the same time. Returns how many were lost, or -1
// if one got a wrong reply.
int trial_lose_some(int port);

// Finds out which calls a server makes. Returns false, having said why, if it
// does not even work without faults.
bool trial_habits(const char *path, struct habits *habits, struct outcome *o);

// Starts the server of a case and puts it through the fault:
//   - it may refuse to start, with one line and status 1 or 2; if it starts,
//   - no reply is wrong, not more clients are lost than calls have failed, and
//     none if the fault is harmless;
//   - a client who comes afterwards is served;
//   - no descriptor, process or thread is left over;
//   - while a fault lasts, it does not try again and again without a pause;
//   - one that is not about a client leaves alone those that were there before;
//   - told to stop, it stops: all that it has accepted are served then, the
//     status is 0, and there is a summary.
void trial_run(const struct fault_case *c, struct outcome *o);

#endif

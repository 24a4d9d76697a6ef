// residents.h - clients that are connected to a server before a fault begins.
//
// A fault may keep the server from accepting new clients, but the residents
// must still get their replies.

#ifndef RESIDENTS_H
#define RESIDENTS_H

#include "../conversation/peer.h"
#include "../conversation/server.h"

enum { RESIDENTS_MAX = 3 };

struct residents {
    struct peer peers[RESIDENTS_MAX];
    int count;  // 0 for a server that serves one client at a time
};

// Connects the residents and waits for a reply to each. Returns whether all got
// one.
bool residents_connect(struct residents *r, const struct server *s);

// Sends several requests for each resident, and waits for the replies, one
// resident after the other. Returns how many residents got all replies.
int residents_ask(struct residents *r);

// Sends one more request for each resident, and waits until it has arrived at
// the server's socket. Returns false if a resident's connection is closed.
bool residents_ask_last(struct residents *r);

// Receives the replies to these requests and closes the connections. Returns
// how many residents got the correct reply.
int residents_leave(struct residents *r);

#endif

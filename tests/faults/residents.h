// residents.h - clients that a server is serving when a fault begins.
//
// A fault that keeps the server from taking new clients must not touch them.

#ifndef RESIDENTS_H
#define RESIDENTS_H

#include "../conversation/peer.h"
#include "../conversation/server.h"

enum { RESIDENTS_MAX = 3 };

struct residents {
    struct peer peers[RESIDENTS_MAX];
    int count;  // 0 for a server that serves one client at a time
};

// Connects them, and waits for a reply to each. Returns false if one is not
// served.
bool residents_connect(struct residents *r, const struct server *s);

// Has each ask some more, one after the other, several requests at once.
// Returns how many of them get all replies.
int residents_ask(struct residents *r);

// Has each send a last request, and waits until it has arrived. Returns false
// if one is no longer connected.
bool residents_ask_last(struct residents *r);

// Returns how many of them get the reply to that, and closes all.
int residents_leave(struct residents *r);

#endif

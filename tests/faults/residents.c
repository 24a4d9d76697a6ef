// residents.c - clients that are connected to a server before a fault begins.

#include "residents.h"

#include <string.h>

#include "../conversation/await.h"

// A resident sends these requests together. So the server finds the next
// request already there when it has sent a reply, and may have to change the
// event that it waits for.
static const char requests[] = "1\n2\n10\nx\n";
static const char replies[] = "fib: 1\nfib: 1\nfib: 55\n"
                              "error: not a number (want 1 to 45)\n";

bool residents_connect(struct residents *r, const struct server *s)
{
    static const char one_at_a_time[] = "blocking:";
    bool served = true;
    *r = (struct residents){.count = RESIDENTS_MAX};
    if (strncmp(s->out_text, one_at_a_time, strlen(one_at_a_time)) == 0)
        r->count = 0;
    for (int i = 0; i < r->count; i++)
        served = peer_connect(&r->peers[i], s->port) &&
                 peer_asks(&r->peers[i], "10\n", "fib: 55\n") && served;
    return served;
}

int residents_ask(struct residents *r)
{
    int served = 0;
    for (int i = 0; i < r->count; i++)
        served += peer_asks(&r->peers[i], requests, replies);
    return served;
}

bool residents_ask_last(struct residents *r)
{
    bool asked = true;
    for (int i = 0; i < r->count; i++)
        asked = peer_say(&r->peers[i], "25\n") && await_arrived(&r->peers[i]) &&
                asked;
    return asked;
}

int residents_leave(struct residents *r)
{
    int served = 0;
    for (int i = 0; i < r->count; i++) {
        served += peer_hears(&r->peers[i], "fib: 75025\n");
        peer_close(&r->peers[i]);
    }
    return served;
}

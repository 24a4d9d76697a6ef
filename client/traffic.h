// traffic.h - who asks when, and what the replies mean.
//
// In a closed loop every connection asks again as soon as it has a reply. In an
// open loop requests are due at their times, and the connection that has waited
// longest sends the next; if none is free, requests wait for whichever is free
// first, and their latency counts from when they were due.

#ifndef TRAFFIC_H
#define TRAFFIC_H

#include "run.h"

// Handles an event of epoll on `c`. None of these functions waits.
void traffic_event(struct run *run, struct connection *c, uint32_t events);

// Tries some connections of the stream for replies, in turn, without waiting.
// Returns whether nearly all had one, so that it is worth trying more.
bool traffic_try(struct run *run);

// Sends the requests that it is time for.
void traffic_feed(struct run *run, int64_t now_ns);

// Lets the hogs ask that have nothing under way.
void traffic_feed_hogs(struct run *run, int64_t now_ns);

// When traffic_feed() will have something to send, unless an event comes first;
// INT64_MAX: never.
int64_t traffic_next_ns(const struct run *run);

// Begins the schedule of an open loop, if it is one.
void traffic_begin_schedule(struct run *run, int64_t now_ns);

// Whether all requests have been sent, and all of this run's but hellos
// answered.
bool traffic_is_over(const struct run *run);

// Counts what was due and never sent. Call once, at the very end.
void traffic_count_unsent(struct run *run, int64_t now_ns);

// Gives up what takes too long on `c`, and opens it again when it was lost.
void traffic_look_at(struct run *run, struct connection *c, int64_t now_ns);

#endif

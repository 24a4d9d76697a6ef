// schedule.h - when requests are due in an open loop.
//
// Users do not wait for each other: their requests come at their own times,
// however long the replies take. A request that is due and not yet sent has
// simply not been taken from the schedule, which therefore is the queue as
// well.

#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

// Fields are private to this file, except `due_ns`.
struct schedule {
    double gap_ns;  // mean time between two requests
    bool poisson;   // exponential gaps; else all gaps are equal
    uint64_t random;
    int64_t begin_ns;
    double offset_ns;  // of the next request, from `begin_ns`
    int64_t due_ns;    // when the next request is due
};

// Returns a random number in (0, 1], by Marsaglia's xorshift64*.
static inline double schedule_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * 0x2545F4914F6CDD1DU >> 11) + 1) / 0x1p53;
}

static inline void schedule_advance(struct schedule *s)
{
    s->offset_ns +=
        s->poisson ? -log(schedule_random(&s->random)) * s->gap_ns : s->gap_ns;
    s->due_ns = s->begin_ns + (int64_t)s->offset_ns;
}

// Starts schedule `index` of `count`, which have `rate` requests a second in
// all: evenly spaced, or at random times that are the same in every run. The
// first request of all is due at `begin_ns`, or an exponential gap later.
static inline void schedule_start(struct schedule *s, double rate, bool poisson,
                                  int64_t begin_ns, int index, int count)
{
    enum { SKIPPED = 32 };  // random numbers; the first ones are small
    double gap_ns = NS_PER_S / rate;
    *s = (struct schedule){.gap_ns = gap_ns * count,
                           .poisson = poisson,
                           .random = (uint64_t)index + 1,
                           .begin_ns = begin_ns,
                           .offset_ns = poisson ? 0 : gap_ns * index};
    s->due_ns = begin_ns + (int64_t)s->offset_ns;
    for (int i = 0; poisson && i < SKIPPED; i++)
        schedule_random(&s->random);
    if (poisson)
        schedule_advance(s);
}

// Takes the next request from the schedule. Returns when it is due.
static inline int64_t schedule_take(struct schedule *s)
{
    int64_t due_ns = s->due_ns;
    schedule_advance(s);
    return due_ns;
}

#endif

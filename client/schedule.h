// schedule.h - when requests are due in an open loop.
//
// Users do not wait for each other: their requests come at their own times,
// however long the replies take. A request that is due stays in the schedule
// until a connection is free, so the schedule is the queue of these requests.

#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

// Fields are private to this file, except `due_ns`.
struct schedule {
    double rate;      // requests per second of all schedules, when they begin
    double slope;     // change of the rate per second
    int count;        // number of schedules, which take turns
    bool poisson;     // exponential gaps; else requests are evenly spaced
    uint64_t random;  // state of the random numbers
    double position;  // number of the next request, over all schedules
    int64_t begin_ns;
    int64_t due_ns;  // when the next request is due
};

// Returns a random number in (0, 1], by Marsaglia's xorshift64*.
static inline double schedule_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * 0x2545F4914F6CDD1DU >> 11) + 1) / 0x1p53;
}

// Moves the next request `steps` positions forward. After t seconds,
// rate * t + slope * t^2 / 2 requests have been due. This is solved for t, in a
// form that also holds for a slope of 0.
static inline void schedule_move(struct schedule *s, double steps)
{
    s->position += steps;
    double squared = s->rate * s->rate + 2 * s->slope * s->position;
    double divisor = s->rate + sqrt(fmax(0, squared));
    s->due_ns = s->begin_ns + (int64_t)(2.0 * NS_PER_S * s->position / divisor);
}

static inline void schedule_advance(struct schedule *s)
{
    double gaps = s->poisson ? -log(schedule_random(&s->random)) : 1;
    schedule_move(s, gaps * s->count);
}

// Starts schedule `index` of `count`. Together they have `rate` requests per
// second, and this rate changes by `slope` every second. Requests are evenly
// spaced from `begin_ns` on, or due at random times that are the same in every
// run.
static inline void schedule_start(struct schedule *s, double rate, double slope,
                                  bool poisson, int64_t begin_ns, int index,
                                  int count)
{
    enum { SKIPPED = 32 };  // random numbers; the first ones are small
    *s = (struct schedule){.rate = rate,
                           .slope = slope,
                           .count = count,
                           .poisson = poisson,
                           .random = (uint64_t)index + 1,
                           .begin_ns = begin_ns};
    schedule_move(s, poisson ? 0 : index);
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

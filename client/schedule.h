// schedule.h - when requests are due in an open loop.
//
// Users do not wait for each other: their requests come when they come, however
// long the answers take. What is due and not yet sent has simply not been taken
// from the schedule, which therefore is the queue as well.

#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

// Fields are private to schedule.c, but for `due_ns`.
struct schedule {
    double gap_ns;  // on average
    bool poisson;   // exponential gaps; else all are equal
    uint64_t random;
    int64_t begin_ns;
    double at_ns;    // since the begin: of the next request
    int64_t due_ns;  // when the next request is due
};

// Begins one of `count` schedules that have `per_s` requests per second in all,
// evenly spaced, or at random but the same from run to run. The first request
// of all is due at `begin_ns`, or after an exponential gap.
void schedule_begin(struct schedule *s, double per_s, bool poisson,
                    int64_t begin_ns, int index, int count);

// Takes the next request. Returns when it is due.
int64_t schedule_take(struct schedule *s);

#endif

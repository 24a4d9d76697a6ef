// run.h - the state of a run, as the parts of the loop share it.
//
// Each thread has a run of its own, with its connections and its counts; what
// they share is below. Idle connections and hogs are those of the first.
//
//     load.c      the threads, and the loop of each
//     phases.c    what part of the run it is, and when the next one begins
//     stages.c    the thirds of the window, and when the hogs come
//     traffic.c   who asks when, and what the replies mean
//     fate.c      what becomes of requests

#ifndef RUN_H
#define RUN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "clock.h"
#include "options.h"
#include "pool.h"
#include "progress.h"
#include "result.h"
#include "schedule.h"

#define MS(n) ((n) * (int64_t)CLOCK_NS_PER_MS)

enum phase {
    PHASE_REACH,    // one connection looks for an address that answers
    PHASE_RAMP,     // the others are opened; each says hello
    PHASE_HELLO,    // their first replies are waited for
    PHASE_WARMUP,   // requests, not yet counted
    PHASE_SETTLE,   // no new requests: the server is to be looked at
    PHASE_MEASURE,  // requests, counted
    PHASE_GRACE,    // only requests that were due before it, and replies
    PHASE_OVER,
};

// What all threads of a load share.
struct shared {
    const struct options *opt;
    FILE *timeline;            // NULL: none
    _Atomic int64_t alive_ns;  // when a connection was last seen open
    _Atomic enum stage stage;  // as the first thread has it
    struct progress progress;
};

struct run {
    const struct options *opt;
    struct shared *shared;
    struct result *result;
    pthread_t thread;
    int index;     // of the thread
    int64_t owed;  // with -n: how many of its requests are still to be sent
    struct pool pool;
    struct request hello, request, hog;
    struct schedule schedule;             // open loop only
    const struct addrinfo *next_address;  // to try, if the last is no good
    enum phase phase;
    int64_t phase_end_ns;
    bool waiting;    // for the other threads, to begin the phase together
    bool reached;    // one connection, at least, was open once
    int last_error;  // why the last connection failed
    int64_t look_ns, look_interval_ns;
    int64_t begin_ns, end_ns;  // of the window; before it, of what it is part
    int64_t slow_ns;           // when slow connections go on
    int64_t stage_ns;          // when the current stage began
    int64_t wall_offset_ns;    // see clock.h
    int64_t try_until_ns;      // before epoll is asked again
    int next_try;              // connection of the stream
    int64_t begin_cpu_ns;
    int64_t last_reply_ns;
    struct machine machine_before;
    int64_t line_ns;          // when a line of progress is due
    struct histogram lately;  // latencies since the last one, in ns
};

// Whether requests are due at times of their own.
static inline bool run_is_open_loop(const struct run *run)
{
    return run->opt->rate > 0;
}

#endif

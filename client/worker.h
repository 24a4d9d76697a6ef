// worker.h - one thread of the load: sends requests, reads replies, counts.
//
// The coordinator (run.c) tells all workers in which phase the run is, and when
// the load begins and ends. A worker tells the coordinator when it has nothing
// left to do in the phase. It blocks in epoll only, until an event, the time of
// its next request, or a ring of the coordinator's bell. If a connection fails,
// the worker counts that and opens it again.

#ifndef WORKER_H
#define WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "conn.h"
#include "schedule.h"
#include "stats.h"

// What workers do in each phase, and until when.
enum phase {
    PHASE_CONNECT,  // open all connections, and send a probe request on each
    PHASE_PROBE,    // wait until all are open and all probes are answered
    PHASE_WARM_UP,  // send requests
    PHASE_SETTLE,   // send nothing, until nothing but probes is outstanding
    PHASE_MEASURE,  // send requests and count; with -n, until all are answered
    PHASE_GRACE,    // send what was due before, until nothing is outstanding
    PHASE_END,      // leave the loop
};

// What the coordinator and its workers share.
struct control {
    const struct options *opt;
    const struct address *server;
    struct wrong_replies *wrong;  // workers add to them

    // Written by the coordinator, which then rings the bell.
    _Atomic enum phase phase;
    _Atomic int64_t begin_ns, end_ns;  // of the warm-up, later of the window
    _Atomic int64_t during_ns;         // start of the window's second interval
    _Atomic int64_t hog_end_ns;        // time from which hogs send nothing
    int bell;                          // eventfd

    // Written by workers.
    _Atomic int64_t after_ns;   // start of the third interval
    _Atomic int64_t alive_ns;   // when a connection was last seen open
    _Atomic int64_t probed_ns;  // when a probe was last answered; 0: not yet
    atomic_int probed;          // connections that have had such a reply
    int done_bell;  // eventfd, rung when a worker is done with a phase
};

// A queue of connections (FIFO).
struct conn_queue {
    struct conn *first, **end;  // `end`: the pointer at its end, which is NULL
};

struct worker {
    struct control *control;
    const struct options *opt;
    int index;  // worker 0 also has the idle connections and the hogs
    pthread_t thread;

    // Read by the coordinator.
    _Atomic pid_t tid;
    _Atomic int done_phase;  // last phase it has nothing left to do in, or -1
    int64_t done_ns;         // time since when it has nothing to do there
    int64_t stopped_ns;      // time since the window began that it was stopped

    // Connections: first the idle ones, then the stream, then the hogs.
    int epoll;
    int stream_count, hogs, conn_count;
    struct conn *conns, *stream;
    struct batch *batches;    // memory for those of all connections
    int tried;                // connections that were opened for the first time
    int states[CONN_STATES];  // numbers of connections in each state
    struct conn_queue ready;  // those that may send
    struct conn_queue thinking;  // those that may send after --think
    int next_sweep;              // the connection that sweep() tries next

    // Requests and times.
    struct request probe, request, hog;
    bool open_loop;
    struct schedule schedule;  // of an open loop
    enum phase phase;
    int64_t now_ns;          // when the last bytes were read, or events came
    int64_t host_ns;         // when these bytes reached this host; 0: unknown
    int64_t requests_left;   // requests that it may still send in this phase
    int64_t window_ns;       // when the window began; INT64_MAX: not yet
    int64_t last_reply_ns;   // time of the last reply; 0: none in the window
    int64_t next_hogs_ns;    // when the hogs begin, and then when they end
    int64_t next_check_ns;   // when to check all connections
    int64_t check_ns;        // when it last checked them
    int64_t check_cpu_ns;    // CPU time that it had used then
    int64_t next_slow_ns;    // when slow connections send or receive a byte
    int64_t sweep_until_ns;  // when to ask epoll again
    int64_t wall_offset_ns;  // see clock_wall_offset_ns()

    struct stats stats;
};

// Prepares worker `index` in memory that is zero, without a thread. Its first
// connection takes the connected socket `fd`, unless that is -1. Returns 0, or
// -1 with errno. worker_destroy() closes the connections and frees the memory;
// call it in both cases.
int worker_create(struct worker *w, struct control *control, int index, int fd);
void worker_destroy(struct worker *w);

// Runs the loop of a worker (`argument`) until PHASE_END; for pthread_create().
void *worker_run(void *argument);

// Counts, after the loop, the connections that are open, and the requests that
// have no reply, with their age.
void worker_sum_up(struct worker *w);

// ---- What a worker counts (count.c)
//
// worker.c calls these functions when something has happened. They decide
// whether it counts, and in which counter. They block only with --timeline or
// --each, on the disk or the terminal.

// Adds `n` to a counter.
static inline void count_add(struct worker *w, enum counter counter, int n)
{
    uint64_t *value = &w->stats.counters[counter];
    COUNT_WRITE(*value, *value + (uint64_t)n);
}

// Adds a time, which `n` requests have in common, to a histogram.
static inline void count_time(struct worker *w, enum timing timing, int64_t ns,
                              int n)
{
    histogram_add(&w->stats.timings[timing], (uint64_t)ns, (uint64_t)n);
}

// Counts replies to the oldest outstanding requests of a connection.
void count_replies(struct worker *w, struct conn *c,
                   const struct reply_found *found);

// Counts bytes that came without a request as one wrong reply.
void count_surplus(struct worker *w, const char *bytes, size_t len);

// Counts the outstanding requests of a connection, and the one that waits until
// it is open, as requests without a reply, and removes them. `outcome` is lost,
// timed out, or unanswered at the end. The ages of the latter two are part of
// the latency.
void count_unreplied(struct worker *w, struct conn *c, enum counter outcome);

// Counts a request that was due at `due_ns` and found no free connection.
void count_unsent(struct worker *w, int64_t due_ns);

#endif

// worker.h - one thread of the load: sends requests, reads replies, counts.
//
// A worker decides nothing. The coordinator (run.c) tells all workers which
// phase the run is in, and when the load begins and ends; a worker tells when
// it has nothing left to do in the phase. It blocks in epoll only, until an
// event, the time of its next request, or a ring of the coordinator's bell.
// Whatever fails on a connection is counted, and the connection opened again.

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

// What the coordinator and its workers tell each other.
struct control {
    const struct options *opt;
    const struct address *server;
    struct wrong_replies *wrong;  // workers add to them

    // Written by the coordinator, which then rings the bell.
    _Atomic enum phase phase;
    _Atomic int64_t begin_ns, end_ns;  // of the warm-up, later of the window
    _Atomic int64_t during_ns;   // when the window's second interval begins
    _Atomic int64_t hog_end_ns;  // hogs send nothing from then on
    int bell;                    // eventfd

    // Written by workers.
    _Atomic int64_t after_ns;   // when the third interval begins
    _Atomic int64_t alive_ns;   // when a connection was last seen open
    _Atomic int64_t probed_ns;  // when a probe was last answered; 0: not yet
    atomic_int probed;          // probes that were answered
    int done_bell;  // eventfd, rung when a worker is done with a phase
};

struct worker {
    struct control *control;
    const struct options *opt;
    int index;  // 0: it has the idle connections and the hogs as well
    pthread_t thread;

    // Told to the coordinator.
    _Atomic pid_t tid;
    _Atomic int done_phase;  // the last one it has nothing left to do in, or -1
    int64_t done_ns;         // since when

    // Connections: idle ones, the stream, hogs.
    int epoll;
    int idle, stream_count, hogs, conn_count;
    struct conn *conns, *stream;
    struct batch *batches;      // of all connections
    int tried;                  // connections that were opened, or failed to
    int opening, open;          // connections in that state
    struct conn *ready, **end;  // queue of those that may send, and its end
    int next_sweep;             // connection to try next, without asking epoll

    // Requests and times.
    struct request probe, request, hog;
    bool open_loop;
    struct schedule schedule;  // of an open loop
    enum phase phase;
    int64_t now_ns;          // when the last bytes were read, or events came
    int64_t host_ns;         // when these bytes reached this host; 0: unknown
    int64_t requests_left;   // that it may send in this phase
    int64_t window_ns;       // when the window began; INT64_MAX: not yet
    int64_t last_reply_ns;   // since the window began
    int64_t hogs_ns;         // when the hogs begin, and then when they end
    int64_t check_ns;        // when all connections are to be checked
    int64_t slow_ns;         // when slow connections send or receive a byte
    int64_t sweep_until_ns;  // before epoll is asked again
    int64_t wall_offset_ns;  // see clock.h

    struct stats stats;
};

// Makes worker `index` in memory that is zero, without a thread. Its first
// connection takes the connected socket `fd`; -1: there is none. Returns 0, or
// -1 with errno; call worker_destroy() in both cases, which closes the
// connections.
int worker_create(struct worker *w, struct control *control, int index, int fd);
void worker_destroy(struct worker *w);

// Runs the loop of a worker (`argument`) until PHASE_END; for pthread_create().
void *worker_run(void *argument);

// Counts, after the loop, how the connections stand, and the requests that have
// no reply, at the age they have by now.
void worker_sum_up(struct worker *w);

// ---- What a worker counts (count.c)
//
// Worker.c says what has happened. The functions here decide what of it counts,
// and where. Only --timeline and --each may block, on the disk or the terminal.

// Adds `n` to a counter.
void count_add(struct worker *w, enum counter counter, int n);

// Adds a time, which `n` requests have in common, to a histogram.
void count_time(struct worker *w, enum timing timing, int64_t ns, int n);

// Counts replies to the oldest outstanding requests of a connection.
void count_replies(struct worker *w, struct conn *c,
                   const struct reply_found *found);

// Counts bytes that came without a request as one wrong reply.
void count_surplus(struct worker *w, const char *bytes, size_t len);

// Counts the outstanding requests of a connection, which will get no reply, and
// the one that waits until it is open. Afterwards the connection has neither.
// `outcome` says why: lost, timed out, or unanswered at the end. The latter two
// enter the latency at their age.
void count_unreplied(struct worker *w, struct conn *c, enum counter outcome);

// Counts a request that was due at `due_ns` and found no free connection.
void count_unsent(struct worker *w, int64_t due_ns);

#endif

// run.c - a run: the coordinator of the workers.
//
//     connect -> probe -> warm up -> settle -> measure -> grace -> end
//
// Before the load, every connection sends a small request, the probe. Its reply
// shows that the server has accepted the connection and started a process or
// thread for it. Without this, the first second would measure how fast a server
// starts these. Some of the idle connections send a probe, too: see
// is_batch_pending() in worker.c. The coordinator reads the server's CPU time
// before and after the load, while the server is idle: with a thousand
// processes this takes some time.

#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "figures.h"
#include "output.h"
#include "worker.h"

enum { OWN_DESCRIPTORS = 16, DESCRIPTORS_PER_WORKER = 1, PROBE_WARM_UPS = 2 };

#define CONNECT_NS MS(5000)  // limit for one address, and for all connections
// Every server has this time to answer the probes: the longest of a minimum,
// PROBE_WARM_UPS, and a time for each connection. The coordinator waits longer
// for a server at whose pace all probes will be answered soon: it needs at most
// PROBE_PACE_NS for each, and PROBE_ALL_NS for all. The wait ends early if the
// server has answered some and then none for PROBE_QUIET_NS, or one warm-up if
// longer: a server that serves one client after the other never accepts the
// next ones.
#define PROBE_MIN_NS MS(300)
#define PROBE_CONNECTION_NS (100 * (int64_t)NS_PER_US)
#define PROBE_PACE_NS MS(25)
#define PROBE_ALL_NS MS(10000)
#define PROBE_QUIET_NS MS(100)
#define SETTLE_NS MS(100)  // limit for the last replies of the warm-up
#define START_NS MS(1)     // time for the workers to learn of the window
#define GONE_NS MS(5000)   // time without a connection: the server has gone
#define CHECK_NS MS(100)   // longest time between checks of the workers

struct run {
    const struct options *opt;
    struct control control;
    struct result *result;
    struct worker *workers;
    int started;       // workers that exist, each with a thread
    int64_t start_ns;  // when the first worker was started
    int64_t phase_begin_ns;
    struct procstat server_begin;
    double readings_s;       // time between the readings of read_machine()
    int64_t check_ns;        // when the coordinator last checked the workers
    int64_t next_line_ns;    // when the next line of progress is due
    int64_t last_line_ns;    // when the last line was printed
    struct histogram shown;  // the latencies that it and earlier ones included
};

static atomic_bool interrupted;
static atomic_int interrupt_bell = -1;

void run_interrupt(int signo)
{
    (void)signo;
    interrupted = true;
    if (interrupt_bell >= 0)
        eventfd_write(interrupt_bell, 1);
}

// ---- Before the run

const char *run_raise_limit(const struct options *opt)
{
    struct rlimit limit = {0};
    int64_t count = options_connections(opt);
    rlim_t needed = (rlim_t)(count + opt->threads * DESCRIPTORS_PER_WORKER) +
                    OWN_DESCRIPTORS;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < needed && limit.rlim_max >= needed) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= needed)
        return NULL;
    return output_reason(
        "%d connections need %llu descriptors, the limit (ulimit -Hn) "
        "is %llu",
        (int)count, (unsigned long long)needed,
        (unsigned long long)limit.rlim_max);
}

// Connects to an address. Returns the socket, or -1 with errno.
static int connect_to(const struct options *opt, const struct address *address)
{
    int fd = conn_connect(address, 0, !opt->no_stamps), events;
    struct pollfd connected = {.fd = fd, .events = POLLOUT};
    if (fd < 0)
        return -1;
    do
        events = poll(&connected, 1, CONNECT_NS / NS_PER_MS);
    while (events < 0 && errno == EINTR && !interrupted);
    if (events > 0 && conn_check_connect(fd) == 0)
        return fd;
    int error = events == 0 ? ETIMEDOUT : errno;
    close(fd);
    errno = error;
    return -1;
}

const char *run_reach(const struct options *opt, struct target *target)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(opt->host, opt->port, &hints, &found);
    if (error != 0)
        return output_reason("%s: %s", opt->host, gai_strerror(error));

    target->fd = -1;
    for (const struct addrinfo *a = found;
         a != NULL && target->fd < 0 && !interrupted; a = a->ai_next) {
        memcpy(&target->address.storage, a->ai_addr, a->ai_addrlen);
        target->address.len = a->ai_addrlen;
        target->fd = connect_to(opt, &target->address);
    }
    error = errno;
    freeaddrinfo(found);
    if (target->fd >= 0 || interrupted)
        return NULL;
    return output_reason("cannot connect to %s:%s: %s", opt->host, opt->port,
                         strerror(error));
}

// ---- Workers

// Makes the kernel enlarge the table of descriptors now. Later, when there are
// threads, each step would take some milliseconds.
static void grow_descriptor_table(const struct run *run)
{
    int count = (int)options_connections(run->opt);
    int last = fcntl(run->control.bell, F_DUPFD_CLOEXEC, count);
    if (last >= 0)
        close(last);
}

static const char *cannot_prepare(const struct run *run)
{
    return output_reason("cannot prepare %d connections: %s",
                         (int)options_connections(run->opt), strerror(errno));
}

// Creates the next worker and its thread. `fd` is the socket of its first
// connection, or -1.
static const char *start_worker(struct run *run, int fd)
{
    struct worker *w = &run->workers[run->started];
    const char *why = NULL;
    if (worker_create(w, &run->control, run->started, fd) != 0)
        why = cannot_prepare(run);
    else if ((errno = pthread_create(&w->thread, NULL, worker_run, w)) != 0)
        why =
            output_reason("cannot start thread %d of %d: %s", run->started + 1,
                          (int)run->opt->threads, strerror(errno));
    if (why != NULL)
        worker_destroy(w);
    else
        run->started++;
    return why;
}

static const char *start_workers(struct run *run, int first_fd)
{
    struct control *control = &run->control;
    const char *why = NULL;
    control->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    control->done_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    interrupt_bell = control->done_bell;
    run->workers = calloc((size_t)run->opt->threads, sizeof *run->workers);
    if (control->bell < 0 || control->done_bell < 0 || run->workers == NULL)
        return cannot_prepare(run);
    grow_descriptor_table(run);
    run->start_ns = clock_now_ns();
    while (run->started < run->opt->threads && why == NULL)
        why = start_worker(run, run->started == 0 ? first_fd : -1);
    return why;
}

static void set_phase(struct run *run, enum phase phase)
{
    run->phase_begin_ns = clock_now_ns();
    run->control.phase = phase;
    eventfd_write(run->control.bell, 1);
}

static void join_workers(struct run *run)
{
    set_phase(run, PHASE_END);
    for (int i = 0; i < run->started; i++)
        pthread_join(run->workers[i].thread, NULL);
}

static void destroy(struct run *run)
{
    interrupt_bell = -1;
    for (int i = 0; i < run->started; i++)
        worker_destroy(&run->workers[i]);
    free(run->workers);
    close(run->control.bell);
    close(run->control.done_bell);
}

// ---- The counts of all workers

// Adds up what the workers have counted so far.
static void add_stats(const struct run *run)
{
    struct stats *total = &run->result->stats;
    *total = (struct stats){0};
    for (int i = 0; i < run->started; i++)
        stats_add(total, &run->workers[i].stats);
    for (int i = LATENCY_BEFORE; i <= LATENCY_AFTER; i++)
        histogram_merge(&total->timings[LATENCY], &total->timings[i]);
}

// Returns how much time is left of the window, which ends after a time or a
// number of requests.
static double left_s(const struct run *run, double elapsed_s)
{
    double right = (double)run->result->stats.counters[COUNT_RIGHT];
    double left_s = clock_seconds(run->opt->duration_ns) - elapsed_s;
    if (run->opt->requests == 0 || right == 0)
        return left_s;
    return fmin(left_s, elapsed_s * ((double)run->opt->requests / right - 1));
}

// Adds and prints a row of a ramp. Its times count from the start of the
// window.
static void add_ramp_row(const struct run *run, double from_s, double to_s)
{
    const struct options *opt = run->opt;
    struct result *r = run->result;
    const struct histogram *latency = &r->stats.timings[LATENCY];
    double slope = (double)(opt->ramp_to - opt->ramp_from) /
                   clock_seconds(opt->duration_ns);
    double middle_s = (from_s + to_s) / 2;
    if (r->row_count == RAMP_ROWS_MAX || to_s <= from_s)
        return;
    struct ramp_row *row = &r->rows[r->row_count++];
    row->from_s = from_s;
    row->to_s = to_s;
    row->due_per_s = (double)opt->ramp_from + slope * middle_s;
    row->right_per_s = (double)latency->count / (to_s - from_s);
    row->p50_us = figures_sure_us(latency, 50);
    row->p99_us = figures_sure_us(latency, 99);
    output_ramp_row(r, row);
}

// Prints a line, or a row of a ramp, about the time since the last one.
static void print_progress(struct run *run, int64_t now_ns)
{
    struct histogram *latency = &run->result->stats.timings[LATENCY];
    double elapsed_s = clock_seconds(now_ns - run->control.begin_ns);
    double interval_s = clock_seconds(now_ns - run->last_line_ns);
    add_stats(run);
    struct histogram so_far = *latency;
    histogram_subtract(latency, &run->shown);
    if (run->opt->ramp_to > 0)
        add_ramp_row(run, elapsed_s - interval_s, elapsed_s);
    else
        output_progress(run->result, elapsed_s, interval_s,
                        left_s(run, elapsed_s));
    run->shown = so_far;
    run->last_line_ns = now_ns;
    // If fibload was stopped, the line has all the intervals that it missed.
    int64_t missed = (now_ns - run->next_line_ns) / run->opt->interval_ns;
    run->next_line_ns += (missed + 1) * run->opt->interval_ns;
}

// ---- Waiting

static bool all_done(const struct run *run)
{
    for (int i = 0; i < run->started; i++)
        if (run->workers[i].done_phase != (int)run->control.phase)
            return false;
    return true;
}

// Blocks until a worker rings, until `until_ns`, or until the next check.
static void wait_for_bell(const struct run *run, int64_t now_ns,
                          int64_t until_ns)
{
    struct pollfd bell = {.fd = run->control.done_bell, .events = POLLIN};
    eventfd_t rings;
    until_ns = clock_min(until_ns, now_ns + CHECK_NS);
    until_ns = clock_min(until_ns, run->next_line_ns);
    if (until_ns > now_ns)
        poll(&bell, 1, (int)((until_ns - now_ns) / NS_PER_MS) + 1);
    eventfd_read(bell.fd, &rings);
}

// Returns for how long the coordinator waits for probes.
static int64_t probe_limit_ns(const struct run *run)
{
    const struct options *opt = run->opt;
    int64_t probed = run->control.probed, all = opt->connections + opt->hogs;
    int64_t pace_ns = clock_min(PROBE_PACE_NS, PROBE_ALL_NS / all);
    int64_t limit_ns = options_connections(opt) * PROBE_CONNECTION_NS;
    limit_ns = clock_max(limit_ns, PROBE_WARM_UPS * opt->warmup_ns);
    limit_ns = clock_max(limit_ns, PROBE_MIN_NS);
    return probed < all ? clock_max(limit_ns, probed * pace_ns) : limit_ns;
}

// Returns when to stop waiting for probes.
static int64_t probe_end_ns(const struct run *run)
{
    int64_t begin_ns = run->phase_begin_ns, last_ns = run->control.probed_ns;
    int64_t limit_ns = begin_ns + probe_limit_ns(run);
    int64_t quiet_ns = clock_max(begin_ns, last_ns) +
                       clock_max(PROBE_QUIET_NS, run->opt->warmup_ns);
    return last_ns > 0 ? clock_min(quiet_ns, limit_ns) : limit_ns;
}

// Returns when a phase ends, even if workers still have something to do in it.
static int64_t phase_end_ns(const struct run *run, enum phase phase)
{
    switch (phase) {
    case PHASE_CONNECT:
        return run->phase_begin_ns + CONNECT_NS;
    case PHASE_PROBE:
        return probe_end_ns(run);  // Later with each reply, within limits.
    case PHASE_SETTLE:
        return run->phase_begin_ns + SETTLE_NS;
    case PHASE_GRACE:
        return run->phase_begin_ns + run->opt->grace_ns;
    default:
        return run->control.end_ns;
    }
}

// Sets `gone` if no connection has been open for GONE_NS. If fibload itself was
// stopped for long, this time begins again: the workers have not yet told that
// connections are open.
static void check_server(struct run *run, int64_t now_ns)
{
    if (now_ns - run->check_ns > GONE_NS / 2)
        run->control.alive_ns = now_ns;
    run->check_ns = now_ns;
    if (now_ns - run->control.alive_ns > GONE_NS)
        run->result->gone = 1;
}

// Sets the phase, and waits until it is over, or every worker has nothing left
// to do in it. Returns false if the run ends early: the user has interrupted
// it, or the server has gone.
static bool run_phase(struct run *run, enum phase phase)
{
    struct result *r = run->result;
    bool was_ended = r->interrupted > 0 || r->gone > 0;  // in another phase
    set_phase(run, phase);
    for (;;) {
        int64_t now_ns = clock_now_ns(), end_ns = phase_end_ns(run, phase);
        if (now_ns >= end_ns || all_done(run))
            return true;
        if (phase < PHASE_GRACE)
            check_server(run, now_ns);
        if ((interrupted || r->gone > 0) && !was_ended)
            return false;
        if (now_ns >= run->next_line_ns)
            print_progress(run, now_ns);
        wait_for_bell(run, now_ns, end_ns);
    }
}

// ---- The window

// Adds `sign` times the CPU time that fibload and all programs have used so
// far. A reading with -1 and a later one with 1 leave the time used in between.
static void read_machine(struct run *run, int sign)
{
    struct result *r = run->result;
    run->readings_s += sign * clock_seconds(clock_now_ns());
    r->client_cores +=
        sign * clock_seconds(clock_read_ns(CLOCK_PROCESS_CPUTIME_ID));
    r->busy_cores += sign * machine_busy_s();
    for (int i = 0; i < run->started; i++)
        r->delay_share += sign * machine_delay_s(run->workers[i].tid);
}

// Reads the costs of the server so far, here or on its host. Returns 0, or -1
// if they are unknown.
static int read_usage(const struct options *opt, bool with_memory,
                      struct procstat *tree)
{
    if (opt->usage_fd > 0)
        return procstat_ask((int)opt->usage_fd, tree);
    if (opt->server_pid > 0)
        return procstat_read((pid_t)opt->server_pid, with_memory, tree);
    return -1;
}

static void begin_window(struct run *run)
{
    struct control *control = &run->control;
    const struct options *opt = run->opt;
    struct result *r = run->result;

    read_usage(opt, false, &run->server_begin);
    r->measured = true;
    read_machine(run, -1);
    int64_t begin_ns = clock_now_ns() + START_NS;
    control->begin_ns = begin_ns;
    control->end_ns = begin_ns + opt->duration_ns;
    control->during_ns = begin_ns + opt->duration_ns / 3;
    control->hog_end_ns = begin_ns + opt->duration_ns / 3 * 2;
    control->after_ns = opt->hogs > 0 ? INT64_MAX : control->hog_end_ns;
    run->last_line_ns = begin_ns;
    if (opt->interval_ns > 0)
        run->next_line_ns = begin_ns + opt->interval_ns;
}

// Returns when the window ended: after its time, with the last of -n replies,
// or now if the run ends early.
static int64_t end_of_window(const struct run *run, bool whole)
{
    int64_t done_ns = 0;
    if (!whole)
        return clock_now_ns();
    if (!all_done(run))
        return run->control.end_ns;
    for (int i = 0; i < run->started; i++)
        done_ns = clock_max(done_ns, run->workers[i].done_ns);
    return clock_min(done_ns, run->control.end_ns);
}

static void end_window(struct run *run)
{
    const struct control *c = &run->control;
    struct result *r = run->result;
    const int64_t borders_ns[] = {c->begin_ns, c->during_ns, c->after_ns,
                                  c->end_ns};
    read_machine(run, 1);
    r->client_cores /= run->readings_s;
    r->busy_cores /= run->readings_s;
    r->delay_share /= run->readings_s * run->started;
    r->duration_s = clock_seconds(c->end_ns - c->begin_ns);
    for (int i = 0; i < INTERVALS; i++) {
        int64_t from_ns = clock_min(borders_ns[i], c->end_ns);
        int64_t to_ns = clock_min(borders_ns[i + 1], c->end_ns);
        r->interval_s[i] = clock_seconds(clock_max(0, to_ns - from_ns));
    }
}

// Measures in the window. Returns false if the run ends early.
static bool measure(struct run *run)
{
    begin_window(run);
    bool whole = run_phase(run, PHASE_MEASURE);
    run->control.end_ns = end_of_window(run, whole);
    if (run->opt->ramp_to > 0)
        print_progress(run, run->control.end_ns);  // the rest of the last row
    run->next_line_ns = INT64_MAX;
    end_window(run);
    return whole;
}

// ---- The phases

static bool connect_all(struct run *run)
{
    bool finished = run_phase(run, PHASE_CONNECT);
    run->result->ramp_s = clock_seconds(clock_now_ns() - run->start_ns);
    return finished;
}

static bool warm_up(struct run *run)
{
    run->control.begin_ns = clock_now_ns();
    run->control.end_ns = run->control.begin_ns + run->opt->warmup_ns;
    return run->opt->warmup_ns == 0 || run_phase(run, PHASE_WARM_UP);
}

static void run_phases(struct run *run)
{
    bool whole = connect_all(run) && run_phase(run, PHASE_PROBE) &&
                 warm_up(run) && run_phase(run, PHASE_SETTLE) && measure(run);
    run->result->interrupted = interrupted && !whole;
    if (run->result->measured)
        run_phase(run, PHASE_GRACE);
}

// ---- The result

// Reads the costs of the server since the window began.
static void read_server(const struct run *run)
{
    struct result *r = run->result;
    int64_t last_ns = 0;
    for (int i = 0; i < run->started; i++)
        last_ns = clock_max(last_ns, run->workers[i].last_reply_ns);
    if (last_ns == 0)
        last_ns = clock_now_ns();
    r->server_wall_s = clock_seconds(last_ns - run->control.begin_ns);
    if (r->measured && read_usage(run->opt, true, &r->server) == 0)
        procstat_subtract(&r->server, &run->server_begin);
    else
        r->server = (struct procstat){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
}

// Adds one connection to the figures of fairness. If its worker got no core in
// the window, `last_reply_ns` has not been set to the start of the window.
static void count_share(struct result *r, const struct conn *c,
                        const struct control *control)
{
    double replies = (double)c->replies;
    int64_t since_ns = clock_max(c->last_reply_ns, control->begin_ns);
    int64_t *longest_ns = &r->stats.longest_gap_ns;
    r->min_replies = fmin(r->min_replies, replies);
    r->max_replies = fmax(r->max_replies, replies);
    r->sum_of_squares += replies * replies;
    if (r->measured)
        *longest_ns = clock_max(*longest_ns, control->end_ns - since_ns);
}

static void sum_up(struct run *run)
{
    struct result *r = run->result;
    if (!r->measured)
        r->client_cores = r->busy_cores = r->delay_share = NAN;
    for (int i = 0; i < run->started; i++) {
        worker_sum_up(&run->workers[i]);
        r->stopped_s += clock_seconds(run->workers[i].stopped_ns);
    }
    r->stopped_s /= run->started;
    add_stats(run);
    histogram_merge(&r->stats.timings[LATENCY],
                    &r->stats.timings[LATENCY_LATE]);
    r->min_replies = INFINITY;
    for (int i = 0; i < run->started; i++)
        for (int j = 0; j < run->workers[i].stream_count; j++)
            count_share(r, &run->workers[i].stream[j], &run->control);
}

const char *run_load(const struct options *opt, struct target *target,
                     struct result *result)
{
    struct run run = {.opt = opt, .result = result, .next_line_ns = INT64_MAX};
    run.control = (struct control){.opt = opt,
                                   .server = &target->address,
                                   .wrong = &result->wrong,
                                   .alive_ns = clock_now_ns()};
    *result = (struct result){.opt = opt};
    const char *why = start_workers(&run, target->fd);
    target->fd = -1;
    if (why == NULL)
        run_phases(&run);
    join_workers(&run);
    if (why == NULL) {
        read_server(&run);
        sum_up(&run);
        figures_derive(result);
    }
    destroy(&run);
    return why;
}

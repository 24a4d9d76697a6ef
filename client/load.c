// load.c - a whole run: its threads, and the loop of each.
//
// A thread has an epoll, connections and counts of its own, and waits for
// events and for the time. What an event means is decided in traffic.c, what
// part of the run it is in phases.c. All threads end where the load is to
// change, and begin again together: nobody has to ask how far the others are.

#include "load.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "fate.h"
#include "phases.h"
#include "traffic.h"

enum { EVENTS_AT_ONCE = 256, EVENTS_MANY = 16, HELLO_N = 1 };

#define LOOK_MAX_NS MS(100)  // between looks around
#define OTHERS_MIN_S 0.5
#define TRY_NS MS(2)  // without asking who else has something
#define SPIN_NS (60 * (int64_t)CLOCK_NS_PER_US)  // what a sleep may be late

// A run for each thread, and what they share.
struct load {
    struct shared shared;
    struct run *runs;
    int count;
    struct result *results;  // of all but the first, which counts elsewhere
    struct usage server_before;
};

// How long to sleep. The kernel wakes us some 40 us late: a request that is due
// sooner than that is waited for awake.
static int64_t sleep_ns(const struct run *run, int64_t now_ns)
{
    int64_t until_ns = phases_next_ns(run);
    int64_t next_ns = traffic_next_ns(run);
    if (next_ns < INT64_MAX && next_ns - SPIN_NS < until_ns)
        until_ns = next_ns - SPIN_NS;
    return until_ns > now_ns && !run->opt->spin ? until_ns - now_ns : 0;
}

static void *run_loop(void *argument)
{
    struct run *run = argument;
    struct epoll_event events[EVENTS_AT_ONCE];

    prctl(PR_SET_TIMERSLACK, 1);  // Else the kernel adds 50 us to any sleep.
    for (;;) {
        int64_t now_ns = clock_now_ns();
        if (!phases_advance(run, now_ns))
            return NULL;
        traffic_feed(run, now_ns);
        if (now_ns < run->try_until_ns && traffic_try(run))
            continue;
        int count = pool_wait(&run->pool, events, EVENTS_AT_ONCE,
                              sleep_ns(run, now_ns));
        for (int i = 0; i < count; i++)
            traffic_event(run, events[i].data.ptr, events[i].events);
        run->try_until_ns = count >= EVENTS_MANY ? now_ns + TRY_NS : 0;
    }
}

// Runs all loops until they end or wait for each other; the first in the thread
// that calls.
static int run_part(struct load *load)
{
    struct run *runs = load->runs;
    int64_t now_ns = clock_now_ns();
    int started = 1, error = 0;

    for (int i = 0; i < load->count; i++)
        phases_begin(&runs[i], now_ns);
    for (; started < load->count && error == 0; started += error == 0)
        error = pthread_create(&runs[started].thread, NULL, run_loop,
                               &runs[started]);
    if (error != 0)
        phases_interrupt();
    run_loop(&runs[0]);
    for (int i = 1; i < started; i++)
        pthread_join(runs[i].thread, NULL);
    errno = error;
    return error == 0 ? 0 : -1;
}

// The part of `count` that the thread `index` of `threads` has. Whoever is
// slow keeps it: else the others could leave its connections without any.
static int64_t share_of(int64_t count, int index, int threads)
{
    return count / threads + (index < count % threads);
}

// The first `first` connections of all are those of other threads.
static int prepare(struct run *run, int first)
{
    const struct options *opt = run->opt;
    int64_t stream = share_of(opt->connections, run->index, opt->threads);
    struct pool_plan plan = {.stream = (int)stream,
                             .depth = opt->pipeline,
                             .stamps = !opt->no_stamps,
                             .first = first,
                             .all = opt->idle + opt->connections + opt->hogs};

    *run->result = (struct result){.connections = opt->connections,
                                   .idle = opt->idle,
                                   .hogs = opt->hogs,
                                   .churn = opt->churn,
                                   .open_loop = opt->rate > 0};
    run->owed = share_of(opt->requests, run->index, opt->threads);
    request_make(&run->hello, HELLO_N);
    request_make(&run->request, opt->n);
    request_make(&run->hog, opt->hog_n);
    // Often enough for a timeout to be noticed soon after it.
    run->look_interval_ns = opt->timeout_ns / 4;
    if (run->look_interval_ns > LOOK_MAX_NS)
        run->look_interval_ns = LOOK_MAX_NS;
    if (run->index == 0) {
        plan.idle = opt->idle;
        plan.hogs = opt->hogs;
    }
    return pool_create(&run->pool, &plan);
}

// The first run counts in `result`, into which the others' counts go at last.
static int prepare_all(struct load *load, const struct addrinfo *target,
                       struct result *result)
{
    const struct options *opt = load->shared.opt;
    size_t count = (size_t)opt->threads;
    int first = 0, failed = 0;

    load->runs = calloc(count, sizeof *load->runs);
    load->results = calloc(count, sizeof *load->results);
    if (load->runs == NULL || load->results == NULL)
        return -1;
    while (load->count < opt->threads && failed == 0) {
        struct run *run = &load->runs[load->count];
        run->opt = opt;
        run->shared = &load->shared;
        run->index = load->count++;
        run->next_address = target;
        run->result = run->index == 0 ? result : &load->results[run->index];
        failed = prepare(run, first);
        first += run->pool.count;
    }
    return failed;
}

static void destroy(struct load *load)
{
    for (int i = 0; i < load->count; i++)
        pool_destroy(&load->runs[i].pool);
    free(load->runs);
    free(load->results);
    free(load);
}

// The server is looked at while it has nothing to do: with a thousand processes
// that takes a while.
static void begin_measuring(struct load *load, struct result *r)
{
    pid_t server = load->shared.opt->server_pid;
    int measuring = 0;

    if (server != 0)
        r->server_known = usage_read_times(server, &load->server_before) == 0;
    for (int i = 0; i < load->count; i++)
        measuring += load->runs[i].phase == PHASE_MEASURE;
    progress_begin(&load->shared.progress, load->shared.opt, measuring,
                   clock_now_ns());
}

// Looks at the server again, before its clients leave.
static void end_measuring(struct load *load, struct result *r)
{
    struct usage after;
    const struct run *runs = load->runs;
    int64_t last_ns = 0;

    if (!r->server_known || !r->measured ||
        usage_read(load->shared.opt->server_pid, &after) != 0) {
        r->server_known = false;
        return;
    }
    for (int i = 0; i < load->count; i++)
        if (runs[i].last_reply_ns > last_ns)
            last_ns = runs[i].last_reply_ns;
    if (last_ns == 0)
        last_ns = clock_now_ns();
    r->server = usage_between(&load->server_before, &after);
    r->server_wall_s = clock_seconds(last_ns - runs[0].begin_ns);
}

// What the machine did, less what the server and we did. Ticks are coarse: of a
// short window they do not tell.
static double others_cores(const struct result *r)
{
    if (!r->server_known || r->busy_cores < 0)
        return -1;
    double cores =
        r->busy_cores - r->server.cpu_s / r->duration_s - r->client_cpu_share;
    return r->duration_s >= OTHERS_MIN_S && cores > 0 ? cores : 0;
}

static void sum_up(struct load *load, struct result *r)
{
    for (int i = 0; i < load->count; i++) {
        struct run *run = &load->runs[i];
        fate_count_unanswered(run, clock_now_ns());
        result_sum_up(run->result, run->pool.connections, run->pool.count,
                      run->end_ns);
        if (i > 0)
            result_merge(r, run->result);
    }
    r->delay_share /= load->count;
    r->others_cores = others_cores(r);
}

static bool reached(const struct load *load)
{
    bool any = false;
    for (int i = 0; i < load->count; i++)
        any = any || load->runs[i].reached;
    return any;
}

static int run_all(struct load *load, struct result *result)
{
    if (run_part(load) != 0)  // They connect.
        return -1;
    if (run_part(load) != 0)  // The server is warmed up.
        return -1;
    begin_measuring(load, result);
    if (run_part(load) != 0)
        return -1;
    end_measuring(load, result);
    sum_up(load, result);
    errno = load->runs[0].last_error;
    return reached(load) || phases_interrupted() ? 0 : -1;
}

void load_interrupt(void)
{
    phases_interrupt();
}

int load_run(const struct options *opt, const struct addrinfo *target,
             FILE *timeline, struct result *result)
{
    struct load *load = calloc(1, sizeof *load);
    if (load == NULL)
        return -1;
    load->shared.opt = opt;
    load->shared.timeline = timeline;
    fate_begin_timeline(timeline);

    int failed = prepare_all(load, target, result);
    if (failed == 0)
        failed = run_all(load, result);
    int saved = errno;
    destroy(load);
    errno = saved;
    return failed;
}

// phases.c - what part of a run it is, and when the next one begins.

#include "phases.h"

#include <errno.h>
#include <signal.h>

#include "fate.h"
#include "stages.h"
#include "traffic.h"

enum { HELLO_WARMUPS = 2 };  // how long it may take, as multiple of the warm-up

#define OTHERS_MIN_S 0.5

#define REACH_NS MS(5000)     // for one address
#define RAMP_NS MS(5000)      // for all connections
#define HELLO_MIN_NS MS(300)  // for all to be answered once
#define SETTLE_NS MS(100)     // for the last replies of the warm-up
#define GONE_NS MS(5000)      // without any connection

static volatile sig_atomic_t interrupted;

void phases_interrupt(void)
{
    interrupted = 1;
}

bool phases_interrupted(void)
{
    return interrupted;
}

static void enter(struct run *run, enum phase phase, int64_t limit_ns)
{
    run->phase = phase;
    run->phase_end_ns = clock_now_ns() + limit_ns;
}

// Looks for requests and connections that take too long, for lost connections
// to be opened again, and whether the server is still there.
static void look(struct run *run, int64_t now_ns)
{
    if (now_ns < run->look_ns)
        return;
    run->look_ns = now_ns + run->look_interval_ns;
    run->wall_offset_ns = clock_wall_offset_ns();
    if (run->pool.open > 0)
        run->alive_ns = now_ns;
    for (int i = 0; i < run->pool.tried; i++)
        traffic_look_at(run, &run->pool.connections[i], now_ns);
    if (run->reached && run->phase < PHASE_GRACE)
        run->result->gone = now_ns - run->alive_ns > GONE_NS;
}

// Tries address by address with one connection: a name may have several, and
// the server may listen on one of them.
static void reach(struct run *run, int64_t now_ns)
{
    struct pool *pool = &run->pool;

    if (pool->opening > 0 && now_ns >= run->phase_end_ns) {
        pool_drop(pool, &pool->connections[0]);
        run->last_error = ETIMEDOUT;
    }
    while (pool->opening == 0 && run->next_address != NULL) {
        pool->address = run->next_address;
        run->next_address = run->next_address->ai_next;
        enter(run, PHASE_REACH, REACH_NS);
        if (pool_open(pool, &pool->connections[0]) != 0)
            fate_failed(run, errno);
    }
    if (pool->opening == 0)
        run->phase = PHASE_OVER;
}

static void begin_hello(struct run *run)
{
    int64_t limit_ns = HELLO_WARMUPS * run->opt->warmup_ns;
    enter(run, PHASE_HELLO, limit_ns > HELLO_MIN_NS ? limit_ns : HELLO_MIN_NS);
}

static void begin_warmup(struct run *run)
{
    for (int i = 0; i < run->pool.count; i++) {
        const struct connection *c = &run->pool.connections[i];
        run->result->greeted += c->role == ROLE_STREAM &&
                                c->state == CONNECTION_OPEN &&
                                c->under_way == 0;
    }
    enter(run, PHASE_WARMUP, run->opt->warmup_ns);
    traffic_begin_schedule(run, clock_now_ns());
}

// The server is looked at while it has nothing to do: with a thousand processes
// that takes a while.
static void begin_measuring(struct run *run)
{
    if (run->opt->server_pid != 0)
        run->result->server_known =
            usage_read_times(run->opt->server_pid, &run->server_before) == 0;
    machine_read(&run->machine_before);
    enter(run, PHASE_MEASURE, run->opt->duration_ns);
    run->result->measured = true;
    run->begin_cpu_ns = clock_cpu_ns();
    run->begin_ns = clock_now_ns();
    run->end_ns = run->phase_end_ns;
    for (int i = 0; i < run->pool.count; i++)
        run->pool.connections[i].last_ns = run->begin_ns;
    progress_begin(&run->progress, run->opt, run->begin_ns);
    stages_begin(run);
    traffic_begin_schedule(run, run->begin_ns);
}

static void end_measuring(struct run *run)
{
    struct result *r = run->result;
    stages_end(run);
    r->client_cpu_share = clock_seconds(clock_cpu_ns() - run->begin_cpu_ns);
    if (clock_now_ns() < run->end_ns)
        run->end_ns = clock_now_ns();
    r->duration_s = clock_seconds(clock_now_ns() - run->begin_ns);
    r->client_cpu_share /= r->duration_s;
    machine_read(&run->machine_after);
    r->delay_share =
        (run->machine_after.delay_s - run->machine_before.delay_s) /
        r->duration_s;
    enter(run, PHASE_GRACE, run->opt->grace_ns);
}

// What the machine did, less what the server and we did. Ticks are coarse: of a
// short window they do not tell.
static double others_cores(const struct run *run)
{
    const struct result *r = run->result;
    double busy_s = run->machine_after.busy_s - run->machine_before.busy_s;
    if (!r->server_known || run->machine_after.busy_s == 0)
        return -1;
    double cores =
        (busy_s - r->server.cpu_s) / r->duration_s - r->client_cpu_share;
    return r->duration_s >= OTHERS_MIN_S && cores > 0 ? cores : 0;
}

// Looks at the server again, before its clients leave.
static void end_grace(struct run *run)
{
    struct result *r = run->result;
    struct usage after;

    traffic_count_unsent(run, clock_now_ns());
    run->phase = PHASE_OVER;
    if (run->last_reply_ns == 0)
        run->last_reply_ns = clock_now_ns();
    r->server_known =
        r->server_known && usage_read(run->opt->server_pid, &after) == 0;
    if (r->server_known) {
        r->server = usage_between(&run->server_before, &after);
        r->server_wall_s = clock_seconds(run->last_reply_ns - run->begin_ns);
    }
    r->others_cores = others_cores(run);
}

static bool phase_is_done(struct run *run, int64_t now_ns)
{
    bool time_is_up = now_ns >= run->phase_end_ns;
    bool all_open = run->pool.open == run->pool.count;

    switch (run->phase) {
    case PHASE_REACH:
        return run->reached;
    case PHASE_RAMP:
        return time_is_up || all_open;
    case PHASE_HELLO:
        return time_is_up || (all_open && run->hello.under_way == 0);
    case PHASE_MEASURE:
        return time_is_up || (run->opt->requests > 0 && traffic_is_over(run));
    case PHASE_SETTLE:
    case PHASE_GRACE:
        return time_is_up || (traffic_is_over(run) &&
                              run->hello.under_way + run->hog.under_way == 0);
    case PHASE_WARMUP:
    case PHASE_OVER:
        break;
    }
    return time_is_up;
}

static void begin_next_phase(struct run *run)
{
    switch (run->phase) {
    case PHASE_REACH:
        enter(run, PHASE_RAMP, RAMP_NS);
        break;
    case PHASE_RAMP:
        begin_hello(run);
        break;
    case PHASE_HELLO:
        begin_warmup(run);
        break;
    case PHASE_WARMUP:
        enter(run, PHASE_SETTLE, SETTLE_NS);
        break;
    case PHASE_SETTLE:
        begin_measuring(run);
        break;
    case PHASE_MEASURE:
        end_measuring(run);
        break;
    case PHASE_GRACE:
        end_grace(run);
        break;
    case PHASE_OVER:
        break;
    }
}

// Ends the run before its time: with what was measured, if anything was.
static void cut_short(struct run *run)
{
    run->result->interrupted = interrupted;
    if (run->phase == PHASE_MEASURE)
        end_measuring(run);
    else
        run->phase = PHASE_OVER;
}

bool phases_advance(struct run *run, int64_t now_ns)
{
    look(run, now_ns);
    if (run->phase == PHASE_REACH && !run->reached)
        reach(run, now_ns);
    else if (run->phase < PHASE_GRACE && pool_open_some(&run->pool) != 0)
        fate_failed(run, errno);
    if ((interrupted || run->result->gone) && run->phase < PHASE_GRACE)
        cut_short(run);
    while (run->phase != PHASE_OVER && phase_is_done(run, now_ns))
        begin_next_phase(run);
    if (run->phase == PHASE_MEASURE) {
        stages_tick(run, now_ns);
        progress_tick(&run->progress, run->result, now_ns);
    }
    return run->phase != PHASE_OVER;
}

int64_t phases_next_ns(const struct run *run)
{
    int64_t next_ns = run->look_ns;
    if (run->phase_end_ns < next_ns)
        next_ns = run->phase_end_ns;
    if (run->phase != PHASE_MEASURE)
        return next_ns;
    if (run->progress.due_ns < next_ns)
        next_ns = run->progress.due_ns;
    int64_t stage_ns = stages_next_ns(run);
    return stage_ns < next_ns ? stage_ns : next_ns;
}

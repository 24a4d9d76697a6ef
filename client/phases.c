// phases.c - what part of a run it is, and when the next one begins.

#include "phases.h"

#include <errno.h>

#include "fate.h"
#include "stages.h"
#include "traffic.h"

enum { HELLO_WARMUPS = 2 };  // how long it may take, as multiple of the warm-up

#define REACH_NS MS(5000)     // for one address
#define RAMP_NS MS(5000)      // for all connections
#define HELLO_MIN_NS MS(300)  // for all to be answered once
#define SETTLE_NS MS(100)     // for the last replies of the warm-up
#define GONE_NS MS(5000)      // without any connection

static atomic_bool interrupted;

void phases_interrupt(void)
{
    interrupted = true;
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
        atomic_store(&run->shared->alive_ns, now_ns);
    for (int i = 0; i < run->pool.tried; i++)
        traffic_look_at(run, &run->pool.connections[i], now_ns);
    if (run->reached && run->phase < PHASE_GRACE)
        run->result->gone =
            now_ns - atomic_load(&run->shared->alive_ns) > GONE_NS;
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
    run->result->ramp_s = clock_seconds(clock_now_ns() - run->begin_ns);
    int64_t limit_ns = HELLO_WARMUPS * run->opt->warmup_ns;
    enter(run, PHASE_HELLO, limit_ns > HELLO_MIN_NS ? limit_ns : HELLO_MIN_NS);
}

static void begin_warmup(struct run *run, int64_t now_ns)
{
    for (int i = 0; i < run->pool.count; i++) {
        const struct connection *c = &run->pool.connections[i];
        run->result->greeted += c->role == ROLE_STREAM &&
                                c->state == CONNECTION_OPEN &&
                                c->under_way == 0;
    }
    enter(run, PHASE_WARMUP, run->opt->warmup_ns);
    traffic_begin_schedule(run, now_ns);
}

static void begin_measuring(struct run *run, int64_t now_ns)
{
    machine_read(&run->machine_before);
    run->phase = PHASE_MEASURE;
    run->result->measured = true;
    run->begin_cpu_ns = clock_cpu_ns();
    run->end_ns = run->phase_end_ns = now_ns + run->opt->duration_ns;
    run->line_ns =
        run->opt->interval_ns > 0 ? now_ns + run->opt->interval_ns : INT64_MAX;
    for (int i = 0; i < run->pool.count; i++)
        run->pool.connections[i].last_ns = run->begin_ns;
    stages_begin(run);
    traffic_begin_schedule(run, run->begin_ns);
}

void phases_begin(struct run *run, int64_t now_ns)
{
    run->waiting = false;
    run->begin_ns = now_ns;
    if (run->phase == PHASE_WARMUP)
        begin_warmup(run, now_ns);
    else if (run->phase == PHASE_MEASURE)
        begin_measuring(run, now_ns);
}

static void wait_to_begin(struct run *run, enum phase phase)
{
    run->phase = phase;
    run->waiting = true;
}

static void end_measuring(struct run *run)
{
    struct result *r = run->result;
    struct machine machine;
    int64_t cpu_ns = clock_cpu_ns() - run->begin_cpu_ns;
    int64_t now_ns = clock_now_ns();

    stages_end(run);
    if (now_ns < run->end_ns)
        run->end_ns = now_ns;
    r->duration_s = clock_seconds(now_ns - run->begin_ns);
    r->client_cpu_share = clock_seconds(cpu_ns) / r->duration_s;
    machine_read(&machine);
    r->delay_share =
        (machine.delay_s - run->machine_before.delay_s) / r->duration_s;
    r->busy_cores =
        machine.busy_s > 0
            ? (machine.busy_s - run->machine_before.busy_s) / r->duration_s
            : -1;
    enter(run, PHASE_GRACE, run->opt->grace_ns);
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
        wait_to_begin(run, PHASE_WARMUP);
        break;
    case PHASE_WARMUP:
        enter(run, PHASE_SETTLE, SETTLE_NS);
        break;
    case PHASE_SETTLE:
        wait_to_begin(run, PHASE_MEASURE);
        break;
    case PHASE_MEASURE:
        end_measuring(run);
        break;
    case PHASE_GRACE:
        traffic_count_unsent(run, clock_now_ns());
        run->phase = PHASE_OVER;
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

static void tick(struct run *run, int64_t now_ns)
{
    stages_tick(run, now_ns);
    if (now_ns < run->line_ns)
        return;
    progress_hand_in(&run->shared->progress, &run->lately, run->result, now_ns);
    run->lately = (struct histogram){0};
    run->line_ns += run->opt->interval_ns;
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
    while (run->phase != PHASE_OVER && !run->waiting &&
           phase_is_done(run, now_ns))
        begin_next_phase(run);
    if (run->phase == PHASE_MEASURE && !run->waiting)
        tick(run, now_ns);
    return run->phase != PHASE_OVER && !run->waiting;
}

int64_t phases_next_ns(const struct run *run)
{
    int64_t next_ns = run->look_ns;
    if (run->phase_end_ns < next_ns)
        next_ns = run->phase_end_ns;
    if (run->phase != PHASE_MEASURE)
        return next_ns;
    if (run->line_ns < next_ns)
        next_ns = run->line_ns;
    int64_t stage_ns = stages_next_ns(run);
    return stage_ns < next_ns ? stage_ns : next_ns;
}

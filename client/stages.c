// stages.c - the thirds of a measured window: before, during, after the hogs.

#include "stages.h"

#include "traffic.h"

static int64_t third_ns(const struct run *run, int count)
{
    return run->begin_ns + (run->end_ns - run->begin_ns) / 3 * count;
}

static void enter(struct run *run, enum stage stage, int64_t now_ns)
{
    struct result *r = run->result;
    r->stages[r->stage].duration_s = clock_seconds(now_ns - run->stage_ns);
    r->stage = stage;
    run->stage_ns = now_ns;
    if (run->index == 0)
        atomic_store(&run->shared->stage, stage);
}

void stages_begin(struct run *run)
{
    run->result->stage = STAGE_BEFORE;
    run->stage_ns = run->begin_ns;
}

bool stages_hogs_ask(const struct run *run, int64_t now_ns)
{
    return run->phase == PHASE_MEASURE && run->result->stage == STAGE_DURING &&
           now_ns < third_ns(run, 2);
}

static void follow(struct run *run, int64_t now_ns)
{
    enum stage stage = atomic_load(&run->shared->stage);
    if (stage != run->result->stage)
        enter(run, stage, now_ns);
}

void stages_tick(struct run *run, int64_t now_ns)
{
    enum stage stage = run->result->stage;
    if (run->index > 0)
        follow(run, now_ns);
    else if (stage == STAGE_BEFORE && now_ns >= third_ns(run, 1)) {
        enter(run, STAGE_DURING, now_ns);
        traffic_feed_hogs(run, now_ns);
    } else if (stage == STAGE_DURING && now_ns >= third_ns(run, 2) &&
               run->hog.under_way == 0) {
        enter(run, STAGE_AFTER, now_ns);
    }
}

int64_t stages_next_ns(const struct run *run)
{
    enum stage stage = run->result->stage;
    if (stage == STAGE_BEFORE && run->index == 0)
        return third_ns(run, 1);
    if (stage == STAGE_DURING && run->index == 0 && run->hog.under_way == 0)
        return third_ns(run, 2);
    return INT64_MAX;
}

void stages_end(struct run *run)
{
    enter(run, STAGE_OVER, clock_now_ns());
}

// progress.c - the line that is printed now and then while a run is measured.

#include "progress.h"

#include "clock.h"
#include "report.h"

static void begin_interval(struct progress *p, int64_t now_ns)
{
    int64_t interval_ns = p->opt->interval_ns;
    p->from_ns = now_ns;
    p->due_ns = interval_ns > 0 ? now_ns + interval_ns : INT64_MAX;
}

void progress_begin(struct progress *p, const struct options *opt,
                    int64_t now_ns)
{
    p->opt = opt;
    p->begin_ns = now_ns;
    begin_interval(p, now_ns);
}

void progress_count(struct progress *p, int64_t latency_ns)
{
    if (p->opt->interval_ns > 0)
        histogram_add(&p->latency, (uint64_t)latency_ns);
}

// What is left of the window: by its time, or by its number of requests.
static double left_s(const struct progress *p, const struct result *r,
                     int64_t now_ns)
{
    double spent = clock_seconds(now_ns - p->begin_ns);
    double left = clock_seconds(p->opt->duration_ns) - spent;
    if (p->opt->requests == 0 || r->right == 0)
        return left;
    double all = (double)p->opt->requests;
    double by_count = spent * (all / (double)r->right - 1);
    return by_count < left ? by_count : left;
}

void progress_tick(struct progress *p, const struct result *r, int64_t now_ns)
{
    if (now_ns < p->due_ns)
        return;
    report_progress(&(struct interval){
        .elapsed_s = clock_seconds(now_ns - p->begin_ns),
        .left_s = left_s(p, r, now_ns),
        .duration_s = clock_seconds(now_ns - p->from_ns),
        .latency = &p->latency,
        .served = r->served,
        .connections = r->connections,
        .problems = r->wrong + r->error_replies + r->failed + r->timeouts,
    });
    p->latency = (struct histogram){0};
    begin_interval(p, now_ns);
}

// progress.c - the line that is printed now and then while a run is measured.

#include "progress.h"

#include "clock.h"
#include "report.h"

void progress_begin(struct progress *p, const struct options *opt, int threads,
                    int64_t now_ns)
{
    *p = (struct progress){.lock = PTHREAD_MUTEX_INITIALIZER,
                           .opt = opt,
                           .threads = threads,
                           .begin_ns = now_ns,
                           .from_ns = now_ns};
}

// What is left of the window: by its time, or by its number of requests.
static double left_s(const struct progress *p, int64_t now_ns)
{
    double spent = clock_seconds(now_ns - p->begin_ns);
    double left = clock_seconds(p->opt->duration_ns) - spent;
    if (p->opt->requests == 0 || p->right == 0)
        return left;
    double all = (double)p->opt->requests;
    double by_count = spent * (all / (double)p->right - 1);
    return by_count < left ? by_count : left;
}

static void print_line(const struct progress *p, int64_t now_ns)
{
    report_progress(&(struct interval){
        .elapsed_s = clock_seconds(now_ns - p->begin_ns),
        .left_s = left_s(p, now_ns),
        .duration_s = clock_seconds(now_ns - p->from_ns),
        .latency = &p->latency,
        .served = p->served,
        .connections = p->opt->connections,
        .problems = p->problems,
    });
}

static void begin_interval(struct progress *p, int64_t now_ns)
{
    p->from_ns = now_ns;
    p->latency = (struct histogram){0};
    p->handed_in = p->served = 0;
    p->right = p->problems = 0;
}

void progress_hand_in(struct progress *p, const struct histogram *latency,
                      const struct result *r, int64_t now_ns)
{
    pthread_mutex_lock(&p->lock);
    histogram_merge(&p->latency, latency);
    p->served += r->served;
    p->right += r->right;
    p->problems += r->wrong + r->error_replies + r->failed + r->timeouts;
    if (++p->handed_in >= p->threads) {
        print_line(p, now_ns);
        begin_interval(p, now_ns);
    }
    pthread_mutex_unlock(&p->lock);
}

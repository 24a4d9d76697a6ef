// limits.c - limits on the figures of a run, and the highest rate within them.

#include "limits.h"

#include <math.h>
#include <string.h>

#include "clock.h"
#include "figures.h"
#include "output.h"

#define PRECISION 1.05  // of the rate that is found
#define RATE_MAX 1e7

// One limit: "p99=10ms" is that of the figure p99_us.
struct limit {
    char text[64];
    const struct figure *figure;
    double max;  // in the unit of the figure
};

// Reads the limit that `*text` begins with, and moves it to the next one.
// Returns false if it is none.
static bool take(const char **text, struct limit *limit)
{
    char name[32], time_name[sizeof name + 4], value[32], rest;
    size_t len = strcspn(*text, ",");
    snprintf(limit->text, sizeof limit->text, "%.*s", (int)len, *text);
    *text += len + ((*text)[len] == ',');
    if (sscanf(limit->text, "%31[^=]=%31[^=]", name, value) != 2)
        return false;
    snprintf(time_name, sizeof time_name, "%s_us", name);
    limit->figure = figures_find(name);
    if (limit->figure == NULL)
        limit->figure = figures_find(time_name);
    if (limit->figure == NULL)
        return false;
    if (limit->figure->unit == UNIT_US)
        limit->max = options_time_ns(value) / NS_PER_US;
    else if (sscanf(value, "%lf%c", &limit->max, &rest) != 1)
        return false;
    return limit->max >= 0;
}

const char *limits_refused(const char *text)
{
    static struct limit limit;
    do
        if (!take(&text, &limit))
            return limit.text;
    while (*text != '\0');
    return NULL;
}

bool limits_kept(FILE *file, const char *text, const struct result *r)
{
    struct limit limit;
    bool kept = r->measured;
    while (*text != '\0' && take(&text, &limit)) {
        double value = figures_value(limit.figure, r);
        bool is_time = limit.figure->unit == UNIT_US;
        bool is_kept = value <= limit.max;
        kept = kept && is_kept;
        if (!is_kept && file != NULL)
            fprintf(file, "fibload: required was %s, it is %.10g%s%s\n",
                    limit.text, value, is_time ? " us" : "",
                    isnan(value) ? ": unknown" : "");
    }
    return kept;
}

// ---- The highest rate

// Makes a run at `rate`. Returns 1 if it keeps the limits, and is then `best`;
// 0 if not; -1, and why in best->failure, if there was no run.
static int try_once(struct options *opt, struct target *target, double rate,
                    struct result *best)
{
    static struct result run;
    opt->rate = (int64_t)rate;
    int status = target->fd < 0 ? run_reach(opt, target, &run) : 0;
    if (status == 0)
        status = run_load(opt, target, NULL, &run);
    target->fd = -1;
    if (status != 0 || run.interrupted > 0) {
        snprintf(best->failure, sizeof best->failure, "%s",
                 status != 0 ? run.failure
                             : "interrupted before the rate was found");
        return -1;
    }
    figures_derive(&run);
    bool kept = run.errors == 0 && limits_kept(NULL, opt->find_rate, &run);
    output_say(stderr, &run,
               "{rate:10} per second: p50 {p50_us}, p99 {p99_us}"
               ", {errors error/errors}: ");
    fprintf(stderr, "%s\n", kept ? "kept" : "not kept");
    if (kept)
        *best = run;
    return kept;
}

int limits_find_rate(struct options *opt, struct target *target,
                     struct result *best)
{
    double low = 0, high = INFINITY, rate = (double)opt->rate;
    while (rate >= 1 && rate <= RATE_MAX && high > PRECISION * low) {
        int kept = try_once(opt, target, rate, best);
        if (kept == 0)  // Another program may have disturbed it: once more.
            kept = try_once(opt, target, rate, best);
        if (kept < 0)
            return -1;
        *(kept ? &low : &high) = rate;
        rate = isinf(high) ? 2 * low : low == 0 ? high / 2 : (low + high) / 2;
    }
    opt->rate = (int64_t)low;
    if (low == 0)
        snprintf(best->failure, sizeof best->failure, "%s",
                 "--find-rate: no rate keeps the limits");
    return low > 0 ? 0 : -1;
}

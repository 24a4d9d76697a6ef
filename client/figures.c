// figures.c - every figure of a run, and the verdict on them.

#include "figures.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

// ---- The table
//
// The order is part of the interface: new figures go to the end.

// clang-format off
#define COUNT(name) UNIT_COUNT, FROM_COUNTER, SUM, COUNT_##name, 0
#define SAMPLES(timing) UNIT_COUNT, FROM_SAMPLES, DERIVED, timing, 0
#define P(percent, timing) UNIT_US, FROM_PERCENTILE, DERIVED, timing, percent
#define MAX(timing) P(100, timing)
#define RESULT(unit, sum, field) \
    UNIT_##unit, FROM_RESULT, sum, offsetof(struct result, field), 0
#define OPTIONS(sum, field) \
    UNIT_COUNT, FROM_OPTIONS, sum, offsetof(struct options, field), 0
// Figures with the name of their field.
#define FIELD(unit, sum, name, meaning) \
    {#name, RESULT(unit, sum, name), meaning}
#define OPTION(sum, name, meaning) {#name, OPTIONS(sum, name), meaning}

const struct figure figures[] = {
    OPTION(SUM, connections, "connections that send requests"),
    OPTION(SUM, idle, "connections that send nothing"),
    OPTION(SAME, n, "requests ask for fib(n)"),
    FIELD(S, LARGEST, duration_s, "length of the window"),
    {"requests", COUNT(RIGHT), "right replies in the window"},
    FIELD(PER_S, DERIVED, req_per_s, "right replies per second"),
    {"wrong", COUNT(WRONG), "replies with wrong contents"},
    {"error_replies", COUNT(ERROR_REPLIES), "replies \"error: ...\""},
    FIELD(COUNT, SUM, failed, "connections that broke or failed"),
    {"timeouts", COUNT(TIMEOUTS), "requests given up after --timeout"},
    {"served", COUNT(SERVED), "connections with a right reply in the window"},
    {"p50_us", P(50, LATENCY), "median latency, from due to reply"},
    {"p90_us", P(90, LATENCY), "90th percentile of the latency"},
    {"p99_us", P(99, LATENCY), "99th percentile of the latency"},
    {"p999_us", P(99.9, LATENCY), "99.9th percentile of the latency"},
    {"max_us", MAX(LATENCY), "longest latency"},
    FIELD(US, DERIVED, mean_us, "mean latency"),
    FIELD(RATIO, DERIVED, jain, "Jain's index of replies per connection"),
    FIELD(S, LARGEST, server_user_s, "server: CPU time, user"),
    FIELD(S, LARGEST, server_sys_s, "server: CPU time, kernel"),
    FIELD(US, DERIVED, server_cpu_us_per_req, "server: CPU time per reply"),
    {"ctx_switches", RESULT(COUNT, LARGEST, server.switches),
     "server: context switches"},
    {"processes", RESULT(COUNT, LARGEST, server.processes),
     "server: processes"},
    {"threads", RESULT(COUNT, LARGEST, server.threads), "server: threads"},
    {"rss_kib", RESULT(KIB, LARGEST, server.rss_kib),
     "server: RSS of all processes"},
    {"pss_kib", RESULT(KIB, LARGEST, server.pss_kib),
     "server: PSS of all processes"},
    {"client_cpu_share", RESULT(SHARE, LARGEST, client_cores),
     "fibload: cores kept busy"},
    {"connected", COUNT(CONNECTED), "connections open at the end"},
    {"idle_connected", COUNT(IDLE_CONNECTED),
     "idle connections open at the end"},
    {"late", COUNT(LATE), "right replies after the window"},
    {"unanswered", COUNT(UNANSWERED), "requests without a reply at the end"},
    FIELD(US, LARGEST, oldest_us, "age of the oldest unanswered request"),
    FIELD(COUNT, SMALLEST, min_replies, "fewest replies of a connection"),
    FIELD(COUNT, LARGEST, max_replies, "most replies of a connection"),
    {"closed_by_server", COUNT(FAILED), "connections the server closed"},
    {"samples", SAMPLES(LATENCY), "requests in the latency"},
    FIELD(COUNT, LARGEST, interrupted, "1: the user ended the run"),
    {"replies", COUNT(REPLIES), "replies of any kind, late ones too"},
    FIELD(S, LARGEST, server_wall_s, "from window begin to last reply"),
    FIELD(SHARE, DERIVED, server_cores, "server: cores kept busy"),
    {"probed", COUNT(PROBED), "connections whose probe was answered"},
    FIELD(COUNT, LARGEST, gone, "1: no connection could be opened any more"),
    OPTION(SUM_OR_NONE, rate, "requests due per second; 0: closed loop"),
    OPTION(SAME, poisson, "1: requests were due at random times"),
    {"service_p50_us", P(50, TIME_SERVICE), "median time, sent to reply"},
    {"service_p99_us", P(99, TIME_SERVICE), "99th percentile, sent to reply"},
    {"service_max_us", MAX(TIME_SERVICE), "longest time, sent to reply"},
    {"send_late_p50_us", P(50, TIME_DELAY), "fibload: median send delay"},
    {"send_late_p99_us", P(99, TIME_DELAY), "fibload: 99th percentile of it"},
    {"send_late_max_us", MAX(TIME_DELAY), "fibload: longest send delay"},
    OPTION(SAME, pipeline, "requests in flight per connection at most"),
    {"queued", COUNT(QUEUED), "requests due while no connection was free"},
    {"lost", COUNT(LOST), "requests lost with their connections"},
    {"unsent", COUNT(UNSENT), "requests due and never sent"},
    OPTION(SUM, hogs, "connections with expensive requests"),
    OPTION(SAME, hog_n, "expensive requests ask for fib(hog_n)"),
    {"hog_requests", SAMPLES(LATENCY_HOG), "right replies to hogs"},
    {"hog_unanswered", COUNT(HOGS_UNANSWERED),
     "hogs without a reply at the end"},
    FIELD(US, DERIVED, hog_p50_us, "median latency of hogs"),
    {"hog_max_us", MAX(LATENCY_HOG), "longest latency of hogs"},
    {"during_s", RESULT(S, LARGEST, interval_s[LATENCY_DURING]),
     "second interval of the window, until the last reply to a hog"},
    FIELD(PER_S, DERIVED, rate_before,
     "right replies per second in the first interval, a third of the window"),
    {"p50_before_us", P(50, LATENCY_BEFORE), "median latency, first interval"},
    {"p99_before_us", P(99, LATENCY_BEFORE), "99th percentile, first interval"},
    FIELD(PER_S, DERIVED, rate_during, "replies per second, second interval"),
    {"p50_during_us", P(50, LATENCY_DURING), "median latency, second interval"},
    {"p99_during_us", P(99, LATENCY_DURING),
     "99th percentile, second interval"},
    FIELD(PER_S, DERIVED, rate_after, "replies per second, third interval"),
    {"p50_after_us", P(50, LATENCY_AFTER), "median latency, third interval"},
    {"p99_after_us", P(99, LATENCY_AFTER), "99th percentile, third interval"},
    OPTION(SAME, churn, "1: a new connection for each request"),
    {"connects", SAMPLES(TIME_CONNECT), "connections made for one request"},
    FIELD(PER_S, DERIVED, connects_per_s, "connections made per second"),
    {"connect_p50_us", P(50, TIME_CONNECT), "median time to connect"},
    {"connect_p99_us", P(99, TIME_CONNECT), "99th percentile to connect"},
    {"connect_max_us", MAX(TIME_CONNECT), "longest time to connect"},
    {"stamped", SAMPLES(TIME_ARRIVAL), "replies with a kernel time stamp"},
    {"arrival_p50_us", P(50, TIME_ARRIVAL), "median time, due to arrival here"},
    {"arrival_p99_us", P(99, TIME_ARRIVAL), "99th percentile, due to arrival"},
    {"arrival_max_us", MAX(TIME_ARRIVAL), "longest time, due to arrival here"},
    FIELD(SHARE, DERIVED, own_share, "part of p50_us after the arrival"),
    FIELD(US, LARGEST, longest_gap_us,
     "longest time without a right reply on one connection"),
    FIELD(SHARE, LARGEST, others_cores, "other programs: cores kept busy"),
    FIELD(SHARE, LARGEST, delay_share, "fibload: part of time without a core"),
    FIELD(RATIO, DERIVED, in_flight, "requests in flight on average"),
    FIELD(COUNT, LARGEST, marked,
          "0: ok, 1: client-limited, 2: noisy, 3: incomplete"),
    FIELD(US, LARGEST, think_us, "time from a reply to the next request"),
    OPTION(SAME, slow, "bytes per second on a connection; 0: no limit"),
    {"client_threads", OPTIONS(SUM, threads), "fibload: threads"},
    FIELD(S, LARGEST, ramp_s, "time to open all connections"),
    FIELD(S, LARGEST, warmup_s, "length of the warm-up"),
    {"before_s", RESULT(S, LARGEST, interval_s[LATENCY_BEFORE]),
     "length of the first interval"},
    {"after_s", RESULT(S, LARGEST, interval_s[LATENCY_AFTER]),
     "length of the third interval"},
    FIELD(COUNT, SUM, unserved, "connections without a right reply"),
    FIELD(COUNT, SUM, idle_lost, "idle connections not open at the end"),
    FIELD(COUNT, LARGEST, server_lost, "1: the server process has ended"),
    {"server_cpu_s", RESULT(S, LARGEST, server.cpu_s), "server: CPU time"},
    FIELD(US, DERIVED, client_cpu_us_per_req, "fibload: CPU time per reply"),
    FIELD(COUNT, SUM, errors,
          "all that was not right: requests and connections"),
    OPTION(SUM_OR_NONE, ramp_from, "rate with which a ramp began; 0: no ramp"),
    OPTION(SUM_OR_NONE, ramp_to, "rate with which a ramp ended; 0: no ramp"),
    FIELD(COUNT, SUM, sum_of_squares,
          "squares of the replies of each connection"),
};
// clang-format on
const size_t figure_count = sizeof figures / sizeof figures[0];

const char *const verdict_names[] = {"ok", "client-limited", "noisy",
                                     "incomplete"};

const char *const timing_names[TIMINGS] = {
    [LATENCY_BEFORE] = "before", [LATENCY_DURING] = "during",
    [LATENCY_AFTER] = "after",   [LATENCY_LATE] = "late",
    [LATENCY_HOG] = "hog",       [TIME_ARRIVAL] = "arrival",
    [TIME_SERVICE] = "service",  [TIME_DELAY] = "send_late",
    [TIME_CONNECT] = "connect"};

const char *const error_names[STATS_ERRNO_MAX] = {
    [EADDRNOTAVAIL] = "EADDRNOTAVAIL",
    [ECONNABORTED] = "ECONNABORTED",
    [ECONNREFUSED] = "ECONNREFUSED",
    [ECONNRESET] = "ECONNRESET",
    [EHOSTUNREACH] = "EHOSTUNREACH",
    [EMFILE] = "EMFILE",
    [ENETUNREACH] = "ENETUNREACH",
    [ENFILE] = "ENFILE",
    [ENOBUFS] = "ENOBUFS",
    [ENOMEM] = "ENOMEM",
    [EPIPE] = "EPIPE",
    [ETIMEDOUT] = "ETIMEDOUT",
};

const struct figure *figures_find(const char *name)
{
    for (size_t i = 0; i < figure_count; i++)
        if (strcmp(figures[i].name, name) == 0)
            return &figures[i];
    return NULL;
}

// Returns a histogram. A closed loop sends each request when it is due, so its
// TIME_SERVICE is the latency.
static const struct histogram *timing(const struct result *r, size_t which)
{
    bool is_latency = which == TIME_SERVICE && r->opt->rate == 0;
    return &r->stats.timings[is_latency ? LATENCY : which];
}

static double percentile_us(const struct histogram *h, double percent)
{
    double ns = (double)histogram_percentile(h, percent);
    return h->count > 0 ? ns / NS_PER_US : NAN;
}

double figures_value(const struct figure *f, const struct result *r)
{
    switch (f->source) {
    case FROM_COUNTER:
        return (double)r->stats.counters[f->which];
    case FROM_SAMPLES:
        return (double)r->stats.timings[f->which].count;
    case FROM_PERCENTILE:
        return percentile_us(timing(r, f->which), f->percent);
    case FROM_OPTIONS:
        return (double)*(const int64_t *)((const char *)r->opt + f->which);
    case FROM_RESULT:
        break;
    }
    return *(const double *)((const char *)r + f->which);
}

void figures_set(const struct figure *f, struct options *opt, struct result *r,
                 double value)
{
    if (f->source == FROM_COUNTER)
        r->stats.counters[f->which] = (uint64_t)value;
    else if (f->source == FROM_OPTIONS)
        *(int64_t *)((char *)opt + f->which) = (int64_t)value;
    else if (f->source == FROM_RESULT)
        *(double *)((char *)r + f->which) = value;
}

enum { BEYOND_MIN = 10 };  // samples beyond a percentile that is known

double figures_sure_us(const struct histogram *h, double percent)
{
    double beyond = (double)h->count * (100 - percent) / 100;
    return beyond < BEYOND_MIN ? NAN : percentile_us(h, percent);
}

// Returns whether a figure is a percentile that needs enough samples.
static bool needs_samples(const struct figure *f)
{
    return f->source == FROM_PERCENTILE && f->percent < 100;
}

double figures_sure_value(const struct figure *f, const struct result *r)
{
    if (needs_samples(f))
        return figures_sure_us(timing(r, f->which), f->percent);
    return figures_value(f, r);
}

// ---- Figures that follow from the counts

static double counted(const struct result *r, enum counter which)
{
    return (double)r->stats.counters[which];
}

// Returns a mean or a rate, or NAN if `count` is 0.
static double per(double sum, double count)
{
    return count > 0 ? sum / count : NAN;
}

static double interval_rate(const struct result *r, enum timing interval)
{
    return per((double)r->stats.timings[interval].count,
               r->interval_s[interval]);
}

// Jain's index: (sum x)^2 / (n * sum x^2), 1 when all x are equal, 1/n when one
// has everything (Jain, Chiu, Hawe, DEC TR-301, 1984).
static double jain(const struct result *r)
{
    double sum = counted(r, COUNT_RIGHT);
    double squares = (double)r->opt->connections * r->sum_of_squares;
    return per(sum * sum, squares);
}

// Returns the part of the median latency that passed after the reply had
// reached this host, or NAN if the kernel has not stamped most replies.
static double own_share(const struct result *r)
{
    const struct histogram *all = &r->stats.timings[LATENCY];
    const struct histogram *arrival = &r->stats.timings[TIME_ARRIVAL];
    double all_ns = (double)histogram_percentile(all, 50);
    double arrival_ns = (double)histogram_percentile(arrival, 50);
    if (arrival->count == 0 || 2 * arrival->count < all->count)
        return NAN;
    return fmax(0, 1 - arrival_ns / all_ns);
}

// Returns how many connections got no right reply. In an open loop, requests
// may have been due on fewer connections, or have got their replies after the
// window.
static double unserved(const struct result *r)
{
    double expected = (double)r->opt->connections;
    double due =
        (double)r->stats.timings[TIME_DELAY].count + counted(r, COUNT_UNSENT);
    if (r->opt->rate > 0 && due < expected)
        expected = due - counted(r, COUNT_LATE);
    return r->measured ? fmax(0, expected - counted(r, COUNT_SERVED)) : 0;
}

// Returns how many cores other programs kept busy: all busy cores, less those
// of the server and fibload. NAN for a short window, because the kernel counts
// in ticks of 10 ms.
static double others_cores(const struct result *r)
{
    enum { WINDOW_MIN_MS = 500 };
    bool is_here = r->opt->usage_fd == 0;
    double server = is_here ? r->server.cpu_s / r->duration_s : 0;
    double cores = r->busy_cores - server - r->client_cores;
    if (isnan(cores) || r->duration_s * 1000 < WINDOW_MIN_MS)
        return NAN;
    return fmax(0, cores);
}

// Returns the number of problems. Lost requests do not count: the failure of
// their connection does.
static double errors(const struct result *r)
{
    return r->gone + r->failed + r->unserved + counted(r, COUNT_WRONG) +
           counted(r, COUNT_ERROR_REPLIES) + counted(r, COUNT_TIMEOUTS) +
           counted(r, COUNT_UNANSWERED) + counted(r, COUNT_UNSENT) +
           counted(r, COUNT_HOGS_UNANSWERED);
}

static double mean_us(const struct histogram *h)
{
    return per(h->sum / NS_PER_US, (double)h->count);
}

void figures_derive_rates(struct result *r)
{
    const struct histogram *timings = r->stats.timings;
    double replies = counted(r, COUNT_REPLIES);
    double connects = (double)timings[TIME_CONNECT].count;
    r->req_per_s = per(counted(r, COUNT_RIGHT), r->duration_s);
    r->rate_before = interval_rate(r, LATENCY_BEFORE);
    r->rate_during = interval_rate(r, LATENCY_DURING);
    r->rate_after = interval_rate(r, LATENCY_AFTER);
    r->connects_per_s = per(connects, r->duration_s);
    r->mean_us = mean_us(&timings[LATENCY]);
    r->hog_p50_us = percentile_us(&timings[LATENCY_HOG], 50);
    r->jain = jain(r);
    r->own_share = own_share(r);
    r->server_cpu_us_per_req = per(r->server.cpu_s * 1e6, replies);
    r->server_cores = per(r->server.cpu_s, r->server_wall_s);
    r->client_cpu_us_per_req =
        per(r->client_cores * r->duration_s * 1e6, replies);
    // By Little's law: a closed loop keeps one request in flight on each
    // connection, unless the client itself is the limit.
    r->in_flight = r->req_per_s * mean_us(timing(r, TIME_SERVICE)) / 1e6;
}

static void derive_server(struct result *r)
{
    const struct procstat *s = &r->server;
    double ticks = s->user_ticks + s->sys_ticks;
    double user_share = ticks > 0 ? s->user_ticks / ticks : 0.5;  // a guess
    bool is_watched = r->opt->server_pid != 0 || r->opt->usage_fd != 0;
    r->server_user_s = s->cpu_s * user_share;
    r->server_sys_s = s->cpu_s - r->server_user_s;
    r->server_lost = is_watched && r->measured && isnan(s->cpu_s);
    r->others_cores = others_cores(r);
}

bool figures_are_good(const struct result *r)
{
    return r->measured && r->errors == 0;
}

// ---- The verdict
//
// The limits come from trials on two virtual cores. Workers waited for a core
// for 0.5 % of the time on a quiet machine, and for 50 % beside another busy
// program. At least 70 % of the latency was spent in the client's own queue
// when the client was at its limit, and otherwise at most 5 %.

#define BUSY_MIN 0.9        // CPU share of a thread that is the limit
#define QUEUE_BUSY_MIN 0.5  // CPU share of one whose queue may be the limit
#define OWN_SHARE_MIN 0.25  // share of the median latency
#define OTHERS_MIN 0.03     // share of the whole machine
#define DELAY_MIN 0.02      // share of the time
#define UNSTEADY_MIN 0.1    // change from the first third to the last
#define LATE_MIN 0.1        // share of the latency's p99

enum { STEADY_COUNT = 1000, QUEUE_CONNECTIONS_MIN = 10 };

// Returns the share of the time in which the threads of fibload were busy, or 0
// for an open loop, whose threads spin until the next request is due.
static double busy_share(const struct result *r)
{
    return r->opt->rate > 0 ? 0 : r->client_cores / (double)r->opt->threads;
}

static bool has_own_queue(const struct result *r)
{
    return r->own_share >= OWN_SHARE_MIN && busy_share(r) >= QUEUE_BUSY_MIN &&
           r->opt->connections >= QUEUE_CONNECTIONS_MIN;
}

static bool sends_late(const struct result *r)
{
    const struct histogram *timings = r->stats.timings;
    double delay_ns = (double)histogram_percentile(&timings[TIME_DELAY], 99);
    double all_ns = (double)histogram_percentile(&timings[LATENCY], 99);
    return r->opt->rate > 0 && delay_ns > LATE_MIN * all_ns;
}

static bool is_unsteady(const struct result *r)
{
    return r->opt->hogs == 0 && r->opt->ramp_to == 0 &&
           r->stats.timings[LATENCY_BEFORE].count >= STEADY_COUNT &&
           r->stats.timings[LATENCY_AFTER].count >= STEADY_COUNT &&
           fabs(r->rate_before - r->rate_after) >
               UNSTEADY_MIN * fmax(r->rate_before, r->rate_after);
}

// Sets the verdict, which is that of the first reason that holds.
static void judge(struct result *r)
{
    const double cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    const struct reason {
        bool holds;
        enum verdict verdict;
        const char *because;
    } reasons[] = {
        {!r->measured || r->interrupted > 0, VERDICT_INCOMPLETE,
         "the run was ended before its time"},
        {r->unserved > 0, VERDICT_INCOMPLETE,
         "not every connection was served"},
        {!figures_are_good(r), VERDICT_INCOMPLETE,
         "not every request had a right reply"},
        // A client that spins is always busy.
        {busy_share(r) >= BUSY_MIN && !r->opt->spin, VERDICT_CLIENT_LIMITED,
         "fibload was always busy: the rate is \"at least\""},
        {has_own_queue(r), VERDICT_CLIENT_LIMITED,
         "replies waited for fibload to read them"},
        {r->stopped_s > DELAY_MIN * r->duration_s, VERDICT_NOISY,
         "fibload did not run for a while: it was stopped, or had no core"},
        {r->others_cores > OTHERS_MIN * cores, VERDICT_NOISY,
         "other programs used the machine during the run"},
        {r->delay_share > DELAY_MIN, VERDICT_NOISY,
         "fibload had to wait for a core that others used"},
        {is_unsteady(r), VERDICT_NOISY,
         "the rates of the first and last third differ by over 10 %"},
        {sends_late(r), VERDICT_CLIENT_LIMITED,
         "fibload sent late, by over a tenth of the p99"},
        {true, VERDICT_OK, "no reason to doubt the figures"},
    };
    const struct reason *reason = reasons;
    while (!reason->holds)
        reason++;
    r->marked = reason->verdict;
    r->because = reason->because;
}

// ---- All of it

void figures_derive(struct result *r)
{
    const struct options *opt = r->opt;
    r->failed = 0;
    for (int i = COUNT_FAILED; i < COUNTERS; i++)
        r->failed += counted(r, (enum counter)i);
    r->unserved = unserved(r);
    r->errors = errors(r);
    r->idle_lost = (double)opt->idle - counted(r, COUNT_IDLE_CONNECTED);
    r->longest_gap_us = (double)r->stats.longest_gap_ns / NS_PER_US;
    r->oldest_us = (double)r->stats.oldest_ns / NS_PER_US;
    r->think_us = (double)opt->think_ns / NS_PER_US;
    r->warmup_s = clock_seconds(opt->warmup_ns);
    derive_server(r);
    figures_derive_rates(r);
    judge(r);
}

// ---- Limits

// A limit of a figure. "p99=10ms" is a limit of p99_us.
struct limit {
    char text[64];
    const struct figure *figure;
    double max;  // in the unit of the figure
};

// Reads the limit at the beginning of `*text`, and moves `*text` to the next
// one. Returns false if it is not a limit.
static bool take_limit(const char **text, struct limit *limit)
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

const char *figures_bad_limit(const char *limits)
{
    static struct limit limit;
    do
        if (!take_limit(&limits, &limit))
            return limit.text;
    while (*limits != '\0');
    return NULL;
}

// Returns whether a run had too few samples to judge a percentile. If more than
// BEYOND_MIN are over the limit already, a longer run would break it, too.
static bool is_unsure(const struct limit *limit, const struct result *r)
{
    const struct figure *f = limit->figure;
    if (!needs_samples(f) || !isnan(figures_sure_value(f, r)))
        return false;
    const struct histogram *h = timing(r, f->which);
    double limit_ns = fmin(limit->max * NS_PER_US, (double)INT64_MAX / 2);
    return h->count - histogram_count_to(h, (uint64_t)limit_ns) <= BEYOND_MIN;
}

// Prints the limit that a run has not kept.
static void print_broken(FILE *file, const struct limit *limit,
                         const struct result *r)
{
    const struct figure *f = limit->figure;
    double value = figures_sure_value(f, r);
    fprintf(file, "fibload: required was %s, it is ", limit->text);
    if (!isnan(value))
        fprintf(file, "%.10g%s\n", value, f->unit == UNIT_US ? " us" : "");
    else if (needs_samples(f))
        fprintf(file, "unknown: that needs %.0f requests, there were %.0f\n",
                BEYOND_MIN * 100 / (100 - f->percent),
                (double)timing(r, f->which)->count);
    else
        fprintf(file, "unknown\n");
}

enum kept figures_check_limits(FILE *file, const char *limits,
                               const struct result *r)
{
    struct limit limit;
    enum kept kept = r->measured ? LIMITS_KEPT : LIMITS_BROKEN;
    while (*limits != '\0' && take_limit(&limits, &limit)) {
        if (figures_sure_value(limit.figure, r) <= limit.max)
            continue;
        if (kept != LIMITS_BROKEN)
            kept = is_unsure(&limit, r) ? LIMITS_UNSURE : LIMITS_BROKEN;
        if (file != NULL)
            print_broken(file, &limit, r);
    }
    return kept;
}

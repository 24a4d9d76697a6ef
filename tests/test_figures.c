// test_figures.c - tests the figures derived from a run's counts, and the
// verdict.

#include "../client/figures.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

static struct result result;
static struct options opt;

// Makes a result without problems: ten connections, 3000 replies of 1 ms each.
static void begin(void)
{
    opt = (struct options){.connections = 10, .threads = 1};
    memset(&result, 0, sizeof result);
    result.opt = &opt;
    result.measured = true;
    result.duration_s = 3;
    result.stats.counters[COUNT_RIGHT] = 3000;
    result.stats.counters[COUNT_REPLIES] = 3000;
    result.stats.counters[COUNT_SERVED] = 10;
    result.sum_of_squares = 10 * 300 * 300;
    for (int i = 0; i < INTERVALS; i++) {
        result.interval_s[i] = 1;
        histogram_add(&result.stats.timings[i], 1000000, 1000);
    }
    histogram_add(&result.stats.timings[LATENCY], 1000000, 3000);
    histogram_add(&result.stats.timings[TIME_ARRIVAL], 990000, 3000);
    result.server.cpu_s = NAN;
}

static bool is(enum verdict verdict)
{
    figures_derive(&result);
    return result.marked == (double)(int)verdict && strlen(result.because) > 10;
}

static double value(const char *name)
{
    figures_derive(&result);
    return figures_value(figures_find(name), &result);
}

static void test_incomplete(void)
{
    begin();
    ok(is(VERDICT_OK), "a good run");
    result.stats.counters[COUNT_WRONG] = 1;
    result.client_cores = 1;
    ok(is(VERDICT_INCOMPLETE), "one wrong reply: whatever else it was");
    begin();
    result.stats.counters[COUNT_SERVED] = 9;
    ok(is(VERDICT_INCOMPLETE), "a connection that got nothing");
    begin();
    result.interrupted = 1;
    ok(is(VERDICT_INCOMPLETE), "interrupted");
}

static void test_client_limited(void)
{
    begin();
    result.client_cores = 0.95;
    ok(is(VERDICT_CLIENT_LIMITED), "a client that is always busy");
    opt.spin = 1;
    ok(is(VERDICT_OK), "unless it spins");
    begin();
    result.client_cores = 0.6;
    result.stats.timings[TIME_ARRIVAL] = (struct histogram){0};
    histogram_add(&result.stats.timings[TIME_ARRIVAL], 500000, 3000);
    ok(is(VERDICT_CLIENT_LIMITED), "replies that wait for a busy client");
    result.client_cores = 0.2;
    ok(is(VERDICT_OK), "not for one that must be woken");
    begin();
    opt.rate = 1000;
    histogram_add(&result.stats.timings[TIME_DELAY], 10000, 3000);
    ok(is(VERDICT_OK), "sent a little late");
    histogram_add(&result.stats.timings[TIME_DELAY], 200000, 3000);
    ok(is(VERDICT_CLIENT_LIMITED), "sent very late");
}

static void test_noisy(void)
{
    begin();
    result.server.cpu_s = 0.3;
    result.client_cores = 0.2;
    result.busy_cores = 0.3 + 0.05 * (double)sysconf(_SC_NPROCESSORS_ONLN);
    ok(is(VERDICT_NOISY), "other programs");
    begin();
    result.server.cpu_s = NAN;
    ok(is(VERDICT_OK), "which may be unknown");
    result.delay_share = 0.1;
    ok(is(VERDICT_NOISY), "a core that was not ours");
    begin();
    result.stopped_s = 0.1;
    ok(is(VERDICT_NOISY), "a client that was stopped");
    begin();
    result.interval_s[LATENCY_AFTER] = 1.2;
    ok(is(VERDICT_NOISY), "a last third that is slower by a sixth");
    opt.hogs = 1;
    ok(is(VERDICT_OK), "which hogs explain");
}

static void test_derived(void)
{
    begin();
    ok(value("req_per_s") == 1000 && value("rate_during") == 1000,
       "rates are counts by time");
    ok(fabs(value("in_flight") - 1) < 1e-9, "Little's law");
    ok(value("jain") == 1, "all connections have the same");
    result.sum_of_squares = 3000.0 * 3000;
    ok(fabs(value("jain") - 0.1) < 1e-9, "one of ten has everything");
    ok(fabs(value("own_share") - 0.01) < 0.005, "a hundredth is our own");
    ok(value("p50_us") > 990 && value("p50_us") < 1010 &&
           value("max_us") == 1000,
       "percentiles are in us");
    result.stats.counters[COUNT_FAILED] = 2;
    result.stats.counters[COUNT_FAILED + 104] = 3;
    ok(value("failed") == 5 && value("closed_by_server") == 2,
       "failures of all kinds are added up");
    opt.idle = 3;
    result.stats.counters[COUNT_IDLE_CONNECTED] = 1;
    ok(value("idle_lost") == 2, "two of three idle connections are missing");
    ok(value("server_lost") == 0, "no process was to be measured");
    opt.server_pid = 1;
    ok(value("server_lost") == 1, "the process that was to be has ended");
    begin();
    result.server.cpu_s = 1.5;
    result.server_wall_s = 3;
    ok(value("server_cpu_us_per_req") == 500 && value("server_cores") == 0.5,
       "the server's CPU time is that of all replies");
}

static void test_unknown(void)
{
    begin();
    ok(isnan(value("server_cores")) && isnan(value("others_cores")) &&
           isnan(value("server_user_s")),
       "without a process nothing is known of the server");
    ok(isnan(value("connect_p50_us")) && isnan(value("hog_max_us")) &&
           isnan(value("send_late_p99_us")),
       "what was not measured is not zero");
    memset(&result.stats, 0, sizeof result.stats);
    ok(isnan(value("mean_us")) && isnan(value("server_cpu_us_per_req")),
       "nor is a mean of nothing");
    ok(figures_find("nonsense") == NULL, "there is no figure of that name");
}

// Checks how many connections count as unserved. Five requests on ten
// connections cannot serve more than five.
static void test_unserved(void)
{
    begin();
    result.stats.counters[COUNT_SERVED] = 9;
    ok(value("unserved") == 1, "one of ten was not served");
    opt.rate = 5;
    result.stats.counters[COUNT_SERVED] = 5;
    histogram_add(&result.stats.timings[TIME_DELAY], 100, 5);
    ok(value("unserved") == 0, "five requests serve five connections at most");
    result.stats.counters[COUNT_UNSENT] = 1;
    ok(value("unserved") == 1,
       "a sixth that was due would have served another");
    result.stats.counters[COUNT_LATE] = 1;
    ok(value("unserved") == 0, "one that was served late is not left alone");
}

int main(void)
{
    test_incomplete();
    test_client_limited();
    test_noisy();
    test_derived();
    test_unknown();
    test_unserved();
    return done_testing();
}

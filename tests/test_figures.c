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
    ok(is(VERDICT_OK), "a run without problems is ok");
    result.stats.counters[COUNT_WRONG] = 1;
    result.client_cores = 1;
    ok(is(VERDICT_INCOMPLETE),
       "a wrong reply makes a run incomplete, whatever else is wrong");
    begin();
    result.stats.counters[COUNT_SERVED] = 9;
    ok(is(VERDICT_INCOMPLETE),
       "a connection without a reply makes a run incomplete");
    begin();
    result.interrupted = 1;
    ok(is(VERDICT_INCOMPLETE), "an interrupt makes a run incomplete");
}

static void test_client_limited(void)
{
    begin();
    result.client_cores = 0.95;
    ok(is(VERDICT_CLIENT_LIMITED), "a client that is always busy is the limit");
    opt.spin = 1;
    ok(is(VERDICT_OK), "a client that spins is not the limit");
    begin();
    result.client_cores = 0.6;
    result.stats.timings[TIME_ARRIVAL] = (struct histogram){0};
    histogram_add(&result.stats.timings[TIME_ARRIVAL], 500000, 3000);
    ok(is(VERDICT_CLIENT_LIMITED),
       "if replies wait for a busy client, the client is the limit");
    result.client_cores = 0.2;
    ok(is(VERDICT_OK),
       "if replies wait for a client to wake up, it is not the limit");
    begin();
    opt.rate = 1000;
    histogram_add(&result.stats.timings[TIME_DELAY], 10000, 3000);
    ok(is(VERDICT_OK), "requests that are sent a little late do no harm");
    histogram_add(&result.stats.timings[TIME_DELAY], 200000, 3000);
    ok(is(VERDICT_CLIENT_LIMITED),
       "if requests are sent very late, the client is the limit");
}

static void test_noisy(void)
{
    begin();
    result.server.cpu_s = 0.3;
    result.client_cores = 0.2;
    result.busy_cores = 0.3 + 0.05 * (double)sysconf(_SC_NPROCESSORS_ONLN);
    ok(is(VERDICT_NOISY), "other programs make a run noisy");
    begin();
    result.server.cpu_s = NAN;
    ok(is(VERDICT_OK), "if the use of other programs is unknown, a run is ok");
    result.delay_share = 0.1;
    ok(is(VERDICT_NOISY), "a client that waits for its core makes a run noisy");
    begin();
    result.stopped_s = 0.1;
    ok(is(VERDICT_NOISY), "a client that was stopped makes a run noisy");
    begin();
    result.interval_s[LATENCY_AFTER] = 1.2;
    ok(is(VERDICT_NOISY),
       "a last third that is slower by a sixth makes a run noisy");
    opt.hogs = 1;
    ok(is(VERDICT_OK), "with hogs, a slower last third is no noise");
}

static void test_derived(void)
{
    begin();
    ok(value("req_per_s") == 1000 && value("rate_during") == 1000,
       "a rate is a count divided by the time");
    ok(fabs(value("in_flight") - 1) < 1e-9,
       "the number of requests in flight obeys Little's law");
    ok(value("jain") == 1,
       "if all connections have as many replies, Jain's index is 1");
    result.sum_of_squares = 3000.0 * 3000;
    ok(fabs(value("jain") - 0.1) < 1e-9,
       "if one of ten has all replies, Jain's index is 0.1");
    ok(fabs(value("own_share") - 0.01) < 0.005,
       "the client's own share of the latency is a hundredth");
    ok(value("p50_us") > 990 && value("p50_us") < 1010 &&
           value("max_us") == 1000,
       "percentiles are in us");
    result.stats.counters[COUNT_FAILED] = 2;
    result.stats.counters[COUNT_FAILED + 104] = 3;
    ok(value("failed") == 5 && value("closed_by_server") == 2,
       "failures of all kinds are added up");
    opt.idle = 3;
    result.stats.counters[COUNT_IDLE_CONNECTED] = 1;
    ok(value("idle_lost") == 2,
       "two of three idle connections are reported as lost");
    ok(value("server_lost") == 0,
       "without --server-pid, no process is reported as lost");
    opt.server_pid = 1;
    ok(value("server_lost") == 1,
       "a process of --server-pid that has ended is reported as lost");
    begin();
    result.server.cpu_s = 1.5;
    result.server_wall_s = 3;
    ok(value("server_cpu_us_per_req") == 500 && value("server_cores") == 0.5,
       "the server's CPU time is divided by all replies");
}

static void test_unknown(void)
{
    begin();
    ok(isnan(value("server_cores")) && isnan(value("others_cores")) &&
           isnan(value("server_user_s")),
       "without --server-pid, the figures of the server are unknown");
    ok(isnan(value("connect_p50_us")) && isnan(value("hog_max_us")) &&
           isnan(value("send_late_p99_us")),
       "figures that were not measured are unknown, not 0");
    memset(&result.stats, 0, sizeof result.stats);
    ok(isnan(value("mean_us")) && isnan(value("server_cpu_us_per_req")),
       "without replies, the mean latency is unknown");
    ok(figures_find("nonsense") == NULL,
       "a name without a figure is not found");
}

// Checks how many connections count as unserved. Five requests on ten
// connections cannot serve more than five.
static void test_unserved(void)
{
    begin();
    result.stats.counters[COUNT_SERVED] = 9;
    ok(value("unserved") == 1, "one of ten connections was not served");
    opt.rate = 5;
    result.stats.counters[COUNT_SERVED] = 5;
    histogram_add(&result.stats.timings[TIME_DELAY], 100, 5);
    ok(value("unserved") == 0,
       "five requests cannot serve more than five connections");
    result.stats.counters[COUNT_UNSENT] = 1;
    ok(value("unserved") == 1,
       "a sixth request that was due leaves one connection unserved");
    result.stats.counters[COUNT_LATE] = 1;
    ok(value("unserved") == 0,
       "a connection that was served late is not unserved");
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

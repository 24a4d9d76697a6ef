// test_verdict.c - what is made of a run.

#include "../client/verdict.h"

#include <string.h>

#include "../client/usage.h"
#include "tap.h"

static struct result result;
static struct options opt;

// A run that nothing speaks against: ten connections, 1 ms each.
static void begin(void)
{
    opt = (struct options){.connections = 10, .threads = 1};
    memset(&result, 0, sizeof result);
    result.measured = true;
    result.connections = result.served = 10;
    result.duration_s = 3;
    for (int i = 0; i < 3000; i++) {
        struct stage_result *stage = &result.stages[i / 1000];
        stage->duration_s = 1;
        histogram_add(&stage->latency, 1000000);
        histogram_add(&result.latency, 1000000);
        histogram_add(&result.arrival, 990000);
    }
}

static bool is(enum verdict verdict)
{
    struct judgement j = verdict_of(&opt, &result);
    return j.verdict == verdict && strlen(j.because) > 10;
}

static void test_incomplete(void)
{
    begin();
    ok(is(VERDICT_OK), "a good run");
    result.wrong = 1;
    result.client_cpu_share = 1;
    ok(is(VERDICT_INCOMPLETE), "one wrong reply: whatever else it was");
    begin();
    result.served = 9;
    ok(is(VERDICT_INCOMPLETE), "a connection that got nothing");
    begin();
    result.interrupted = true;
    ok(is(VERDICT_INCOMPLETE), "interrupted");
}

static void test_client_limited(void)
{
    begin();
    result.client_cpu_share = 0.95;
    ok(is(VERDICT_CLIENT_LIMITED), "a client that is always busy");
    opt.spin = true;
    ok(is(VERDICT_OK), "unless it spins");
    begin();
    result.client_cpu_share = 0.6;
    memset(&result.arrival, 0, sizeof result.arrival);
    for (int i = 0; i < 3000; i++)
        histogram_add(&result.arrival, 500000);
    ok(is(VERDICT_CLIENT_LIMITED), "replies that wait for a busy client");
    result.client_cpu_share = 0.2;
    ok(is(VERDICT_OK), "not for one that must be woken");
    begin();
    result.open_loop = true;
    for (int i = 0; i < 3000; i++)
        histogram_add(&result.lateness, 10000);
    ok(is(VERDICT_OK), "sent a little late");
    for (int i = 0; i < 3000; i++)
        histogram_add(&result.lateness, 200000);
    ok(is(VERDICT_CLIENT_LIMITED), "sent very late");
}

static void test_noisy(void)
{
    begin();
    result.others_cores = 0.05 * machine_cores();
    ok(is(VERDICT_NOISY), "other programs");
    begin();
    result.others_cores = -1;
    ok(is(VERDICT_OK), "which may be unknown");
    result.delay_share = 0.1;
    ok(is(VERDICT_NOISY), "a core that was not ours");
    begin();
    result.stages[STAGE_AFTER].duration_s = 1.2;
    ok(is(VERDICT_NOISY), "a last third that is slower by a sixth");
    opt.hogs = 1;
    ok(is(VERDICT_OK), "which hogs explain");
}

int main(void)
{
    test_incomplete();
    test_client_limited();
    test_noisy();
    return done_testing();
}

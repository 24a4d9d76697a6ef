// test_count.c - tests what a worker counts when a reply has arrived.

#include "../client/output.h"
#include "../client/worker.h"
#include "tap.h"

// Two functions of the client that the worker calls. Here they do nothing.
void output_each(const struct options *options, int64_t latency_ns)
{
    (void)options;
    (void)latency_ns;
}

void files_write_timeline(const struct timeline_entry *entry)
{
    (void)entry;
}

static struct options opt;
static struct wrong_replies wrong;
static struct control control = {.opt = &opt, .wrong = &wrong};
static struct worker worker;

// Counts a right reply to a request that was sent at 1000 ns. The reply was
// read at 5000 ns, and the kernel says that it arrived at `arrival_ns`. Returns
// how many arrivals have been counted since the last call.
static uint64_t count_arrival(int64_t arrival_ns)
{
    static struct request request;
    struct batch batch = {.due_ns = 1000, .sent_ns = 1000, .count = 1};
    struct conn conn = {.request = &request, .batches = &batch, .depth = 1};
    const struct reply_found found = {REPLY_RIGHT, 1, 0};
    struct histogram *arrivals = &worker.stats.timings[TIME_ARRIVAL];
    uint64_t count = arrivals->count;
    control.end_ns = 10000;
    worker.control = &control;
    worker.opt = &opt;
    worker.now_ns = 5000;
    worker.host_ns = arrival_ns;
    count_replies(&worker, &conn, &found);
    return arrivals->count - count;
}

// Checks which time stamps of the kernel count. They come from the wall clock.
// If a program sets the wall clock, the time stamps are wrong until the worker
// has read both clocks again.
static void test_arrivals(void)
{
    ok(count_arrival(4000) == 1 &&
           worker.stats.timings[TIME_ARRIVAL].max == 3000,
       "the time stamp of a reply counts: it arrived 3 us after its due time");
    ok(count_arrival(0) == 0, "without a time stamp, no arrival is counted");
    ok(count_arrival(500) == 0,
       "a time stamp from before the request was sent is not counted");
    ok(count_arrival(3600000000000) == 0,
       "a time stamp from after the reply was read is not counted");
    ok(worker.stats.counters[COUNT_RIGHT] == 4,
       "all four replies are counted as right");
}

int main(void)
{
    test_arrivals();
    return done_testing();
}

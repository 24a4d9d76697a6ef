// load.c - the loop of a run: it waits for events and for the time.
//
// One thread, one epoll. What an event means is decided in traffic.c, what part
// of the run it is in phases.c.

#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "fate.h"
#include "phases.h"
#include "traffic.h"

enum { EVENTS_AT_ONCE = 256, HELLO_N = 1 };

#define LOOK_MAX_NS MS(100)                      // between looks around
#define SPIN_NS (60 * (int64_t)CLOCK_NS_PER_US)  // what a sleep may be late

void load_interrupt(void)
{
    phases_interrupt();
}

// How long to sleep. The kernel wakes us some 40 us late: a request that is due
// sooner than that is waited for awake.
static int64_t sleep_ns(const struct run *run, int64_t now_ns)
{
    int64_t until_ns = phases_next_ns(run);
    int64_t next_ns = traffic_next_ns(run);
    if (next_ns < INT64_MAX && next_ns - SPIN_NS < until_ns)
        until_ns = next_ns - SPIN_NS;
    return until_ns > now_ns && !run->opt->spin ? until_ns - now_ns : 0;
}

static void run_loop(struct run *run)
{
    struct epoll_event events[EVENTS_AT_ONCE];

    for (;;) {
        int64_t now_ns = clock_now_ns();
        if (!phases_advance(run, now_ns))
            return;
        traffic_feed(run, now_ns);
        int count = pool_wait(&run->pool, events, EVENTS_AT_ONCE,
                              sleep_ns(run, now_ns));
        for (int i = 0; i < count; i++)
            traffic_event(run, events[i].data.ptr, events[i].events);
    }
}

static int prepare(struct run *run)
{
    const struct options *opt = run->opt;

    *run->result = (struct result){.connections = opt->connections,
                                   .idle = opt->idle,
                                   .hogs = opt->hogs,
                                   .churn = opt->churn,
                                   .open_loop = opt->rate > 0};
    prctl(PR_SET_TIMERSLACK, 1);  // Else the kernel adds 50 us to any sleep.
    request_make(&run->hello, HELLO_N);
    request_make(&run->request, opt->n);
    request_make(&run->hog, opt->hog_n);
    // Often enough for a timeout to be noticed soon after it.
    run->look_interval_ns = opt->timeout_ns / 4;
    if (run->look_interval_ns > LOOK_MAX_NS)
        run->look_interval_ns = LOOK_MAX_NS;
    if (queue_create(&run->ready, opt->connections) != 0)
        return -1;
    return pool_create(&run->pool,
                       &(struct pool_plan){.idle = opt->idle,
                                           .stream = opt->connections,
                                           .hogs = opt->hogs,
                                           .depth = opt->pipeline});
}

int load_run(const struct options *opt, const struct addrinfo *target,
             FILE *timeline, struct result *result)
{
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return -1;
    run->opt = opt;
    run->result = result;
    run->next_address = target;
    run->timeline = timeline;
    timeline_begin(timeline);

    int failed = prepare(run);
    if (failed == 0) {
        run_loop(run);
        fate_count_unanswered(run, clock_now_ns());
        result_sum_up(result, run->pool.connections, run->pool.count,
                      run->end_ns);
        failed = run->reached || phases_interrupted() ? 0 : -1;
        errno = run->last_error;
    }
    int saved = errno;
    pool_destroy(&run->pool);
    queue_destroy(&run->ready);
    free(run);
    errno = saved;
    return failed;
}

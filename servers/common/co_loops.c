// co_loops.c - several threads, each with a loop of coroutines of its own.

#include "co_loops.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "../coro/co.h"
#include "net.h"
#include "startup.h"

struct loop {
    pthread_t thread;
    struct co *stopper;  // wakes when the server is to stop
    int listener;
};

static struct loop loops[OPTIONS_LOOPS_MAX];  // loop_count of them.
static int loop_count;
static atomic_int ready_count;
static int (*serve_loop)(int listener);
static _Thread_local struct loop *this_loop;

// A loop that fails ends the server: the others would wait for it to be ready,
// or else serve on with one listener that nobody accepts from.
static void *run_loop(void *arg)
{
    this_loop = arg;
    if (serve_loop(this_loop->listener) != 0)
        startup_failed("coroutine");
    co_release_stacks();  // They belong to the thread that ends here.
    return NULL;
}

// In a signal handler hardly anything is safe, but to wake who does the rest.
static void end_waits(void)
{
    for (int i = 0; i < loop_count; i++)
        co_wake_async(loops[i].stopper);
}

void co_loops_wait_for_stop(void)
{
    this_loop->stopper = co_self();
    if (atomic_fetch_add(&ready_count, 1) + 1 == loop_count)
        startup_ready(loops[0].listener, end_waits);
    co_park();
}

static int start_loop(const struct options *opt, struct loop *loop)
{
    loop->listener = net_listen(opt->host, net_port(loops[0].listener),
                                opt->backlog, NET_JOINING);
    if (loop->listener < 0 || net_set_nonblocking(loop->listener) != 0)
        return -1;
    errno = pthread_create(&loop->thread, NULL, run_loop, loop);
    return errno == 0 ? 0 : -1;
}

int co_loops_run(const struct options *opt, int listener,
                 int (*serve)(int listener))
{
    serve_loop = serve;
    loop_count = opt->loops;
    loops[0].listener = listener;
    if (net_set_nonblocking(listener) != 0)
        return -1;
    for (int i = 1; i < loop_count; i++)
        if (start_loop(opt, &loops[i]) != 0)
            return -1;
    run_loop(&loops[0]);
    for (int i = 1; i < loop_count; i++)
        pthread_join(loops[i].thread, NULL);
    return 0;
}

// coroutines.c - fuzzes the coroutine runtime, with a model of co.h to compare.
//
// The input is a program for up to 16 coroutines ("actors"). The actor that
// runs takes the next byte of the input, which selects its next step: start
// another actor, yield, park, wake one, sleep, receive, wait for a semaphore,
// cancel, resume, free, and so on. The model (co_model.c) does the same step.
// After each step, this test checks:
//
//   - the state of every coroutine, and the result of every call;
//   - that an actor continues only after the model has ended its wait, and that
//     every ready actor gets its turn;
//   - that the loop sleeps only when no coroutine is ready, until exactly the
//     next timer, and that it does not busy-wait;
//   - that no coroutine waits for a descriptor that is ready, and that all data
//     arrives in order.
//
// The clock is virtual: it moves only while the loop sleeps. So each input
// gives the same run every time. When the loop would never wake up, the test
// wakes an actor or lets a job of co_offload() end. At the end of the input, it
// cancels all actors, and they must end.
//
//     co_input     the next byte of the input
//     co_steps     what an actor can do
//     co_model     the model: what co.h promises
//     co_compare   compares the runtime with the model
//     co_calls     the system calls and the clock that the runtime gets
//     co_ends      sockets, and which bytes must arrive

#include <errno.h>
#include <string.h>

#include "co_calls.h"
#include "co_compare.h"
#include "co_ends.h"
#include "co_input.h"
#include "co_model.h"
#include "co_steps.h"
#include "fuzz.h"

enum { STACK_SIZE = 64 * 1024 };

const uint8_t *input;
size_t input_left;

unsigned next_byte(void)
{
    if (input_left == 0)
        return 0;
    input_left--;
    return *input++;
}

// Cancels all actors. When no task is left, frees the coroutines, which no
// actor will resume any more. Returns true once no actor exists.
static bool end_all(void)
{
    int task_count = 0, count = 0;
    for (int i = 0; i < ACTORS; i++)
        task_count += actors[i].exists && actors[i].is_task;
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        if (!a->exists || a->c == NULL)
            continue;
        co_cancel(a->c);
        model_cancel(a);
        if (task_count == 0)
            a->exists = co_free(a->c) != 0;
        count += a->exists;
    }
    return task_count + count == 0;
}

static void keeper_main(void *arg)
{
    (void)arg;
    set_keeper(co_self());
    do {
        co_park();
        compare();
        start_actor();
    } while (input_left > 0 || !end_all());
}

static void begin(const uint8_t *data, size_t len)
{
    input = data;
    input_left = len;
    model_reset();
    memset(sems, 0, sizeof sems);
    memset(groups, 0, sizeof groups);
    ends_begin();
    calls_begin();
    current = NULL;
}

static void report(void)
{
    fprintf(stderr, "# coroutines: %llu steps\n",
            (unsigned long long)step_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static bool registered;
    if (!registered)
        atexit(report);
    registered = true;
    co_set_stack_size(STACK_SIZE);
    co_set_offload_threads(2);
    begin(data, len);
    MUST(co_go(keeper_main, NULL) == 0);
    start_actor();
    set_fault(EPOLL_FULL, (int)(len % 2));
    while (co_run() != 0)
        MUST(errno == ENOSPC);
    for (int i = 0; i < ACTORS; i++)
        MUST(!actors[i].exists);
    for (int i = 0; i < SEMS; i++)
        MUST(sems[i].waiters.first == NULL);
    calls_end();
    ends_close();
    MUST(len % 4 > 0 || co_release_stacks() == 0);
    return 0;
}

int fuzz_random_count(void)
{
#ifdef SANITIZED
    return 1000;
#else
    return 20000;
#endif
}

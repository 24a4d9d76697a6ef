// co_loop.c - the scheduler: which coroutine runs next, timers, and sleeping.
//
// A coroutine that co_go() has started is ready, running or waiting. Ready
// coroutines are in one of two queues. The wait of a coroutine is ended by a
// descriptor (co_io.c), a timer, another coroutine or another thread. The
// thread blocks only in the wait() of the poller, and only while no coroutine
// is ready.

#include "co.h"

#include <limits.h>
#include <time.h>

#include "co_cache.h"
#include "co_internal.h"
#include "co_timers.h"

enum {
    NS_PER_MS = 1000000,
    NS_PER_S = 1000000000,
    TURN_NS = NS_PER_MS,  // the time limit of a turn; CO_BUDGET limits calls
};

struct loop {
    struct co *self;              // the caller of co_run(); NULL: not running
    size_t alive_count;           // coroutines started and not yet done
    struct co *ended;             // a coroutine that is done and to be freed
    struct co_queue ready;        // coroutines that run in the next round,
    struct co_queue rescheduled;  // and those that run after these
    atomic_uint turn_count;       // turns begun; the watchdog reads it
    int budget;                   // calls left in this turn
    int64_t busy_since_ns;        // when the third call of this turn was made
    struct co_timers timers;
};

static _Thread_local struct loop loop;
static const struct co_poller *poller;

// ---- Time

int64_t co_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t co_time_in(int ms)
{
    return ms < 0 ? CO_NEVER : co_now_ns() + (int64_t)ms * NS_PER_MS;
}

// ---- Suspending a coroutine, and ending its wait

bool co_in_loop(void)
{
    return loop.self != NULL && co_current() != loop.self;
}

int co_suspend(enum co_state state, int64_t due_ns)
{
    struct co *self = co_current();

    if (due_ns != CO_NEVER)
        co_timers_set(&loop.timers, self, due_ns);
    self->wait_errno = 0;
    co_become(self, state);
    co_jump(loop.self, NULL);
    return self->wait_errno == 0 ? 0 : co_fail(self->wait_errno);
}

void co_end_wait(struct co *c, int error)
{
    if (co_state(c) == CO_READY)
        return;
    if (c->timer != 0)
        co_timers_clear(&loop.timers, c);
    if (c->queue != NULL)
        co_queue_remove(c->queue, c);
    c->queue = NULL;
    c->wait_errno = (short)error;
    co_become(c, CO_READY);
    co_queue_append(&loop.ready, c);
}

int64_t co_due_ns(const struct co *c)
{
    return c->timer != 0 ? loop.timers.heap[c->timer].due_ns : CO_NEVER;
}

void co_wake(struct co *c)
{
    if (co_state(c) == CO_PARKED)
        co_end_wait(c, 0);
    else
        c->permit = true;
}

void co_wake_async(struct co *c)
{
    co_mail_send(c->mailbox, &c->mail);
}

void co_reschedule(void)
{
    if (!co_in_loop())
        return;
    struct co *self = co_current();
    co_become(self, CO_READY);
    co_queue_append(&loop.rescheduled, self);
    co_jump(loop.self, NULL);
}

// LESSON budget: if the next request of a client has always arrived already,
// the calls of its coroutine never wait, and no other client would be served.
// So a turn ends after CO_BUDGET calls. It ends earlier if the coroutine
// computes much between its calls: at the first call that comes more than 1 ms
// after the third one. Most turns have only two calls, so only longer ones read
// the clock.
void co_spend(void)
{
    loop.budget--;
    if (loop.budget == CO_BUDGET - 3)
        loop.busy_since_ns = co_now_ns();
    else if (loop.budget <= 0 || (loop.budget < CO_BUDGET - 3 &&
                                  co_now_ns() - loop.busy_since_ns > TURN_NS))
        co_reschedule();
}

// ---- Starting coroutines

struct co *co_start(void *(*fn)(void *arg), void *arg)
{
    // Each coroutine that co_start() creates needs at most one timer: of this
    // coroutine and those that it resumes, only one can wait at a time.
    if (co_timers_reserve(&loop.timers, loop.alive_count + 1) != 0)
        return NULL;
    struct co *c = co_new(fn, arg);
    if (c == NULL)
        return NULL;
    loop.alive_count++;
    co_become(c, CO_READY);
    co_queue_append(&loop.ready, c);
    return c;
}

void *co_finish(void)
{
    loop.alive_count--;
    loop.ended = co_current();  // run() frees it: its stack is still in use.
    co_become(loop.ended, CO_DONE);
    return co_jump(loop.self, NULL);
}

static void *task_main(void *arg)
{
    co_current()->task(arg);
    return co_finish();
}

int co_go(void (*fn)(void *arg), void *arg)
{
    struct co *c = co_start(task_main, arg);
    if (c == NULL)
        return -1;
    c->task = fn;
    return 0;
}

// ---- The loop

// Adds one to the count, which the watchdog reads. Only this thread writes it,
// so the addition need not be atomic.
static void count_turn(void)
{
    unsigned count =
        atomic_load_explicit(&loop.turn_count, memory_order_relaxed);
    atomic_store_explicit(&loop.turn_count, count + 1, memory_order_relaxed);
}

const atomic_uint *co_turn_count(void)
{
    return &loop.turn_count;
}

// Gives `c` a turn: runs it until it waits, reschedules itself or returns.
static void run(struct co *c)
{
    loop.budget = CO_BUDGET;
    co_become(c, CO_RUNNING);
    count_turn();
    co_jump(c, NULL);
    if (loop.ended != NULL)
        co_free(loop.ended);
    loop.ended = NULL;
}

// LESSON round-robin: every coroutine that is ready at the start of a round
// gets one turn, in the order in which they became ready. Coroutines that
// become ready during the round run in the next one. So no coroutine gets two
// turns while another one waits for its first.
static void run_round(void)
{
    const struct co *last = loop.ready.last;
    struct co *c = NULL;
    while (loop.ready.first != NULL && c != last) {
        c = co_queue_take(&loop.ready);
        co_cache_prefetch_after(c);
        run(c);
    }
}

// Returns the coroutine that `mail` is a part of.
static struct co *owner_of(struct co_mail *mail)
{
    return (struct co *)(void *)((char *)mail - offsetof(struct co, mail));
}

// Wakes the coroutines for which other threads or signal handlers sent mail.
static void deliver_mail(void)
{
    struct co_mail *mail;
    co_mail_collect();
    while ((mail = co_mail_take()) != NULL)
        if (mail->waiter != NULL)
            co_end_wait(mail->waiter, 0);
        else
            co_wake(owner_of(mail));
}

static void end_due_waits(void)
{
    const struct co_timers *timers = &loop.timers;
    if (timers->count == 0)
        return;
    int64_t now_ns = co_now_ns();
    while (timers->count > 0 && timers->heap[1].due_ns <= now_ns)
        co_end_wait(timers->heap[1].waiter, ETIMEDOUT);
}

// Returns for how many milliseconds the loop may sleep: 0 if a coroutine is
// ready, -1 (without limit) if there is no timer, else the time until the first
// timer.
static int idle_ms(void)
{
    if (loop.ready.first != NULL || loop.rescheduled.first != NULL)
        return 0;
    if (loop.timers.count == 0)
        return -1;
    int64_t left_ns = loop.timers.heap[1].due_ns - co_now_ns();
    if (left_ns <= 0)
        return 0;
    // Rounds up. Otherwise the loop would wake up just before the timer is due,
    // and use the processor until then.
    int64_t left_ms = (left_ns + NS_PER_MS - 1) / NS_PER_MS;
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

// Sleeps while no coroutine is ready, and ends the waits whose events have
// come. Then moves the rescheduled coroutines behind the ready ones. Returns 0,
// or -1.
static int wait_for_events(const sigset_t *mask)
{
    deliver_mail();
    if (poller->wait(idle_ms(), mask) != 0)
        return -1;
    deliver_mail();
    end_due_waits();
    while (loop.rescheduled.first != NULL)
        co_queue_append(&loop.ready, co_queue_take(&loop.rescheduled));
    return 0;
}

static void close_loop(void)
{
    poller->close();
    co_mail_close();
    co_timers_free(&loop.timers);
}

// LESSON scheduler: this loop is the whole scheduler. It runs the coroutines
// that are ready. Then it sleeps until a descriptor is ready or a timer is due.
// The coroutines that have waited for this become ready.
int co_run(void)
{
    sigset_t previous;
    if (loop.self != NULL)
        return co_fail(EBUSY);
    if (co_mail_open() != 0 || poller->open() != 0)
        return -1;
    loop.self = co_current();
    const sigset_t *mask = co_tools_block_signals(&previous);
    int result = 0;
    while (loop.alive_count > 0 && result == 0) {
        run_round();
        if (loop.alive_count > 0)
            result = wait_for_events(mask);
    }
    co_tools_unblock_signals(mask);
    loop.self = NULL;
    if (result == 0)
        close_loop();
    return result;
}

void co_set_poller(const struct co_poller *p)
{
    poller = p;
}

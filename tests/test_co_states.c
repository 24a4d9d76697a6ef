// test_co_states.c - tests the table of states in co.h, and wakeups.
//
// In each state, a coroutine is woken, cancelled, resumed or freed, or its
// deadline passes. Further tests are about wakeups that come too early, twice,
// from threads or from signal handlers.

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#include "co_test.h"
#include "virtual_clock.h"

enum { NAP_MS = 100, DEADLINE_MS = 10 };

// ---- Actions on the subject

enum action { WAKE, WAKE_ASYNC, CANCEL, DEADLINE, RESUME, FREE, ACTIONS };

static const char *const action_names[] = {"co_wake()",   "co_wake_async()",
                                           "co_cancel()", "a passed deadline",
                                           "co_resume()", "co_free()"};

static enum action action;
static struct co *subject;

static void act(void)
{
    errno = 0;
    if (action == WAKE)
        co_wake(subject);
    else if (action == WAKE_ASYNC)
        co_wake_async(subject);
    else if (action == CANCEL)
        co_cancel(subject);
    else if (action == DEADLINE)
        clock_advance_ms(2 * DEADLINE_MS);
    else if (action == RESUME)
        co_resume(subject, NULL);
    else
        co_free(subject);
    append(errno == EBUSY ? "busy " : errno == EINVAL ? "invalid " : "");
}

// Acts on the subject. Then reschedules, so that the loop delivers asynchronous
// wakeups and ends the waits that are due.
static void act_and_reschedule(void)
{
    act();
    co_reschedule();
}

// ---- Results that the subject sees

static void begin(void)
{
    subject = co_self();
    if (action == DEADLINE)
        co_set_deadline(DEADLINE_MS);
}

// Appends the result of the subject's next call, and whether the subject has a
// permit.
static void observe(void)
{
    append_result(co_sleep(0));
    co_set_deadline(1);
    append(co_park() == 0       ? "permit"
           : errno == ETIMEDOUT ? "none"
                                : "cancelled");
}

static void wait_and_observe(int (*wait)(void))
{
    begin();
    append_result(wait());
    observe();
}

// ---- The states: each function brings a subject into one state, and acts

static void *observe_twice(void *arg)
{
    begin();
    if (arg != NULL)
        co_yield_value(NULL);
    observe();
    return NULL;
}

// Acts on a coroutine that is new or has yielded. Then resumes it, unless the
// action has ended or freed it.
static void act_on_suspended(bool yielded)
{
    subject = co_new(observe_twice, number(yielded));
    if (yielded)
        co_resume(subject, NULL);
    act_and_reschedule();
    if (action == FREE)
        return;
    if (!co_done(subject))
        co_resume(subject, NULL);
    co_free(subject);
}

static void in_new(void)
{
    act_on_suspended(false);
}

static void in_yielded(void)
{
    act_on_suspended(true);
}

static void in_running(void)
{
    begin();
    act_and_reschedule();
    observe();
}

static void *act_in_generator(void *arg)
{
    act_and_reschedule();
    return arg;
}

static void in_resuming(void)
{
    begin();
    struct co *c = co_new(act_in_generator, NULL);
    co_resume(c, NULL);
    co_free(c);
    observe();
}

static void *park_in_generator(void *arg)
{
    append_result(co_park());
    return arg;
}

static void resume_and_observe(void *arg)
{
    begin();
    struct co *c = co_new(park_in_generator, NULL);
    *(struct co **)arg = c;
    co_resume(c, NULL);
    co_free(c);
    observe();
}

static void in_resuming_a_parked_one(void)
{
    struct co *inner = NULL;
    co_go(resume_and_observe, &inner);
    while (inner == NULL || co_state_of(inner) != CO_PARKED)
        co_reschedule();
    act_and_reschedule();
    if (action != CANCEL && action != DEADLINE)
        co_wake(inner);
}

static int reschedule(void)
{
    co_reschedule();
    return 0;
}

static int nap(void)
{
    int64_t end_ms = clock_ms() + NAP_MS;
    int result = co_sleep(NAP_MS);
    if (result == 0 && clock_ms() != end_ms)
        append("early ");
    return result;
}

static struct co_sem sem;

static int wait_for_sem(void)
{
    return co_sem_wait(&sem);
}

static int receive(void)
{
    char byte;
    return co_recv(ends[1], &byte, 1) == 1 ? 0 : -1;
}

static int poll_end(void)
{
    return co_poll(ends[1], EPOLLIN);
}

static sem_t work_may_end;

static void work(void *arg)
{
    while (sem_wait(&work_may_end) != 0)
        continue;
    *(bool *)arg = true;
}

static int offload(void)
{
    bool worked = false;
    int result = co_offload(work, &worked);
    if (result == 0 && !worked)
        append("early ");
    return result;
}

static int (*wait_of_subject)(void);

static void subject_main(void *arg)
{
    (void)arg;
    wait_and_observe(wait_of_subject);
}

// Starts a subject that waits, and acts on it once it is in `state`.
static void act_on_waiting(int (*wait)(void), enum co_state state)
{
    subject = NULL;
    wait_of_subject = wait;
    co_go(subject_main, NULL);
    while (subject == NULL || co_state_of(subject) != state)
        co_reschedule();
    act_and_reschedule();
}

static void in_ready(void)
{
    act_on_waiting(reschedule, CO_READY);
}

static void in_parked(void)
{
    act_on_waiting(co_park, CO_PARKED);
    if (action == RESUME || action == FREE)
        co_wake(subject);
}

static void in_sleep(void)
{
    act_on_waiting(nap, CO_WAITING);
}

static void in_sem_wait(void)
{
    act_on_waiting(wait_for_sem, CO_WAITING);
    co_sem_post(&sem);
    if (action == CANCEL || action == DEADLINE)
        ok(co_sem_wait(&sem) == 0, "the semaphore keeps its count");
}

// Acts on a subject that waits for a socket. Then a byte arrives there.
static void act_on_receiver(int (*wait)(void))
{
    make_pair();
    act_on_waiting(wait, CO_WAITING);
    co_send(ends[0], "x", 1);
    co_reschedule();
    close_pair();
}

static void in_recv(void)
{
    act_on_receiver(receive);
}

static void in_poll(void)
{
    act_on_receiver(poll_end);
}

static void in_offload(void)
{
    act_on_waiting(offload, CO_UNINTERRUPTIBLE);
    sem_post(&work_may_end);
}

static void *return_at_once(void *arg)
{
    return arg;
}

static void in_done(void)
{
    subject = co_new(return_at_once, NULL);
    co_resume(subject, NULL);
    act_and_reschedule();
    append(co_done(subject) ? "done" : "?");
    if (action != FREE)
        co_free(subject);
}

// ---- The table

// The traces of the actions on a waiting coroutine. They are the same for all
// kinds of waits.
#define AS_WAITING                                                             \
    "fine fine permit", "fine fine permit", "cancelled cancelled cancelled",   \
        "late late none", "busy fine fine none", "busy fine fine none"

static const struct {
    const char *state;
    void (*enter)(void);
    const char *traces[ACTIONS];
} rows[] = {
    {"NEW",
     in_new,
     {"fine permit", "fine permit", "cancelled cancelled", "fine none",
      "fine none", ""}},
    {"YIELDED",
     in_yielded,
     {"fine permit", "fine permit", "cancelled cancelled", "late none",
      "fine none", ""}},
    {"RUNNING",
     in_running,
     {"fine permit", "fine permit", "cancelled cancelled", "late none",
      "busy fine none", "busy fine none"}},
    {"RUNNING, having resumed another",
     in_resuming,
     {"fine permit", "fine permit", "cancelled cancelled", "late none",
      "busy fine none", "busy fine none"}},
    {"RUNNING, having resumed one that is PARKED",
     in_resuming_a_parked_one,
     {"fine fine permit", "fine fine permit", "cancelled cancelled cancelled",
      "late late none", "busy fine fine none", "busy fine fine none"}},
    {"READY",
     in_ready,
     {"fine fine permit", "fine fine permit", "fine cancelled cancelled",
      "fine late none", "busy fine fine none", "busy fine fine none"}},
    {"PARKED",
     in_parked,
     {"fine fine none", "fine fine none", "cancelled cancelled cancelled",
      "late late none", "busy fine fine none", "busy fine fine none"}},
    {"WAITING in co_sleep()", in_sleep, {AS_WAITING}},
    {"WAITING in co_sem_wait()", in_sem_wait, {AS_WAITING}},
    {"WAITING in co_recv()", in_recv, {AS_WAITING}},
    {"WAITING in co_poll()", in_poll, {AS_WAITING}},
    {"UNINTERRUPTIBLE in co_offload()",
     in_offload,
     {"fine fine permit", "fine fine permit", "fine cancelled cancelled",
      "fine late none", "busy fine fine none", "busy fine fine none"}},
    {"DONE", in_done, {"done", "done", "done", "done", "invalid done", "done"}},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static void enter_row(void *arg)
{
    rows[value_of(arg)].enter();
}

static void test_table(void)
{
    sem_init(&work_may_end, 0, 0);
    for (int row = 0; row < ROWS; row++)
        for (int i = 0; i < ACTIONS; i++) {
            action = (enum action)i;
            co_go(enter_row, number(row));
            ok(run_traced(rows[row].traces[i]), "%s: %s", rows[row].state,
               action_names[i]);
        }
}

// ---- Wakeups that come too early, or more than once

static void park_twice(void *arg)
{
    (void)arg;
    subject = co_self();
    append_result(co_park());
    co_set_deadline(1);
    append_result(co_park());
}

static void wake_twice(void *arg)
{
    (void)arg;
    until(subject, CO_PARKED);
    co_wake(subject);
    co_wake(subject);
    co_wake_async(subject);
    co_wake_async(subject);
}

static void wake_before_park(void *arg)
{
    (void)arg;
    subject = co_self();
    co_wake(subject);
    co_wake(subject);
    append_result(co_park());
    co_set_deadline(1);
    append_result(co_park());
}

static void wake_itself_often(void *arg)
{
    (void)arg;
    int turns = 0;
    subject = co_self();
    for (; turns < 10 * CO_BUDGET; turns++) {
        co_wake(subject);
        co_park();
    }
    append("woken ");
}

static void bystander(void *arg)
{
    (void)arg;
    append("bystander ");
}

static void test_wake_ups(void)
{
    co_go(park_twice, NULL);
    co_go(wake_twice, NULL);
    ok(run_traced("fine late "), "all wakeups for one park count as one");
    co_go(wake_before_park, NULL);
    ok(run_traced("fine late "), "there is at most one permit");
    co_go(wake_itself_often, NULL);
    co_go(bystander, NULL);
    ok(run_traced("bystander woken "),
       "a coroutine that finds a permit each time lets the others run");
}

// ---- Producer and consumer, with a call between them that may reschedule

enum { ITEMS = 200, STOCK_MAX = 3 * CO_BUDGET, BYSTANDERS = 5 };

static struct co *consumer, *producer;
static int stock, consumed, sent, bystanders_done;

static void produce(void *arg)
{
    (void)arg;
    producer = co_self();
    for (int i = 0; i < ITEMS; i++) {
        while (stock == STOCK_MAX)
            co_park();
        stock++;
        co_wake(consumer);
        co_send(ends[0], "x", 1);  // It reschedules when the budget is used up.
    }
}

static void consume(void *arg)
{
    char byte;
    (void)arg;
    consumer = co_self();
    for (; consumed < ITEMS; consumed++) {
        while (stock == 0)
            co_park();
        stock--;
        if (producer != NULL)
            co_wake(producer);
        sent += co_recv(ends[1], &byte, 1) == 1;
    }
}

static void reschedule_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < ITEMS; i++)
        co_reschedule();
    bystanders_done++;
}

static void test_pair(void)
{
    make_pair();
    co_go(consume, NULL);
    co_go(produce, NULL);
    for (int i = 0; i < BYSTANDERS; i++)
        co_go(reschedule_often, NULL);
    ok(co_run() == 0 && consumed == ITEMS && sent == ITEMS,
       "a producer and a consumer lose none of %d wakeups", ITEMS);
    ok(bystanders_done == BYSTANDERS, "beside them, other coroutines run");
    close_pair();
}

// ---- From other threads, and from signal handlers

#ifdef SANITIZED
enum { WAKEUPS = 500, SIGNALS = 200 };
#else
enum { WAKEUPS = 5000, SIGNALS = 2000 };
#endif
enum { WAKERS = 3 };

static atomic_int requested, served;

// Runs in a thread. For each wakeup, counts a request, wakes the coroutine
// twice, and waits until the coroutine has served the request.
static void *wake_from_thread(void *arg)
{
    for (int i = 0; i < WAKEUPS; i++) {
        int mine = atomic_fetch_add(&requested, 1) + 1;
        co_wake_async(subject);
        co_wake_async(subject);
        while (atomic_load(&served) < mine)
            sched_yield();
    }
    return arg;
}

static void serve_requests(void *arg)
{
    pthread_t threads[WAKERS];
    (void)arg;
    subject = co_self();
    for (int i = 0; i < WAKERS; i++)
        if (pthread_create(&threads[i], NULL, wake_from_thread, NULL) != 0)
            ok(false, "pthread_create");
    while (atomic_load(&served) < WAKERS * WAKEUPS) {
        co_park();
        atomic_store(&served, atomic_load(&requested));
    }
    for (int i = 0; i < WAKERS; i++)
        pthread_join(threads[i], NULL);
}

static pthread_t loop_thread;
static atomic_int signals;

static void wake_on_signal(int signo)
{
    (void)signo;
    atomic_fetch_add(&signals, 1);
    co_wake_async(subject);
    co_wake_async(subject);
}

// Sends many signals of one kind to the loop's thread. Another thread does the
// same with another kind, so that handlers interrupt each other's wakeups.
static void *send_signals(void *arg)
{
    int signo = (int)value_of(arg);
    for (int i = 0; i < SIGNALS; i++) {
        pthread_kill(loop_thread, signo);
        if (i % 16 == 0)
            sched_yield();
    }
    return NULL;
}

static atomic_bool senders_done;

static void *send_both(void *arg)
{
    pthread_t other;
    if (pthread_create(&other, NULL, send_signals, number(SIGUSR2)) != 0)
        return arg;
    send_signals(number(SIGUSR1));
    pthread_join(other, NULL);
    atomic_store(&senders_done, true);
    pthread_kill(loop_thread, SIGUSR1);
    return arg;
}

static void count_signals(void *arg)
{
    pthread_t thread;
    subject = co_self();
    if (pthread_create(&thread, NULL, send_both, NULL) != 0)
        return;
    while (!atomic_load(&senders_done))
        co_park();
    pthread_join(thread, NULL);
    *(int *)arg = atomic_load(&signals);
}

static void wait_for_signal(void *arg)
{
    (void)arg;
    subject = co_self();
    raise(SIGUSR1);
    append_result(co_sleep(1));  // The wakeup arrives during the sleep.
    append_result(co_park());
}

// Ends, and is freed, before its asynchronous wakeup is delivered.
static void end_with_pending_wakeup(void *arg)
{
    co_wake_async(co_self());
    append(arg);
}

static void free_with_pending_wakeup(void *arg)
{
    struct co *c = co_new(return_at_once, NULL);
    co_wake_async(c);
    co_wake_async(co_self());
    co_free(c);
    append_result(co_park());
    append(arg);
}

static void test_wake_async(void)
{
    const struct sigaction act = {.sa_handler = wake_on_signal};
    sigaction(SIGUSR1, &act, NULL);
    sigaction(SIGUSR2, &act, NULL);
    loop_thread = pthread_self();

    go(end_with_pending_wakeup, "ended ");
    go(free_with_pending_wakeup, "freed ");
    ok(run_traced("ended fine freed "),
       "a coroutine may end before its mail is delivered");
    co_go(wait_for_signal, NULL);
    ok(run_traced("fine fine "), "a wakeup from a signal handler is kept");

    clock_virtual(false);
    co_go(serve_requests, NULL);
    ok(co_run() == 0 && atomic_load(&served) == WAKERS * WAKEUPS,
       "%d threads wake a coroutine %d times each", WAKERS, WAKEUPS);
    int count = 0;
    co_go(count_signals, &count);
    ok(co_run() == 0 && count > 0,
       "two signals at once wake a coroutine, %d times", count);
    clock_virtual(true);
}

// ---- Misuse

static void *resume_own_resumer(void *arg)
{
    append(co_resume(arg, NULL) == NULL && errno == EBUSY ? "busy " : "? ");
    return NULL;
}

static void misuse(void *arg)
{
    (void)arg;
    append(co_yield_value(NULL) == NULL && errno == EPERM ? "refused " : "? ");
    append_result(co_run());
    struct co *c = co_new(resume_own_resumer, co_self());
    co_resume(c, NULL);
    co_free(c);
}

static void test_misuse(void)
{
    char byte;
    struct co_group group = {0};
    co_go(misuse, NULL);
    ok(run_traced("refused busy busy "),
       "a coroutine of the loop cannot yield, run the loop, or be resumed");
    co_reschedule();
    ok(co_sleep(0) == -1 && errno == EPERM && co_park() == -1 &&
           errno == EPERM && co_recv(0, &byte, 1) == -1 && errno == EPERM &&
           co_sem_wait(&sem) == -1 && errno == EPERM &&
           co_group_join(&group) == -1 && errno == EPERM &&
           co_offload(work, NULL) == -1 && errno == EPERM,
       "outside of co_run(), waiting calls fail with EPERM");
}

int main(void)
{
    alarm(TAP_HANG_S);
    test_table();
    test_wake_ups();
    test_pair();
    test_wake_async();
    test_misuse();
    return done_testing();
}

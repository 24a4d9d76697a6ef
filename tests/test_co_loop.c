// test_co_loop.c - tests the scheduler, timers, semaphores, cancellation,
// deadlines, groups and other threads.

#include <pthread.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <time.h>

#include "co_test.h"
#include "virtual_clock.h"

enum { LONG_MS = 60000 };

// ---- Order

static void three_turns(void *arg)
{
    for (int i = 0; i < 3; i++) {
        append(arg);
        co_reschedule();
    }
}

static void sleep_then_append(void *arg)
{
    const char *text = arg;
    co_sleep((text[0] - 'a') * 20);
    append(text);
}

static void *sleep_in_generator(void *arg)
{
    (void)arg;
    co_sleep(1);
    append("inner ");
    co_yield_value(NULL);
    co_sleep(1);
    append("inner ");
    return NULL;
}

static void resume_a_sleeper(void *arg)
{
    (void)arg;
    struct co *c = co_new(sleep_in_generator, NULL);
    co_resume(c, NULL);
    append("outer ");
    co_resume(c, NULL);
    append("outer ");
    co_free(c);
}

static void test_order(void)
{
    ok(co_run() == 0, "co_run() with nothing to do returns at once");
    go(three_turns, "a");
    go(three_turns, "b");
    go(three_turns, "c");
    ok(run_traced("abcabcabc"), "round-robin");

    go(sleep_then_append, "d");
    go(sleep_then_append, "b");
    go(sleep_then_append, "a");
    go(sleep_then_append, "c");
    int64_t begin_ms = clock_ms();
    int sleeps = clock_sleeps();
    ok(run_traced("abcd"), "coroutines wake in the order of time");
    ok(clock_ms() - begin_ms == 60, "coroutines wake exactly at their time");
    ok(clock_sleeps() - sleeps == 3, "between wakeups, the loop sleeps");

    co_go(resume_a_sleeper, NULL);
    ok(run_traced("inner outer inner outer "),
       "a coroutine that another one has resumed may wait");
}

// ---- Many

#ifdef SANITIZED
enum { FEW = 100, MANY = 500 };
#else
enum { FEW = 1000, MANY = 100000 };
#endif

static int slept;

static void sleep_thrice(void *arg)
{
    for (int i = 0; i < 3; i++)
        slept += co_sleep(1 + (int)(value_of(arg) * 37 % 50)) == 0;
}

// Runs `count` coroutines that sleep three times. Returns the CPU time per
// coroutine, in ns.
static double cost_of_sleepers(int count)
{
    struct timespec cpu;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    double begin_s = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
    slept = 0;
    for (int i = 0; i < count; i++)
        co_go(sleep_thrice, number(i));
    ok(co_run() == 0 && slept == 3 * count, "%d sleepers wake", count);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    return ((double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9 - begin_s) * 1e9 /
           count;
}

static void test_many(void)
{
    cost_of_sleepers(FEW);
    double few_ns = cost_of_sleepers(FEW), many_ns = cost_of_sleepers(MANY);
    ok(many_ns < 20 * few_ns,
       "each of many coroutines takes little more: %.0f and %.0f ns", few_ns,
       many_ns);
}

// ---- Semaphores

static struct co_sem two = {.count = 2};

static void hold_sem(void *arg)
{
    co_sem_wait(&two);
    append(arg);
    co_sleep(2);
    co_sem_post(&two);
}

static struct co *last_in_queue;
static int in_queue, granted_count;

static void queue_up(void *arg)
{
    last_in_queue = co_self();
    in_queue++;
    if (co_sem_wait(arg) == 0)
        granted_count++;
}

static void cancel_and_post(void *arg)
{
    until(last_in_queue, CO_WAITING);
    co_cancel(last_in_queue);
    for (int i = 1; i < MANY; i++)
        co_sem_post(arg);
}

static void test_semaphores(void)
{
    go(hold_sem, "a");
    go(hold_sem, "b");
    go(hold_sem, "c");
    go(hold_sem, "d");
    ok(run_traced("abcd") && two.count == 2,
       "with a count of 2, a semaphore lets two in at a time");

    struct co_sem none = {.count = 0};
    for (int i = 0; i < MANY; i++)
        co_go(queue_up, &none);
    co_go(cancel_and_post, &none);
    ok(co_run() == 0 && in_queue == MANY && granted_count == MANY - 1 &&
           none.count == 0,
       "a coroutine cancelled in a queue of %d leaves it", MANY);
}

// ---- Cancellation

static struct co *victim;
static struct co_sem sem;

static int sleep_long(void)
{
    return co_sleep(LONG_MS);
}

static void fail_in_all_calls(void *arg)
{
    (void)arg;
    victim = co_self();
    append_result(sleep_long());
    append_result(co_sleep(0));
    append_result(co_park());
    sem.count = 1;
    append_result(co_sem_wait(&sem));
    sem.count = 0;
    append("cleanup ");
}

static void cancel_victim(void *arg)
{
    (void)arg;
    co_cancel(victim);
    append("cancel ");
}

static void *sleep_deep(void *arg)
{
    intptr_t depth = value_of(arg);
    if (depth == 0) {
        append_result(sleep_long());
        return NULL;
    }
    struct co *c = co_new(sleep_deep, number(depth - 1));
    co_resume(c, NULL);
    co_free(c);
    append_result(co_sleep(0));
    return NULL;
}

static void resume_deep_sleeper(void *arg)
{
    victim = co_self();
    sleep_deep(arg);
}

// Cancels the resumer of this generator. The resumer then resumes a second
// generator. The field `innermost` of the resumer must no longer point to the
// first one.
static void *cancel_resumer(void *arg)
{
    co_sleep(1);
    co_cancel(arg);
    append_result(co_sleep(1));
    return NULL;
}

static void resume_canceller(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        struct co *c = co_new(cancel_resumer, co_self());
        co_resume(c, NULL);
        co_free(c);
    }
}

static struct co *shared_generator;

static void *yield_and_nap(void *arg)
{
    (void)arg;
    for (;;) {
        append_result(co_sleep(1));
        co_yield_value(NULL);
    }
    return NULL;
}

static void use_shared(void *arg)
{
    if (arg != NULL)
        co_cancel(co_self());
    co_resume(shared_generator, NULL);
}

static void test_cancellation(void)
{
    co_go(fail_in_all_calls, NULL);
    co_go(cancel_victim, NULL);
    ok(run_traced("cancel cancelled cancelled cancelled cancelled cleanup "),
       "a cancelled coroutine fails in this call and all later ones");

    co_go(resume_deep_sleeper, number(3));
    co_go(cancel_victim, NULL);
    ok(run_traced("cancel cancelled cancelled cancelled cancelled "),
       "the coroutines that a cancelled one has resumed fail, too");

    co_go(resume_canceller, NULL);
    ok(run_traced("cancelled cancelled "),
       "a coroutine may cancel its resumer");

    shared_generator = co_new(yield_and_nap, NULL);
    co_go(use_shared, NULL);
    bool first = run_traced("fine ");
    co_go(use_shared, number(1));
    bool second = run_traced("cancelled ");
    co_go(use_shared, NULL);
    ok(first && second && run_traced("fine "),
       "a generator waits on behalf of the coroutine that has resumed it");
    co_free(shared_generator);
}

// ---- Deadlines

static void wait_until_deadline(void *arg)
{
    int64_t begin_ms = clock_ms();
    (void)arg;
    co_set_deadline(20);
    append_result(co_sleep(1));
    append_result(sleep_long());
    append(clock_ms() == begin_ms + 20 ? "at 20 " : "? ");
    append_result(co_sleep(0));
    sem.count = 1;
    append_result(co_sem_wait(&sem));
    co_set_deadline(-1);
    append_result(co_sem_wait(&sem));
}

static void have_deadline_now(void *arg)
{
    (void)arg;
    co_set_deadline(0);
    append_result(co_sleep(0));
    co_set_deadline(-1);
    append_result(co_sleep(0));
}

static void resume_with_deadline(void *arg)
{
    int64_t begin_ms = clock_ms();
    co_set_deadline(20);
    sleep_deep(arg);
    append(clock_ms() == begin_ms + 20 ? "at 20 " : "? ");
}

static void test_deadlines(void)
{
    co_go(wait_until_deadline, NULL);
    ok(run_traced("fine late at 20 late late fine "),
       "after the deadline every call fails, until there is a later one");
    co_go(have_deadline_now, NULL);
    ok(run_traced("late fine "), "0 ms means now, -1 never");
    co_go(resume_with_deadline, number(3));
    ok(run_traced("late late late late at 20 "),
       "a deadline holds for those that it has resumed, three deep");
}

// ---- Groups

static int succeed(void *arg)
{
    co_sleep((int)value_of(arg));
    append("done ");
    return 0;
}

static int refuse(void *arg)
{
    co_sleep((int)value_of(arg));
    append("refuse ");
    errno = ECONNREFUSED;
    return -1;
}

static int wait_long(void *arg)
{
    (void)arg;
    int result = sleep_long();
    int reason = errno;
    append_result(result);
    co_sleep(1);  // After a cancellation this wait fails at once.
    errno = reason;
    return result;
}

static void join_successful(void *arg)
{
    (void)arg;
    struct co_group group = {0};
    for (int i = 0; i < 3; i++)
        co_group_go(&group, succeed, number(i));
    append_result(co_group_join(&group));
    append_result(co_group_join(&group));
}

static void join_failing(void *arg)
{
    (void)arg;
    struct co_group group = {0};
    co_group_go(&group, wait_long, NULL);
    co_group_go(&group, refuse, number(5));
    co_group_go(&group, wait_long, NULL);
    co_group_go(&group, succeed, number(1));
    append_result(co_group_join(&group));
}

static int join_inside(void *arg)
{
    (void)arg;
    struct co_group group = {0};
    co_group_go(&group, wait_long, NULL);
    int result = co_group_join(&group);
    append("inner ");
    return result;
}

static void join_nested(void *arg)
{
    (void)arg;
    struct co_group group = {0};
    co_group_go(&group, join_inside, NULL);
    co_group_go(&group, refuse, number(5));
    append_result(co_group_join(&group));
}

static void join_with_deadline(void *arg)
{
    (void)arg;
    struct co_group group = {0};
    co_set_deadline(10);
    co_group_go(&group, wait_long, NULL);
    append_result(co_group_join(&group));
}

static struct co_group late_group;

// Runs in a member of the group. When it is cancelled, adds another member.
static int start_another(void *arg)
{
    int result = sleep_long();
    append_result(result);
    if (arg != NULL)
        co_group_go(&late_group, start_another, NULL);
    return 0;
}

static void cancel_group(void *arg)
{
    (void)arg;
    co_group_go(&late_group, start_another, number(1));
    co_reschedule();
    co_group_cancel(&late_group);
    append_result(co_group_join(&late_group));
    co_group_go(&late_group, succeed, NULL);
    append_result(co_group_join(&late_group));
}

static int stay_in_group(void *arg)
{
    co_sleep(1);
    return co_group_join(arg);
}

static void join_twice(void *arg)
{
    (void)arg;
    struct co_group group = {0};
    co_group_go(&group, stay_in_group, &group);
    append_result(co_group_join(&group));
}

static struct co_group own_group;

static void *join_own_group(void *arg)
{
    append_result(co_group_join(&own_group));
    return arg;
}

// Runs in a member of a group: joins the same group, and lets a generator do
// so.
static int join_from_inside(void *arg)
{
    struct co *c = co_new(join_own_group, NULL);
    join_own_group(arg);
    co_resume(c, NULL);
    co_free(c);
    return 0;
}

static void start_own_group(void *arg)
{
    (void)arg;
    co_group_go(&own_group, join_from_inside, NULL);
    co_group_go(&own_group, succeed, NULL);
    co_reschedule();
    append_result(co_group_join(&own_group));
}

static void test_groups(void)
{
    co_go(join_successful, NULL);
    ok(run_traced("done done done fine fine "),
       "co_group_join() waits for all members");
    co_go(join_failing, NULL);
    ok(run_traced("done refuse cancelled cancelled refused "),
       "if a member fails, the others are cancelled; join has its errno");
    co_go(join_nested, NULL);
    ok(run_traced("refuse cancelled inner refused "),
       "a group that a member has started is cancelled with it");
    co_go(join_with_deadline, NULL);
    ok(run_traced("cancelled late "),
       "when the deadline of the caller passes, the members are cancelled");
    co_go(cancel_group, NULL);
    ok(run_traced("cancelled cancelled fine done fine "),
       "a member that is added to a cancelled group is cancelled");
    co_go(join_twice, NULL);
    ok(run_traced("busy "), "only one coroutine at a time may join a group");
    co_go(start_own_group, NULL);
    ok(run_traced("deadlock deadlock done fine "),
       "a member that joins its own group fails, and cancels no other");
}

// ---- Other threads

static pthread_t loop_thread;
static sem_t may_work;

struct work {
    int n;
    bool elsewhere;
};

static void square(void *arg)
{
    struct work *work = arg;
    while (sem_wait(&may_work) != 0)
        continue;
    work->n *= work->n;
    work->elsewhere = !pthread_equal(pthread_self(), loop_thread);
}

static int sum;

static void offload_square(void *arg)
{
    struct work work = {.n = (int)value_of(arg)};
    if (co_offload(square, &work) == 0 && work.elsewhere)
        sum += work.n;
}

// Lets the blocked threads continue, after the loop has slept three times. If
// the threads blocked the loop, this coroutine would never run.
static void let_work(void *arg)
{
    for (int i = 0; i < 3; i++)
        co_sleep(1);
    for (intptr_t i = 0; i < value_of(arg); i++)
        sem_post(&may_work);
}

static void offload_as_victim(void *arg)
{
    struct work work = {.n = 7};
    (void)arg;
    victim = co_self();
    append_result(co_offload(square, &work));
    append(work.n == 49 ? "worked " : "? ");
    append_result(co_offload(square, &work));
    append(work.n == 49 ? "not again " : "? ");
}

static void cancel_in_offload(void *arg)
{
    until(victim, CO_UNINTERRUPTIBLE);
    cancel_victim(arg);
    sem_post(&may_work);
}

static void *offload_in_generator(void *arg)
{
    offload_square(arg);
    return NULL;
}

static void resume_it(void *arg)
{
    co_resume(arg, NULL);
}

static int thread_count(void)
{
    struct stat tasks;  // Links: one per thread, "." and "..".
    return stat("/proc/self/task", &tasks) == 0 ? (int)tasks.st_nlink - 2 : -1;
}

static void offload_in_turn(void *arg)
{
    for (intptr_t i = 0; i < value_of(arg); i++) {
        sem_post(&may_work);
        offload_square(number(1));
    }
}

static void test_offload(void)
{
    loop_thread = pthread_self();
    sem_init(&may_work, 0, 0);
    clock_virtual(false);
    co_set_offload_threads(-1);
    co_go(offload_in_turn, number(1));
    ok(co_run() == 0 && sum == 1, "a count of threads below 1 is the default");

    co_set_offload_threads(4);
    int before = thread_count();
    co_go(offload_in_turn, number(100));
    ok(co_run() == 0 && sum == 101 && thread_count() == before,
       "one thread does all jobs that come one after the other");

    sum = 0;
    for (int i = 1; i <= 4; i++)
        co_go(offload_square, number(i));
    co_go(let_work, number(4));
    ok(co_run() == 0 && sum == 30,
       "while other threads work, the loop continues");

    co_go(offload_as_victim, NULL);
    co_go(cancel_in_offload, NULL);
    ok(run_traced("cancel fine worked cancelled not again "),
       "co_offload() waits for fn even if it is cancelled");
    clock_virtual(true);
}

// Checks a generator that is created outside of the loop.
static void test_offload_in_old_generator(void)
{
    clock_virtual(false);
    struct co *c = co_new(offload_in_generator, number(5));
    co_go(resume_it, c);
    sum = 0;
    sem_post(&may_work);
    ok(co_run() == 0 && sum == 25 && co_done(c),
       "a generator that is older than the loop may offload, too");
    co_free(c);
    clock_virtual(true);
}

int main(void)
{
    alarm(TAP_HANG_S);
    test_order();
    test_many();
    test_semaphores();
    test_cancellation();
    test_deadlines();
    test_groups();
    test_offload();
    test_offload_in_old_generator();
    return done_testing();
}

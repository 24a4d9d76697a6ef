// test_co_structure.c - coroutines that depend on each other: delegation,
// cancellation, deadlines, groups, other threads; and the limits of stacks.
//
// The linker's --wrap option routes madvise() through the function below, to
// see what happens on a kernel without guard markers.

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../servers/coro/co.h"
#include "pair.h"
#include "tap.h"

enum { GUARD_INSTALL = 102, LONG_MS = 60000 };

static bool old_kernel;

int __real_madvise(void *address, size_t size, int advice);
int __wrap_madvise(void *address, size_t size, int advice);

int __wrap_madvise(void *address, size_t size, int advice)
{
    if (!old_kernel || advice != GUARD_INSTALL)
        return __real_madvise(address, size, advice);
    errno = EINVAL;
    return -1;
}

static void *number(intptr_t value)
{
    return (void *)value;
}

// ---- A trace of what happened, in order

static char trace[256];

static void append(const char *text)
{
    strncat(trace, text, sizeof trace - strlen(trace) - 1);
}

static void append_result(int result)
{
    append(result == 0             ? "fine "
           : errno == ECANCELED    ? "cancelled "
           : errno == ETIMEDOUT    ? "late "
           : errno == EBADF        ? "closed "
           : errno == ECONNREFUSED ? "refused "
                                   : "? ");
}

// Runs all that was started. True when it did just that, in that order.
static bool run_traced(const char *want)
{
    bool same = co_run() == 0 && strcmp(trace, want) == 0;
    if (!same)
        printf("# got \"%s\", want \"%s\"\n", trace, want);
    trace[0] = '\0';
    return same;
}

// ---- Delegation

static void *inner(void *arg)
{
    intptr_t sum = (intptr_t)arg;
    for (int i = 0; i < 2; i++)
        sum += (intptr_t)co_yield(number(sum));
    return number(sum);
}

static void *outer(void *arg)
{
    struct co *c = co_new(inner, arg);
    void *result = co_delegate(c);
    co_free(c);
    co_yield(number(-(intptr_t)result));
    return NULL;
}

static void test_delegation(void)
{
    struct co *c = co_new(outer, number(10));
    ok(co_resume(c, NULL) == number(10) &&
           co_resume(c, number(1)) == number(11),
       "what is yielded comes out, what is sent goes in");
    ok(co_resume(c, number(5)) == number(-16) && !co_done(c),
       "co_delegate() returns what the other one returned");
    co_resume(c, NULL);
    ok(co_done(c), "and then it goes on itself");
    co_free(c);
}

// ---- Cancellation and deadlines

static struct co *victim;
static struct co_sem sem;

static int receive(void)
{
    char byte;
    return co_recv(ends[1], &byte, 1) < 0 ? -1 : 0;
}

static void receive_twice(void *arg)
{
    (void)arg;
    victim = co_self();
    append_result(receive());
    append_result(receive());
    append_result(co_sleep(LONG_MS));
    append_result(co_sem_wait(&sem));
    append_result(co_park());
    append("cleanup ");
}

static void sleep_long(void *arg)
{
    (void)arg;
    victim = co_self();
    append_result(co_sleep(LONG_MS));
}

static void wait_for_sem(void *arg)
{
    (void)arg;
    victim = co_self();
    append_result(co_sem_wait(&sem));
}

static void cancel_victim(void *arg)
{
    (void)arg;
    co_cancel(victim);
    append("cancel ");
}

static void send_then_cancel(void *arg)
{
    co_send(ends[0], "x", 1);
    co_pause();
    cancel_victim(arg);
}

static void post_sem(void *arg)
{
    (void)arg;
    co_sem_post(&sem);
}

static void close_other(void *arg)
{
    (void)arg;
    co_close(ends[1]);
}

static void test_cancellation(void)
{
    make_pair();
    co_go(receive_twice, NULL);
    co_go(cancel_victim, NULL);
    ok(run_traced("cancel cancelled cancelled cancelled cancelled cancelled "
                  "cleanup "),
       "a cancelled coroutine fails in this wait and all later ones");

    co_go(receive_twice, NULL);
    co_go(send_then_cancel, NULL);
    ok(run_traced("fine cancel cancelled cancelled cancelled cancelled "
                  "cleanup "),
       "what came before it was cancelled is not lost");

    co_go(sleep_long, NULL);
    co_go(cancel_victim, NULL);
    ok(run_traced("cancel cancelled "), "a sleeper does not sleep on");

    co_go(wait_for_sem, NULL);
    co_go(cancel_victim, NULL);
    co_go(wait_for_sem, NULL);
    co_go(post_sem, NULL);
    ok(run_traced("cancel cancelled fine ") && sem.count == 0,
       "who is cancelled in a line leaves it");

    co_go(receive_twice, NULL);
    co_go(close_other, NULL);
    co_go(cancel_victim, NULL);
    ok(run_traced("cancel closed cancelled cancelled cancelled cancelled "
                  "cleanup "),
       "to close a descriptor ends the wait for it");
    close(ends[0]);
}

static void wait_until_deadline(void *arg)
{
    (void)arg;
    co_set_deadline(20);
    append_result(co_sleep(1));
    append_result(receive());
    append_result(co_sleep(LONG_MS));
    append_result(co_send(ends[1], "x", 1) == 1 ? 0 : -1);
    co_set_deadline(-1);
    append_result(co_sleep(1));
}

static void test_deadlines(void)
{
    make_pair();
    co_go(wait_until_deadline, NULL);
    ok(run_traced("fine late late fine fine "),
       "after the deadline every wait fails, and what need not wait works");
    close_pair();
}

// ---- Groups

static int succeed(void *arg)
{
    co_sleep((int)(intptr_t)arg);
    append("done ");
    return 0;
}

static int refuse(void *arg)
{
    co_sleep((int)(intptr_t)arg);
    append("refuse ");
    errno = ECONNREFUSED;
    return -1;
}

static int wait_long(void *arg)
{
    (void)arg;
    int result = co_sleep(LONG_MS);
    int reason = errno;
    append_result(result);
    co_sleep(1);  // Cleaning up may wait, and is told no.
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

static void test_groups(void)
{
    co_go(join_successful, NULL);
    ok(run_traced("done done done fine fine "), "all members are waited for");
    co_go(join_failing, NULL);
    ok(run_traced("done refuse cancelled cancelled refused "),
       "when one fails the rest is cancelled, and the reason is its own");
    co_go(join_nested, NULL);
    ok(run_traced("refuse cancelled inner refused "),
       "a group inside a group ends with it");
    co_go(join_with_deadline, NULL);
    ok(run_traced("cancelled late "), "who waits no longer takes all along");
}

// ---- Other threads

static pthread_t loop_thread;

struct work {
    int n;
    bool elsewhere;
};

static void square(void *arg)
{
    struct work *work = arg;
    const struct timespec a_little = {.tv_nsec = 20000000};
    nanosleep(&a_little, NULL);
    work->n *= work->n;
    work->elsewhere = !pthread_equal(pthread_self(), loop_thread);
}

static int sum, ticks;
static bool working;

static void offload_square(void *arg)
{
    struct work work = {.n = (int)(intptr_t)arg};
    if (co_offload(square, &work) == 0 && work.elsewhere)
        sum += work.n;
    working = sum < 1 + 4 + 9 + 16;
}

static void tick(void *arg)
{
    (void)arg;
    for (working = true; working; ticks++)
        co_sleep(1);
}

static void cancel_offload(void *arg)
{
    struct work work = {.n = 7};
    victim = co_self();
    append_result(co_offload(square, &work));
    append(work.n == 49 ? "worked " : "? ");
    append_result(co_sleep(LONG_MS));
    (void)arg;
}

static void test_offload(void)
{
    loop_thread = pthread_self();
    for (int i = 1; i <= 4; i++)
        co_go(offload_square, number(i));
    co_go(tick, NULL);
    ok(co_run() == 0 && sum == 30, "other threads do the work");
    ok(ticks >= 2, "and the others go on meanwhile (%d ticks)", ticks);

    co_go(cancel_offload, NULL);
    co_go(cancel_victim, NULL);
    ok(run_traced("cancel fine worked cancelled "),
       "work is waited for even when cancelled");
}

enum { WAKE_UPS = 2000 };

static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static struct co *to_wake;

static void *wake_from_thread(void *arg)
{
    for (int i = 0; i < WAKE_UPS; i++) {
        pthread_mutex_lock(&turn_lock);
        while (to_wake == NULL)
            pthread_cond_wait(&turn_changed, &turn_lock);
        struct co *c = to_wake;
        to_wake = NULL;
        pthread_mutex_unlock(&turn_lock);
        co_wake_async(c);
    }
    return arg;
}

static void be_woken(void *arg)
{
    int *count = arg;
    for (; *count < WAKE_UPS; (*count)++) {
        pthread_mutex_lock(&turn_lock);
        to_wake = co_self();
        pthread_cond_signal(&turn_changed);
        pthread_mutex_unlock(&turn_lock);
        co_park();
    }
}

static void wake_on_signal(int signo)
{
    (void)signo;
    co_wake_async(victim);
}

static void wait_for_signal(void *arg)
{
    (void)arg;
    victim = co_self();
    const struct sigaction action = {.sa_handler = wake_on_signal};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    append_result(co_park());
}

static void test_wake_async(void)
{
    int count = 0;
    pthread_t thread;
    if (pthread_create(&thread, NULL, wake_from_thread, NULL) != 0) {
        ok(false, "pthread_create");
        return;
    }
    co_go(be_woken, &count);
    ok(co_run() == 0 && count == WAKE_UPS, "%d wake-ups from another thread",
       WAKE_UPS);
    pthread_join(thread, NULL);

    co_go(wait_for_signal, NULL);
    ok(run_traced("fine "), "and one from a signal handler, ahead of the wait");
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
        slept += co_sleep(1 + (int)((intptr_t)arg * 37 % 50)) == 0;
}

// CPU time per coroutine, in ns.
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
    ok(many_ns < 20 * few_ns, "many cost little more each: %.0f and %.0f ns",
       few_ns, many_ns);
}

// ---- Stacks

static int dig(int depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    return depth == 0 ? 0 : dig(depth - 1) + frame[0];
}

static void *dig_down(void *arg)
{
    co_set_name("digger");
    co_yield(number(dig((int)(intptr_t)arg)));
    return NULL;
}

static void test_stack_use(void)
{
    ok(co_release_stacks() == 0, "stacks can be given back");
    struct co *c = co_new(dig_down, number(8));
    size_t before = co_stack_used(c);
    ok(co_release_stacks() == -1 && errno == EBUSY, "not while they are used");
    co_resume(c, NULL);
    size_t after = co_stack_used(c);
    ok(before < 4096 && after > 4096 && after < 12288,
       "how much of a stack was used: %zu, then %zu bytes", before, after);
    co_free(c);
    ok(co_release_stacks() == 0, "afterwards again");
}

#ifndef SANITIZED
// Runs `test` in a process of its own and reads what it prints on standard
// error. Returns its wait status.
static int in_child(void (*test)(void), char *said, size_t said_size)
{
    int status = 0, output[2];
    size_t len = 0;
    if (pipe(output) != 0)
        return -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        dup2(output[1], STDERR_FILENO);
        test();
        _exit(0);
    }
    close(output[1]);
    ssize_t got;
    while (len < said_size - 1 &&
           (got = read(output[0], said + len, said_size - 1 - len)) > 0)
        len += (size_t)got;
    said[len] = '\0';
    close(output[0]);
    waitpid(pid, &status, 0);
    return status;
}

static void overflow(void)
{
    co_resume(co_new(dig_down, number(1000)), NULL);
}

static void exhaust_mappings(void)
{
    int count = 0;
    while (count < 1000000 && co_new(dig_down, NULL) != NULL)
        count++;
    if (errno != ENOMEM || count < 1000 || count == 1000000)
        _exit(1);
}

static void check_overflow(const char *where)
{
    char said[256];
    int status = in_child(overflow, said, sizeof said);
    bool named = strstr(said, "coroutine digger: ran over the end of its stack "
                              "of 12 KiB") != NULL;
    if (!named)
        printf("# said: %s\n", said);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && named,
       "who runs over which stack is told, then it ends: %s", where);
}

static void test_guards(void)
{
    char said[256];
    check_overflow("guard markers");
    old_kernel = true;
    check_overflow("pages without access");
    ok(in_child(exhaust_mappings, said, sizeof said) == 0,
       "as many stacks as there may be mappings, then ENOMEM");
    ok(strstr(said, "vm.max_map_count") != NULL &&
           strchr(said, '\n') == strrchr(said, '\n'),
       "and one line that says which limit that is");
    old_kernel = false;
}
#endif

int main(void)
{
    alarm(100);  // Whoever forgets to wake a coroutine fails here.
#ifndef SANITIZED
    test_guards();  // First: what the kernel can do is asked once only.
#endif
    test_delegation();
    test_cancellation();
    test_deadlines();
    test_groups();
    test_offload();
    test_wake_async();
    test_many();
    test_stack_use();
    return done_testing();
}

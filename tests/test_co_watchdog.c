// test_co_watchdog.c - tests the watchdog, which reports a coroutine that runs
// too long.
//
// The clock is virtual, so the result does not depend on the machine: the
// linker's --wrap option replaces clock_gettime() by a function below. The
// watchdog reads the clock at each check, and the function counts these
// readings. So a test can wait until the watchdog has checked a number of
// times.

#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include "co_test.h"

enum {
    NS_PER_MS = 1000000,
    NS_PER_S = 1000000000,
    LIMIT_MS = 20,
    SHORT_MS = 18,
    PATIENCE_MS = 30000,
    STACK_SIZE = 128 * 1024,  // Sanitizers may run a signal handler on it.
};

static pthread_t loop_thread;
static _Atomic int64_t now_ns = NS_PER_S;
static atomic_int checks;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    int64_t ns = atomic_load(&now_ns);
    *now = (struct timespec){ns / NS_PER_S, ns % NS_PER_S};
    if (!pthread_equal(pthread_self(), loop_thread))
        atomic_fetch_add(&checks, 1);
    return 0;
}

static void advance(int ms)
{
    atomic_fetch_add(&now_ns, (int64_t)ms * NS_PER_MS);
}

// ---- What the watchdog prints

static int output = -1;  // the reading end of our standard error
static char said[4096];

// Redirects standard error to a pipe.
static void open_output(void)
{
    int ends_of_pipe[2];
    if (pipe(ends_of_pipe) != 0)
        ok(false, "pipe: %s", strerror(errno));
    output = ends_of_pipe[0];
    dup2(ends_of_pipe[1], STDERR_FILENO);
    close(ends_of_pipe[1]);
}

// Waits until the watchdog has printed a report, and moves it to `said`. The
// watchdog's signal interrupts poll(), so it tries several times.
static void await_report(void)
{
    struct pollfd report = {.fd = output, .events = POLLIN};
    int ready = 0, tries = 0;
    while (ready <= 0 && tries++ < 10)
        ready = poll(&report, 1, PATIENCE_MS);
    ssize_t n = ready > 0 ? read(output, said, sizeof said - 1) : 0;
    said[n > 0 ? n : 0] = '\0';
}

static bool is_silent(void)
{
    struct pollfd report = {.fd = output, .events = POLLIN};
    return poll(&report, 1, 0) == 0;
}

static bool names_coroutine(const char *name)
{
    char begin[128];
    snprintf(begin, sizeof begin, "coroutine %s: ", name);
    bool named = strncmp(said, begin, strlen(begin)) == 0;
    if (!named)
        printf("# said: %s\n", said);
    return named;
}

// Waits until the watchdog has checked three more times. By then it has noticed
// what happened before the call. Does not reschedule the calling coroutine.
static void await_checks(void)
{
    int seen = atomic_load(&checks), tries = 0;
    while (atomic_load(&checks) < seen + 3 && tries++ < PATIENCE_MS)
        nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
}

// ---- Coroutines that keep their turn

static void keep_turn(int ms)
{
    await_checks();
    advance(ms);
    await_checks();
}

static void take_short_turns(void *arg)
{
    co_set_name(arg);
    for (int i = 0; i < 3; i++) {
        keep_turn(SHORT_MS);
        co_reschedule();
    }
}

static void take_long_turn(void *arg)
{
    co_set_name(arg);
    keep_turn(LIMIT_MS);
    await_report();
}

static void test_long_turns(void)
{
    ok(co_set_watchdog(LIMIT_MS) == 0, "a thread can have a watchdog");
    go(take_short_turns, "short");
    go(take_short_turns, "too");
    ok(co_run() == 0 && is_silent(),
       "the watchdog does not report short turns");
    go(take_long_turn, "long");
    co_run();
    ok(names_coroutine("long"),
       "the watchdog names the coroutine that keeps its turn");
}

static void stay_after_report(void *arg)
{
    take_long_turn(arg);
    keep_turn(10 * LIMIT_MS);
}

static void test_once_per_turn(void)
{
    go(stay_after_report, "first");
    co_run();
    bool first = names_coroutine("first");
    go(take_long_turn, "second");
    co_run();
    ok(first && names_coroutine("second"),
       "the watchdog reports each long turn once");
}

static void *keep_turn_inside(void *arg)
{
    take_long_turn(arg);
    return NULL;
}

static void resume_inner(void *arg)
{
    co_set_name(arg);
    struct co *c = co_new(keep_turn_inside, (void *)(uintptr_t) "inner");
    co_resume(c, NULL);
    co_free(c);
}

static void test_generator(void)
{
    go(resume_inner, "outer");
    co_run();
    ok(names_coroutine("inner"),
       "the watchdog names the coroutine that was resumed, not its resumer");
}

// Wakes the coroutine `c` after the watchdog has checked the sleeping loop.
static void *wake_after_checks(void *c)
{
    keep_turn(10 * LIMIT_MS);
    co_wake_async(c);
    return NULL;
}

static void park(void *arg)
{
    pthread_t waker;
    (void)arg;
    pthread_create(&waker, NULL, wake_after_checks, co_self());
    co_park();
    pthread_join(waker, NULL);
}

static void test_idle(void)
{
    go(park, "");
    co_run();
    go(take_long_turn, "later");
    co_run();
    ok(names_coroutine("later"),
       "the watchdog does not report a loop that sleeps");
}

// ---- The place in the source that a report names

static uintptr_t call_address;

// Computes until the watchdog has printed a report. Saves its own return
// address.
__attribute__((noinline)) static void compute(void)
{
    call_address = (uintptr_t)__builtin_return_address(0);
    await_checks();
    advance(LIMIT_MS);
    int calls = 0;
    while (is_silent() && calls++ < 100000)
        for (volatile int i = 0; i < 100000; i++)
            ;
    await_report();
}

static void compute_long(void *arg)
{
    co_set_name(arg);
    compute();
    append("back ");
}

static int program_is_at(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    *(uintptr_t *)arg = info->dlpi_addr;
    return 1;  // The program itself comes first.
}

static void test_where(void)
{
    uintptr_t base = 0;
    char address[32];
    dl_iterate_phdr(program_is_at, &base);
    go(compute_long, "computing");
    co_run();
    snprintf(address, sizeof address, " %#zx", call_address - 1 - base);
    bool right = traced("back ") && names_coroutine("computing");
#ifdef __GLIBC__
    right = right && strstr(said, "addr2line -fpie '/") != NULL &&
            strstr(said, address) != NULL;
#endif
    if (!right)
        printf("# expected %s in: %s\n", address, said);
    ok(right,
       "the watchdog prints the address from which the function was called");
}

// ---- Standard error that no process reads

static void fill_output(void)
{
    static char bytes[1 << 16];
    struct pollfd full = {.fd = STDERR_FILENO, .events = POLLOUT};
    while (poll(&full, 1, 0) > 0)
        if (write(STDERR_FILENO, bytes, 4096) < 0)
            break;
}

static void keep_turn_twice(void *arg)
{
    (void)arg;
    keep_turn(LIMIT_MS);
    keep_turn(LIMIT_MS);
}

static void test_full_output(void)
{
    fill_output();
    int before = atomic_load(&checks);
    go(keep_turn_twice, "");
    go(keep_turn_twice, "");
    co_run();
    ok(atomic_load(&checks) - before >= 12,
       "the watchdog continues even if its reports are not read");
    while (!is_silent())
        await_report();
}

// ---- The end of a watchdog

static int thread_count(void)
{
    struct stat tasks;  // Links: one per thread, "." and "..".
    return stat("/proc/self/task", &tasks) == 0 ? (int)tasks.st_nlink - 2 : -1;
}

// Waits until this process has `count` threads; returns whether it has. The
// kernel may list a thread for a moment after pthread_join() has returned.
static bool threads_become(int count)
{
    for (int i = 0; i < PATIENCE_MS && thread_count() != count; i++)
        nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
    return thread_count() == count;
}

static void *be_watched(void *count)
{
    if (co_set_watchdog(LIMIT_MS) == 0)
        *(int *)count = thread_count();
    return NULL;
}

static void test_end(void)
{
    pthread_t watched;
    int with_one = thread_count(), inside = 0;
    ok(co_set_watchdog(2 * LIMIT_MS) == 0 && threads_become(with_one),
       "a new limit replaces the watchdog");
    pthread_create(&watched, NULL, be_watched, &inside);
    pthread_join(watched, NULL);
    ok(inside == with_one + 2 && threads_become(with_one),
       "the watchdog of another thread ends with that thread");
    ok(co_set_watchdog(-1) == 0 && threads_become(with_one - 1),
       "-1 ends a watchdog");
    ok(co_set_watchdog(0) == -1 && errno == EINVAL, "a limit of 0 is refused");
}

int main(void)
{
    alarm(TAP_HANG_S);
    loop_thread = pthread_self();
    co_set_stack_size(STACK_SIZE);
    open_output();
    test_long_turns();
    test_once_per_turn();
    test_generator();
    test_idle();
    test_where();
    test_full_output();
    test_end();
    return done_testing();
}

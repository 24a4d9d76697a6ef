// test_co.c - tests coroutines without a scheduler: values, delegation, stacks.
//
// The linker's --wrap option replaces madvise() by the function below, to test
// kernels without guard markers.

#include <alloca.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "co_test.h"

#ifdef SANITIZED
enum { MANY = 500, THREADS = 50 };  // The sanitizers are slow.
#else
enum { MANY = 20000, THREADS = 2000 };
#endif

enum { GUARD_INSTALL = 102 };

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

// ---- Resume and yield

static void *count_to(void *arg)
{
    for (intptr_t i = 1; i <= value_of(arg); i++)
        co_yield_value(number(i));
    return number(-1);
}

static void *add_up(void *arg)
{
    intptr_t sum = value_of(arg);
    for (;;)
        sum += value_of(co_yield_value(number(sum)));
    return NULL;
}

static void *walk(void *arg)
{
    intptr_t depth = value_of(arg);
    if (depth > 0) {
        struct co *inner = co_new(walk, number(depth - 1));
        while (!co_done(inner)) {
            void *value = co_resume(inner, NULL);
            if (!co_done(inner))
                co_yield_value(value);
        }
        co_free(inner);
    }
    co_yield_value(number(depth));
    return NULL;
}

static void *use_floats(void *arg)
{
    volatile double sum = 0;
    for (int i = 1; i <= 4; i++) {
        sum += 1.0 / i;
        co_yield_value(NULL);
    }
    *(double *)arg = sum;
    return NULL;
}

static void test_values(void)
{
    ok(co_yield_value(NULL) == NULL && errno == EPERM,
       "to yield fails before there is a coroutine");
    struct co *c = co_new(count_to, number(3));
    bool right = true;
    for (intptr_t i = 1; i <= 3; i++)
        right = right && value_of(co_resume(c, NULL)) == i && !co_done(c);
    ok(right, "a generator yields 1, 2, 3");
    ok(value_of(co_resume(c, NULL)) == -1 && co_done(c),
       "a generator that has returned is done");
    co_free(c);

    c = co_new(add_up, number(10));
    ok(value_of(co_resume(c, number(99))) == 10,
       "the value of the first resume is discarded");
    ok(value_of(co_resume(c, number(1))) == 11 &&
           value_of(co_resume(c, number(5))) == 16,
       "co_yield_value() returns the value of the next resume");
    co_free(c);
    ok(co_self() == NULL, "the thread's own stack is no coroutine");
    ok(co_yield_value(NULL) == NULL && errno == EPERM,
       "the thread's own stack cannot yield");
}

static void test_nesting(void)
{
    struct co *c = co_new(walk, number(5));
    bool right = true;
    for (intptr_t i = 0; i <= 5; i++)
        right = right && value_of(co_resume(c, NULL)) == i;
    co_resume(c, NULL);
    ok(right && co_done(c), "coroutines resume coroutines, six deep");
    co_free(c);

    double one = 0, two = 0;
    struct co *a = co_new(use_floats, &one), *b = co_new(use_floats, &two);
    while (!co_done(a) && !co_done(b)) {
        co_resume(a, NULL);
        co_resume(b, NULL);
    }
    ok(one == two && one > 2.08 && one < 2.09,
       "floating-point values survive a switch");
    co_free(a);
    co_free(b);
}

// ---- Delegation

static void *inner(void *arg)
{
    intptr_t sum = value_of(arg);
    for (int i = 0; i < 2; i++)
        sum += value_of(co_yield_value(number(sum)));
    return number(sum);
}

static void *outer(void *arg)
{
    struct co *c = co_new(inner, arg);
    void *result = co_delegate(c);
    co_free(c);
    co_yield_value(number(-value_of(result)));
    return NULL;
}

static void test_delegation(void)
{
    struct co *c = co_new(outer, number(10));
    ok(co_resume(c, NULL) == number(10) &&
           co_resume(c, number(1)) == number(11),
       "co_delegate() passes values out and in");
    ok(co_resume(c, number(5)) == number(-16) && !co_done(c),
       "co_delegate() returns what the inner coroutine returned");
    co_resume(c, NULL);
    ok(co_done(c), "after co_delegate(), the outer coroutine continues");
    co_free(c);
}

// ---- Stacks

static void *stay(void *arg)
{
    *(uintptr_t *)arg = (uintptr_t)__builtin_frame_address(0);
    co_yield_value(NULL);
    return NULL;
}

static void test_stacks(void)
{
    static struct co *all[MANY];
    uintptr_t where = 0, previous = 0;
    size_t close_ones = 0;

    for (int i = 0; i < MANY; i++) {
        all[i] = co_new(stay, &where);
        co_resume(all[i], NULL);
        close_ones += where - previous < 8192;
        previous = where;
    }
    ok(close_ones == 0, "%d suspended coroutines have separate stacks", MANY);
    for (int i = 0; i < MANY; i++)
        co_free(all[i]);

    struct co *c = co_new(stay, &where);
    co_resume(c, NULL);
    ok(where >> 14 == previous >> 14,
       "the stack given back last is taken first");
    co_free(c);
}

static int dig(int depth)
{
    volatile char frame[512];
    __asm__ volatile("" : : "r"(frame) : "memory");  // Keeps the whole frame.
    frame[0] = 1;
    int below = depth == 0 ? 0 : dig(depth - 1);
    return below + frame[0];
}

static void *dig_down(void *arg)
{
    co_set_name("digger");
    co_yield_value(number(dig((int)value_of(arg))));
    return NULL;
}

static void test_stack_use(void)
{
    ok(co_release_stacks() == 0, "stacks can be released");
    struct co *c = co_new(dig_down, number(8));
    size_t before = co_stack_used(c);
    ok(co_release_stacks() == -1 && errno == EBUSY,
       "stacks cannot be released while a coroutine exists");
    co_resume(c, NULL);
    size_t after = co_stack_used(c);
    ok(before < 4096 && after > 4096 && after < 12288,
       "how much of a stack was used: %zu, then %zu bytes", before, after);
    co_free(c);
    ok(co_release_stacks() == 0,
       "stacks can be released after the last coroutine");

    co_set_stack_size((size_t)4 * CO_STACK_KIB * 1024);
    c = co_new(dig_down, number(40));
    co_resume(c, NULL);
    ok(co_stack_used(c) > (size_t)CO_STACK_KIB * 1024,
       "after the release, the size of stacks can be set again");
    co_free(c);
    co_release_stacks();
    co_set_stack_size((size_t)CO_STACK_KIB * 1024);
}

// ---- Threads that use coroutines, and end

static void sleep_shortly(void *arg)
{
    (void)arg;
    co_sleep(1);
}

static void *use_coroutines(void *arg)
{
    struct co *generator = co_new(count_to, number(3));
    bool *right = arg;
    *right = generator != NULL && value_of(co_resume(generator, NULL)) == 1 &&
             co_free(generator) == 0 && co_go(sleep_shortly, NULL) == 0 &&
             co_run() == 0;
    return NULL;
}

// Returns the size of this process's address space, in KiB.
static long address_space_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld", &pages) != 1)
        ok(false, "/proc/self/statm");
    if (file != NULL)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

// Runs `count` threads, one after the other. Returns in how many of them all
// calls succeeded.
static int run_threads(int count)
{
    int right_count = 0;
    for (int i = 0; i < count; i++) {
        bool right = false;
        pthread_t thread;
        if (pthread_create(&thread, NULL, use_coroutines, &right) == 0)
            pthread_join(thread, NULL);
        right_count += right;
    }
    return right_count;
}

static void test_threads(void)
{
    int right = run_threads(THREADS);  // Fills caches of the C library.
    long before_kib = address_space_kib();
    right += run_threads(THREADS);
    long grown_kib = address_space_kib() - before_kib;
    ok(right == 2 * THREADS, "%d threads run coroutines", 2 * THREADS);
#ifdef SANITIZED
    (void)grown_kib;  // The sanitizers keep data of ended threads.
#else
    // Anything that a thread leaves takes at least a page of 4 KiB.
    ok(grown_kib < 4L * THREADS,
       "threads leave no memory: %ld KiB after %d threads", grown_kib, THREADS);
#endif
}

#ifndef SANITIZED
// ---- Limits

static void *use_frame(void *arg)
{
    co_set_name("large");
    volatile char *frame = alloca((size_t)value_of(arg));
    frame[0] = 1;  // The lowest byte: in a large frame, beyond the guard page.
    return number(frame[0]);
}

static int frame_kib;

static void use_large_frame(void)
{
    struct co *neighbours[8];
    for (int i = 0; i < 8; i++)
        neighbours[i] = co_new(use_frame, number(1));
    co_resume(co_new(use_frame, number((intptr_t)frame_kib * 1024)), NULL);
    for (int i = 0; i < 8; i++)
        co_resume(neighbours[i], NULL);
}

static void test_large_frames(void)
{
    char said[256];
    int caught = 0, count = 0;
    for (frame_kib = 4; frame_kib <= 256; frame_kib *= 2) {
        int status = in_child(use_large_frame, said, sizeof said);
        bool fits = frame_kib < 12;  // The stack has 12 KiB and a guard page.
        bool named = strstr(said, "coroutine large: ran over") != NULL;
        caught += fits ? status == 0 : WIFSIGNALED(status) && named;
        count++;
    }
    ok(caught == count, "frames of 4 to 256 KiB fit, or are caught (%d of %d)",
       caught, count);
}

static void overflow(void)
{
    co_resume(co_new(dig_down, number(1000)), NULL);
}

static void exhaust_memory(void)
{
    const struct rlimit little = {1 << 28, 1 << 28};
    setrlimit(RLIMIT_AS, &little);
    int count = 0;
    while (co_new(stay, NULL) != NULL && count < 1000000)
        count++;
    if (errno != ENOMEM || count < 100 || count == 1000000)
        _exit(1);
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
       "an overflow names the coroutine, and ends the process: %s", where);
}

static void test_limits(void)
{
    char said[256];
    check_overflow("guard markers");
    old_kernel = true;
    check_overflow("pages without access");
    ok(in_child(exhaust_mappings, said, sizeof said) == 0,
       "at the limit on mappings, co_new() fails with ENOMEM");
    ok(strstr(said, "vm.max_map_count") != NULL &&
           strchr(said, '\n') == strrchr(said, '\n'),
       "at the limit on mappings, one line names the limit");
    old_kernel = false;
    ok(in_child(exhaust_memory, said, sizeof said) == 0,
       "out of memory, co_new() fails with ENOMEM");
}
#endif

int main(void)
{
    alarm(TAP_HANG_S);
#ifndef SANITIZED
    test_limits();  // First: the runtime tests the kernel once.
    test_large_frames();
#endif
    test_values();
    test_nesting();
    test_delegation();
    test_stacks();
    test_stack_use();
    test_threads();
    return done_testing();
}

// test_co.c - the coroutine runtime, layer by layer.

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../servers/coro/co.h"
#include "pair.h"
#include "tap.h"

#ifdef SANITIZED
enum { MANY = 500 };  // The sanitizers have a limit, and take their time.
#else
enum { MANY = 20000 };
#endif

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *number(intptr_t value)
{
    return (void *)value;
}

static intptr_t value_of(void *pointer)
{
    return (intptr_t)pointer;
}

// ---- Resume and yield

static void *count_to(void *arg)
{
    for (intptr_t i = 1; i <= value_of(arg); i++)
        co_yield(number(i));
    return number(-1);
}

static void *add_up(void *arg)
{
    intptr_t sum = value_of(arg);
    for (;;)
        sum += value_of(co_yield(number(sum)));
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
                co_yield(value);
        }
        co_free(inner);
    }
    co_yield(number(depth));
    return NULL;
}

static void *use_floats(void *arg)
{
    volatile double sum = 0;
    for (int i = 1; i <= 4; i++) {
        sum += 1.0 / i;
        co_yield(NULL);
    }
    *(double *)arg = sum;
    return NULL;
}

static void test_values(void)
{
    struct co *c = co_new(count_to, number(3));
    bool right = true;
    for (intptr_t i = 1; i <= 3; i++)
        right = right && value_of(co_resume(c, NULL)) == i && !co_done(c);
    ok(right, "a generator yields 1, 2, 3");
    ok(value_of(co_resume(c, NULL)) == -1 && co_done(c), "then it is done");
    co_free(c);

    c = co_new(add_up, number(10));
    ok(value_of(co_resume(c, number(99))) == 10,
       "the first value goes nowhere");
    ok(value_of(co_resume(c, number(1))) == 11 &&
           value_of(co_resume(c, number(5))) == 16,
       "later ones come out of co_yield()");
    co_free(c);
    ok(co_self() == NULL, "outside nobody is running");

    c = co_new(walk, number(5));
    right = true;
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
    ok(one == two && one > 2.08 && one < 2.09, "floating point survives");
    co_free(a);
    co_free(b);
}

static void *stay(void *arg)
{
    // The address of something on our stack.
    char here;
    *(uintptr_t *)arg = (uintptr_t)&here;
    co_yield(NULL);
    return NULL;
}

static void test_stacks(void)
{
    static struct co *all[MANY];
    uintptr_t where = 0, before = 0;
    size_t close_ones = 0;

    for (int i = 0; i < MANY; i++) {
        all[i] = co_new(stay, &where);
        co_resume(all[i], NULL);
        close_ones += where - before < 8192;
        before = where;
    }
    ok(close_ones == 0, "%d paused coroutines, each on its own stack", MANY);
    for (int i = 0; i < MANY; i++)
        co_free(all[i]);

    struct co *c = co_new(stay, &where);
    co_resume(c, NULL);
    ok(where >> 14 == before >> 14, "the stack given back last is taken first");
    co_free(c);
}

static volatile int sink;

static int dig(int depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    return depth == 0 ? 0 : dig(depth - 1) + frame[0];
}

static void *overflow(void *arg)
{
    sink = dig((int)value_of(arg));
    return NULL;
}

// Runs `test` in a process of its own. Returns its wait status.
static int in_child(void (*test)(void))
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        test();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void overflow_one(void)
{
    // What a sanitizer would print does not belong here.
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    struct co *neighbour = co_new(overflow, number(0));
    struct co *c = co_new(overflow, number(1000));
    co_resume(c, NULL);
    co_resume(neighbour, NULL);
}

#ifndef SANITIZED
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
#endif

static void test_limits(void)
{
    int status = in_child(overflow_one);
    ok(status != 0, "running over the end of a stack ends the process");
#ifndef SANITIZED
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "by abort()");
    ok(in_child(exhaust_memory) == 0, "out of memory, co_new() says so");
#endif
}

// ---- The scheduler

// co_go() with a name, which the coroutine does not change.
static void go(void (*fn)(void *arg), const char *name)
{
    co_go(fn, (void *)(uintptr_t)name);
}

static char trace[256];

static void append(const char *text)
{
    strncat(trace, text, sizeof trace - strlen(trace) - 1);
}

static bool traced(const char *want)
{
    bool same = strcmp(trace, want) == 0;
    if (!same)
        printf("# got \"%s\", want \"%s\"\n", trace, want);
    trace[0] = '\0';
    return same;
}

static void three_turns(void *arg)
{
    for (int i = 0; i < 3; i++) {
        append(arg);
        co_pause();
    }
}

static void sleep_then_append(void *arg)
{
    const char *text = arg;
    co_sleep((text[0] - 'a') * 20);
    append(text);
}

static struct co *parked;

static void park_then_append(void *arg)
{
    parked = co_self();
    co_park();
    append(arg);
}

static void wake_the_other(void *arg)
{
    co_wake(parked);
    co_wake(parked);
    append(arg);
}

static void *sleep_in_generator(void *arg)
{
    (void)arg;
    co_sleep(1);
    append("inner ");
    co_yield(NULL);
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

static void sleep_a_little(void *arg)
{
    co_sleep(1 + (int)(value_of(arg) * 37 % 50));
    sink++;
}

static void test_scheduler(void)
{
    ok(co_run() == 0, "with nothing to do it ends at once");
    go(three_turns, "a");
    go(three_turns, "b");
    go(three_turns, "c");
    ok(co_run() == 0 && traced("abcabcabc"), "round-robin");

    go(sleep_then_append, "d");
    go(sleep_then_append, "b");
    go(sleep_then_append, "a");
    go(sleep_then_append, "c");
    int64_t begin_ms = now_ms();
    ok(co_run() == 0 && traced("abcd"), "sleepers wake in the order of time");
    ok(now_ms() - begin_ms >= 60, "not too early");

    go(park_then_append, "parked ");
    go(wake_the_other, "waker ");
    ok(co_run() == 0 && traced("waker parked "), "park and wake");

    co_go(resume_a_sleeper, NULL);
    ok(co_run() == 0 && traced("inner outer inner outer "),
       "a coroutine that another one resumed may wait");

    sink = 0;
    for (intptr_t i = 0; i < MANY; i++)
        co_go(sleep_a_little, number(i));
    ok(co_run() == 0 && sink == MANY, "%d sleepers all wake", MANY);
}

static struct co_sem sem = {.count = 2};

static void hold_sem(void *arg)
{
    co_sem_wait(&sem);
    append(arg);
    co_sleep(2);
    co_sem_post(&sem);
}

static void test_semaphore(void)
{
    go(hold_sem, "a");
    go(hold_sem, "b");
    go(hold_sem, "c");
    go(hold_sem, "d");
    ok(co_run() == 0 && traced("abcd") && sem.count == 2,
       "a semaphore lets two in at a time, in order");
}

// ---- Descriptors

enum { BIG = 1 << 20 };

static void send_big(void *arg)
{
    (void)arg;
    static char data[BIG];
    size_t sent = 0;
    for (int i = 0; i < BIG; i++)
        data[i] = (char)(i * 7 % 251);
    while (sent < BIG) {
        ssize_t put = co_send(ends[0], data + sent, BIG - sent);
        if (put < 0)
            return;
        sent += (size_t)put;
    }
    shutdown(ends[0], SHUT_WR);
}

static void receive_big(void *arg)
{
    static char data[BIG + 1];
    size_t len = 0;
    ssize_t got;
    while ((got = co_recv(ends[1], data + len, sizeof data - len)) > 0)
        len += (size_t)got;
    bool *right = arg;
    *right = got == 0 && len == BIG;
    for (int i = 0; i < BIG; i++)
        *right = *right && data[i] == (char)(i * 7 % 251);
}

static void receive_limited(void *arg)
{
    char byte;
    co_limit_waits(20);
    ssize_t got = co_recv(ends[1], &byte, 1);
    append(got == 1 ? "in time " : errno == ETIMEDOUT ? "timeout " : "? ");
    co_limit_waits(0);
    *(ssize_t *)arg = co_recv(ends[1], &byte, 1);
}

static void send_late(void *arg)
{
    co_sleep((int)value_of(arg));
    co_send(ends[0], "x", 1);
}

static void receive_too(void *arg)
{
    (void)arg;
    char byte;
    if (co_recv(ends[1], &byte, 1) == -1 && errno == EBUSY)
        append("busy ");
}

static void hold_the_loop(void *arg)
{
    // A client that always has something to say, and an answer taken at once.
    char bytes[64];
    int *turns = arg;
    for (int i = 0; i < 500; i++) {
        co_send(ends[0], "request", 7);
        co_recv(ends[1], bytes, sizeof bytes);
        (*turns)++;
    }
}

static void watch_the_loop(void *arg)
{
    int *turns = arg;
    for (int i = 0; i < 5; i++)
        co_pause();
    sink = *turns;
}

static void burn_ms(int ms)
{
    int64_t end_ms = now_ms() + ms;
    while (now_ms() < end_ms)
        ;
}

static void compute_between_calls(void *arg)
{
    char byte;
    int *calls = arg;
    for (; *calls < 4 * CO_BUDGET; (*calls)++) {
        co_send(ends[0], "x", 1);
        co_recv(ends[1], &byte, 1);
        burn_ms(2);
    }
}

static void count_turns(void *arg)
{
    const int *calls = arg;
    for (sink = 0; *calls < 4 * CO_BUDGET; sink++)
        co_pause();
}

static void poll_then_append(void *arg)
{
    if (co_poll(ends[1], EPOLLIN) == 0)
        append(arg);
}

static void send_then_pause(void *arg)
{
    co_send(ends[0], "x", 1);
    co_pause();
    append(arg);
}

static void send_and_burn(void *arg)
{
    (void)arg;
    co_send(ends[0], "x", 1);
    burn_ms(30);  // Until the limit of receive_limited() is long over.
}

static void test_waiting(void)
{
    bool right = false;
    make_pair();
    co_go(receive_big, &right);
    co_go(send_big, NULL);
    ok(co_run() == 0 && right, "a megabyte through a small buffer, both ways");
    close_pair();

    ssize_t got = 0;
    make_pair();
    co_go(receive_limited, &got);
    co_go(send_late, number(40));
    ok(co_run() == 0 && traced("timeout ") && got == 1,
       "a wait ends with its limit, and works afterwards");
    co_go(receive_limited, &got);
    co_go(receive_too, NULL);
    co_go(send_late, number(40));
    ok(co_run() == 0 && traced("busy timeout "),
       "two readers of one descriptor: the second is refused");
    co_go(receive_limited, &got);
    co_go(send_and_burn, NULL);
    co_go(send_late, number(1));
    ok(co_run() == 0 && traced("in time ") && got == 1,
       "what came in time counts, though the limit is over when it is noticed");
    go(poll_then_append, "readable ");
    co_go(send_late, number(5));
    ok(co_run() == 0 && traced("readable "), "waiting without reading");
    close_pair();

    char byte;
    ok(co_recv(-1, &byte, 1) == -1 && errno == EBADF, "a bad descriptor is -1");
}

static void test_fairness(void)
{
    int turns = 0;
    make_pair();
    co_go(hold_the_loop, &turns);
    co_go(watch_the_loop, &turns);
    ok(co_run() == 0 && turns == 500 && sink <= 6 * CO_BUDGET,
       "who never has to wait does not hold the others up");
    close_pair();

    int calls = 0;
    make_pair();
    co_go(compute_between_calls, &calls);
    co_go(count_turns, &calls);
    ok(co_run() == 0 && sink >= CO_BUDGET,
       "even less if it computes meanwhile: %d turns of others", sink);
    close_pair();

    make_pair();
    go(poll_then_append, "event ");
    go(send_then_pause, "paused ");
    ok(co_run() == 0 && traced("event paused "),
       "who pauses comes after those whose event has happened");
    close_pair();
}

// The number of a closed descriptor is used again while an event for the old
// one may still be on its way.
static void reuse_number(void *arg)
{
    bool *right = arg;
    char byte;
    *right = true;
    for (int i = 0; i < 100; i++) {
        make_pair();
        co_go(send_late, number(1));
        *right = *right && co_recv(ends[1], &byte, 1) == 1;
        close_pair();
    }
}

static void end_of_input(void *arg)
{
    bool *right = arg;
    char bytes[16];
    // Registered, then a short read that the end comes right behind.
    static const ssize_t wanted[] = {1, 2, 0, 0};
    *right = true;
    for (int i = 0; i < 4; i++)
        *right = co_recv(ends[1], bytes, sizeof bytes) == wanted[i] && *right;
}

static void send_and_end(void *arg)
{
    (void)arg;
    co_sleep(5);
    co_send(ends[0], "x", 1);
    co_sleep(5);
    co_send(ends[0], "yz", 2);
    shutdown(ends[0], SHUT_WR);
}

static void make_tcp_pair(void)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof to;
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&to, len) != 0 ||
        listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&to, &len) != 0 ||
        connect(ends[0], (struct sockaddr *)&to, len) != 0)
        ok(false, "a TCP connection: %s", strerror(errno));
    ends[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    close(listener);
}

// Urgent data makes a recv() end early, with more behind it.
static void send_urgent(void *arg)
{
    (void)arg;
    co_sleep(5);
    send(ends[0], "abc", 3, 0);
    send(ends[0], "!", 1, MSG_OOB);
    send(ends[0], "def", 3, 0);
}

static void receive_six(void *arg)
{
    bool *right = arg;
    char bytes[16];
    size_t len = 0;
    co_limit_waits(5000);
    for (ssize_t got = 0; len < 6 && got >= 0; len += got > 0 ? (size_t)got : 0)
        got = co_recv(ends[1], bytes + len, sizeof bytes - len);
    *right = len == 6 && memcmp(bytes, "abcdef", 6) == 0;
}

static void test_edges(void)
{
    bool right = false;
    co_go(reuse_number, &right);
    ok(co_run() == 0 && right, "descriptor numbers are used again");

    make_pair();
    co_go(end_of_input, &right);
    co_go(send_and_end, NULL);
    ok(co_run() == 0 && right, "the end of the input is not missed");
    close_pair();

    make_tcp_pair();
    co_go(receive_six, &right);
    co_go(send_urgent, NULL);
    ok(co_run() == 0 && right, "nor what comes behind urgent data");
    close_pair();
}

int main(void)
{
    signal(SIGALRM, SIG_DFL);
    alarm(60);  // Whoever forgets to wake a coroutine fails here.
    test_values();
    test_stacks();
    test_limits();
    test_scheduler();
    test_semaphore();
    test_waiting();
    test_fairness();
    test_edges();
    return done_testing();
}

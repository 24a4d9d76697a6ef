// co_test.h - helpers for the tests of the coroutine runtime.

#ifndef CO_TEST_H
#define CO_TEST_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../servers/coro/co.h"
#include "tap.h"

// ---- Numbers as values

static inline void *number(intptr_t value)
{
    return (void *)value;
}

static inline intptr_t value_of(void *pointer)
{
    return (intptr_t)pointer;
}

// ---- A trace of what happened, in order

static char trace[256];

static inline void append(const char *text)
{
    strncat(trace, text, sizeof trace - strlen(trace) - 1);
}

static inline void append_result(int result)
{
    append(result == 0             ? "fine "
           : errno == ECANCELED    ? "cancelled "
           : errno == ETIMEDOUT    ? "late "
           : errno == EBADF        ? "closed "
           : errno == EBUSY        ? "busy "
           : errno == ECONNREFUSED ? "refused "
           : errno == EDEADLK      ? "deadlock "
                                   : "? ");
}

static inline bool traced(const char *expected)
{
    bool same = strcmp(trace, expected) == 0;
    if (!same)
        printf("# traced \"%s\", expected \"%s\"\n", trace, expected);
    trace[0] = '\0';
    return same;
}

// Runs all coroutines. Returns whether co_run() succeeded and the trace is then
// exactly `expected`. Empties the trace.
static inline bool run_traced(const char *expected)
{
    bool same = traced("") && co_run() == 0;
    return traced(expected) && same;
}

// ---- Coroutines

// Starts a coroutine with co_go() and passes it a name, which it must not
// change.
static inline void go(void (*fn)(void *arg), const char *name)
{
    if (co_go(fn, (void *)(uintptr_t)name) != 0)
        ok(false, "co_go: %s", strerror(errno));
}

// Reschedules the calling coroutine until `c` is in `state`.
static inline void until(const struct co *c, enum co_state state)
{
    while (co_state_of(c) != state)
        co_reschedule();
}

// ---- Two connected sockets

static int ends[2];

// Opens two connected, non-blocking sockets. Records a failed check if it
// cannot.
static inline void make_pair_of(int type)
{
    if (socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, ends) != 0)
        ok(false, "socketpair: %s", strerror(errno));
}

static inline void make_pair(void)
{
    make_pair_of(SOCK_STREAM);
}

static inline void close_pair(void)
{
    co_close(ends[0]);
    co_close(ends[1]);
}

// ---- Other processes

// Runs `test` in a child process and reads what it prints on standard error
// into `said`. Returns the wait status of the child.
static inline int in_child(void (*test)(void), char *said, size_t said_size)
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
    ssize_t n = 1;
    while (len < said_size - 1 && n > 0) {
        n = read(output[0], said + len, said_size - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    said[len] = '\0';
    close(output[0]);
    waitpid(pid, &status, 0);
    return status;
}

#endif

// report.c - what a server says: ready, in trouble, done.

#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "net.h"

// In memory that fork() shares instead of copying: what a child counts in a
// variable dies with the child.
struct totals {
    _Atomic uint64_t connections;
    _Atomic uint64_t requests;
    _Atomic uint64_t errors;
};

static const struct options *options;
static struct totals *totals;

int report_open(const struct options *opt)
{
    options = opt;
    totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return totals == MAP_FAILED ? -1 : 0;
}

int report_ready(int port)
{
    printf("%s: listening on %s:%d\n", options->model, options->host, port);
    return fflush(stdout);
}

// With one write() for the whole line, so that lines of several processes stay
// apart; and not through stderr, which would take 8 KB of stack for a buffer,
// more than a coroutine can spare.
void report_log(const char *format, ...)
{
    char line[256];
    int len = snprintf(line, sizeof line, "%s: ", options->model);
    va_list arguments;

    if (options->quiet)
        return;
    va_start(arguments, format);
    len += vsnprintf(line + len, sizeof line - (size_t)len, format, arguments);
    va_end(arguments);
    if (len > (int)sizeof line - 1)
        len = sizeof line - 1;
    line[len] = '\n';
    (void)!write(STDERR_FILENO, line, (size_t)len + 1);
}

void report_shortage(const char *what)
{
    static _Atomic int64_t last_ns = INT64_MIN / 2;
    int reason = errno;
    int64_t now_ns = net_now_ns();

    if (now_ns - last_ns >= NET_NS_PER_S) {
        last_ns = now_ns;
        report_log("%s: %s; clients wait until there is room", what,
                   strerror(reason));
    }
    errno = reason;
}

void report_session(const struct session *s)
{
    atomic_fetch_add_explicit(&totals->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&totals->requests, s->requests,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&totals->errors, s->errors, memory_order_relaxed);
}

int report_summary(void)
{
    printf("%s: stopped after %" PRIu64 " connections, %" PRIu64
           " requests, %" PRIu64 " errors\n",
           options->model, atomic_load(&totals->connections),
           atomic_load(&totals->requests), atomic_load(&totals->errors));
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

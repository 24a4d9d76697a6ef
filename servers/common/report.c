// report.c - what a server prints: log lines, counters, the summary.
//
// write_line() drops a line if writing it would block. So only report_summary()
// may block, while it writes the trace.

#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "trace.h"

enum { LINE_SIZE = 256 };

// LESSON shared-counters: fork() copies variables. If a child adds to its copy,
// the parent does not see it. So the counters are in memory that fork() shares
// and does not copy. They are atomic, because several threads or processes may
// add at the same time.
struct counters {
    _Atomic uint64_t connections;
    _Atomic uint64_t requests;
    _Atomic uint64_t errors;
    _Atomic uint64_t undelivered_bytes;
    _Atomic int64_t exhausted_ns;  // when report_exhausted() last wrote a line
};

static struct counters *counters;
static const char *server_name;
static bool is_quiet;

int report_open(const char *model, bool quiet)
{
    server_name = model;
    is_quiet = quiet;
    counters = mmap(NULL, sizeof *counters, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counters == MAP_FAILED)
        return -1;
    counters->exhausted_ns = INT64_MIN / 2;
    return 0;
}

// Writes one line by one write(), so that lines of several processes do not
// mix. Drops the line if the stream cannot take it at once. Otherwise a full
// pipe that no process reads would block the server. Does not use stdio, which
// would need 8 KiB of stack for a buffer, most of the stack of a coroutine.
// Returns 0, or -1 with errno set.
__attribute__((format(printf, 2, 0))) static int
write_line(int fd, const char *format, va_list arguments)
{
    char line[LINE_SIZE];
    int len = snprintf(line, sizeof line, "%s: ", server_name);
    len += vsnprintf(line + len, sizeof line - (size_t)len, format, arguments);
    if (len > LINE_SIZE - 1)
        len = LINE_SIZE - 1;
    line[len] = '\n';

    struct pollfd stream = {.fd = fd, .events = POLLOUT};
    if (poll(&stream, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    ssize_t n;
    do
        n = write(fd, line, (size_t)len + 1);
    while (n < 0 && errno == EINTR);
    return n == len + 1 ? 0 : -1;
}

void report_log(const char *format, ...)
{
    va_list arguments;
    if (is_quiet)
        return;
    va_start(arguments, format);
    write_line(STDERR_FILENO, format, arguments);
    va_end(arguments);
}

int report_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int result = write_line(STDOUT_FILENO, format, arguments);
    va_end(arguments);
    return result;
}

void report_exhausted(const char *what)
{
    int reason = errno;
    int64_t now_ns = clock_now_ns(), old_ns = counters->exhausted_ns;

    if (now_ns - old_ns >= NS_PER_S &&
        atomic_compare_exchange_strong(&counters->exhausted_ns, &old_ns,
                                       now_ns))
        report_log("%s: %s; new clients wait until there is a free slot", what,
                   strerror(reason));
    errno = reason;
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void report_session(const struct session *s)
{
    add(&counters->connections, 1);
    add(&counters->requests, s->requests);
    add(&counters->errors, s->errors);
    trace_closed(s);
}

void report_undelivered(size_t bytes)
{
    add(&counters->undelivered_bytes, bytes);
}

static void write_trace(void)
{
    long dropped = trace_write();
    if (dropped < 0)
        report_log("the trace was not written: %s", strerror(errno));
    else if (dropped > 0)
        report_log("the trace ends early: %ld more events did not fit",
                   dropped);
}

int report_summary(void)
{
    write_trace();
    char undelivered[LINE_SIZE / 2] = "";
    uint64_t bytes = atomic_load(&counters->undelivered_bytes);
    if (bytes > 0)
        snprintf(undelivered, sizeof undelivered,
                 "; %" PRIu64 " bytes of replies were not delivered", bytes);
    int result = report_line("stopped after %" PRIu64 " connections, %" PRIu64
                             " requests, %" PRIu64 " errors%s",
                             atomic_load(&counters->connections),
                             atomic_load(&counters->requests),
                             atomic_load(&counters->errors), undelivered);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

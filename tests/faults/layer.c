// layer.c - the layer between a program and its system calls.
//
// The linker's --wrap option replaces each call in calls.h by a function of
// this file. The function fails if FAULT says so; otherwise it makes the real
// call. The tested code has no hooks and no #ifdef.

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"

enum { EXIT_USAGE = 2, NAME_SIZE = 32 };

// ---- The requested fault

// The fault in FAULT. It happens in calls number `first` to `last`, or in
// `percent` of a hundred calls.
static struct {
    char call[NAME_SIZE], how[NAME_SIZE];
    int signo;  // sent after the call, which succeeds; 0: none
    int error;  // 0: the call moves fewer bytes
    size_t bytes_max;
    int first, last, percent;
} fault;

static struct fault_counts *counts;  // NULL: no fault, no counts.
static pid_t program;                // The process, not one of its children.
static _Thread_local bool signal_is_due;  // fault.signo, after this call.

static bool parse_when(const char *text)
{
    char *end;
    fault.first = fault.last = (int)strtol(text, &end, 10);
    if (strcmp(end, "%") == 0) {
        fault.percent = fault.first;
        return fault.percent > 0;
    }
    if (*end == '-')
        fault.last = end[1] != '\0' ? (int)strtol(end + 1, &end, 10) : INT_MAX;
    return fault.first > 0 && fault.last >= fault.first;
}

// Returns the number of a signal that can be sent after a call, or 0.
static int signal_of(const char *name)
{
    if (strcmp(name, "SIGTERM") == 0)
        return SIGTERM;
    return strcmp(name, "SIGSTOP") == 0 ? SIGSTOP : 0;
}

// Reads a fault "CALL:HOW:WHEN" into `fault`. Returns false if it is not valid.
static bool parse(const char *text)
{
    char when[NAME_SIZE];
    if (sscanf(text, "%31[^:]:%31[^:]:%31s", fault.call, fault.how, when) != 3)
        return false;
    fault.bytes_max = strtoul(fault.how, NULL, 10);
    fault.error = fault.bytes_max > 0 ? 0 : fault_errno(fault.how);
    fault.signo = signal_of(fault.how);
    return (fault.bytes_max > 0 || fault.error != 0 || fault.signo != 0) &&
           parse_when(when);
}

static void count_signal(int signo)
{
    (void)signo;
    if (counts != NULL)
        atomic_fetch_add(&counts->interrupted, 1);
}

__attribute__((constructor)) static void read_fault(void)
{
    const char *text = getenv("FAULT"), *file = getenv("FAULT_COUNTS");
    struct sigaction action = {.sa_handler = count_signal};
    sigaction(SIGUSR1, &action, NULL);
    program = getpid();
    if (text == NULL && file == NULL)
        return;
    if (text != NULL && !parse(text)) {
        fprintf(stderr, "FAULT wants CALL:HOW:WHEN, not '%s'\n", text);
        _exit(EXIT_USAGE);
    }
    int fd = file != NULL ? (int)strtol(file, NULL, 10) : -1;
    int flags = file != NULL ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS;
    struct fault_counts *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (shared == MAP_FAILED)
        _exit(EXIT_USAGE);
    if (fd >= 0)
        close(fd);
    else
        shared->armed = true;
    counts = shared;
}

void fault_leapt(void)
{
    if (counts != NULL)
        atomic_fetch_add(&counts->leaps, 1);
}

// ---- Whether a call must fail

static bool concerns(enum fault_call call)
{
    const struct fault_call_info *info = &fault_calls[call];
    if (strcmp(fault.call, "all") != 0)
        return strcmp(fault.call, info->name) == 0;
    return fault.error != 0 ? fault_is_listed(info->errnos, fault.how)
                            : info->is_transfer;
}

// Returns whether call number `number` is one of the `percent` that fail. A
// hash, Knuth's multiplicative one, scatters them, but selects the same calls
// in every run.
static bool is_selected(int number)
{
    const unsigned factor = 2654435769U;
    return (unsigned)number * factor / 1024 % 100 < (unsigned)fault.percent;
}

// Counts a call. Returns whether it must fail or move fewer bytes. Sets
// signal_is_due if a signal must follow it.
static bool must_fail(enum fault_call call)
{
    if (counts == NULL || !counts->armed)
        return false;
    int number = atomic_fetch_add(&counts->seen[call], 1) + 1;
    bool matches =
        concerns(call) &&
        (fault.percent > 0 ? is_selected(number)
                           : number >= fault.first && number <= fault.last);
    signal_is_due = matches && fault.signo != 0;
    if (!matches || fault.signo != 0)
        return false;
    atomic_fetch_add(&counts->failed[call], 1);
    return true;
}

// Counts a call. Returns the error that it must fail with, or 0.
static int error_of(enum fault_call call)
{
    return must_fail(call) ? fault.error : 0;
}

// Does the same for a call that moves `*size` bytes. If the call must move
// fewer bytes, reduces `*size` and returns 0.
static int error_or_cut(enum fault_call call, size_t *size)
{
    if (!must_fail(call))
        return 0;
    if (fault.error == 0 && *size > fault.bytes_max)
        *size = fault.bytes_max;
    return fault.error;
}

// Sends the signal to the program after a call, and keeps errno. Only the first
// caller sends it. If the call blocked for long, the test may have sent its own
// signal instead, and a second one would end the server at once.
static void send_signal(enum fault_call call)
{
    int saved = errno;
    if (!atomic_exchange(&counts->armed, false))
        return;
    atomic_fetch_add(&counts->failed[call], 1);
    kill(program, fault.signo);
    errno = saved;
}

// ---- The calls

#define CALL(result, name, failure, errnos, parameters, arguments)             \
    result __real_##name parameters;
#define TRANSFER(name, errnos, parameters, arguments)                          \
    ssize_t __real_##name parameters;
#include "calls.h"
#undef CALL
#undef TRANSFER

// These calls do their work even when they report a failure.

static int closed(int fd)
{
    int saved = errno;
    __real_close(fd);
    errno = saved;
    return -1;
}

static int shut(int fd, int how)
{
    int saved = errno;
    __real_shutdown(fd, how);
    errno = saved;
    return -1;
}

static int file_closed(FILE *file)
{
    int saved = errno;
    __real_fclose(file);
    errno = saved;
    return EOF;
}

// Discards the buffered output, so that it is not written later.
static int purged(FILE *file)
{
    __fpurge(file);
    return EOF;
}

#define CALL(result, name, failure, errnos, parameters, arguments)             \
    result __wrap_##name parameters;                                           \
    result __wrap_##name parameters                                            \
    {                                                                          \
        int error = error_of(CALL_##name);                                     \
        if (error != 0) {                                                      \
            errno = error;                                                     \
            return failure;                                                    \
        }                                                                      \
        bool signals = signal_is_due;                                          \
        result returned = __real_##name arguments;                             \
        if (signals)                                                           \
            send_signal(CALL_##name);                                          \
        return returned;                                                       \
    }

#define TRANSFER(name, errnos, parameters, arguments)                          \
    ssize_t __wrap_##name parameters;                                          \
    ssize_t __wrap_##name parameters                                           \
    {                                                                          \
        int error = error_or_cut(CALL_##name, SIZE_##name);                    \
        if (error != 0) {                                                      \
            errno = error;                                                     \
            return -1;                                                         \
        }                                                                      \
        bool signals = signal_is_due;                                          \
        ssize_t returned = __real_##name arguments;                            \
        if (signals)                                                           \
            send_signal(CALL_##name);                                          \
        return returned;                                                       \
    }

#define SIZE_recv &size
#define SIZE_recvmsg &message->msg_iov->iov_len
#define SIZE_send &size
#define SIZE_write &size
#include "calls.h"

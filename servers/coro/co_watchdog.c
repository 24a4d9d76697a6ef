// co_watchdog.c - reports a coroutine that does not let the others run.
//
// Nothing interrupts a coroutine, so only another thread can notice that a
// coroutine computes for long, or blocks. The watchdog is such a thread. Each
// thread that calls co_set_watchdog() gets its own watchdog. This costs little:
// the loop only counts its turns, and the watchdog sleeps most of the time.
// Only co_set_watchdog() blocks the loop: until the previous watchdog has
// ended.

#include <elf.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __GLIBC__  // The unwinder of musl-gcc works only with glibc.
#include <unwind.h>
#endif

#include "co.h"
#include "co_internal.h"

enum {
    NS_PER_MS = 1000000,
    CHECKS_PER_LIMIT = 4,
    CHECK_MS_MAX = 50,  // co_set_watchdog(-1) blocks until the next check
    FRAMES_MAX = 24,
    NAME_SIZE = 64,
    PATH_SIZE = 1024,
    REPORT_SIZE = 2048,  // at most PIPE_BUF: one write() takes all of it
};

// The progress of a report. The watchdog asks, and the watched thread answers.
enum step { NONE, ASKED, ANSWERED };

struct watchdog {
    pthread_t thread, watched;
    int limit_ms;
    const atomic_uint *turn;  // of the watched thread: see co_turn_count()
    atomic_bool stopping;
    _Atomic enum step step;
    // Before a thread changes `step`, it writes these fields. After the change,
    // the other thread reads them.
    atomic_uint asked_turn;
    char name[NAME_SIZE];
    uintptr_t frames[FRAMES_MAX];  // addresses in code, the innermost first
    int frame_count;
};

static _Thread_local struct watchdog *own;  // watches this thread; or NULL

// ---- In the watched thread

#ifdef __GLIBC__
// Adds a frame to the report if the frame is on the stack of the running
// coroutine. The unwinder also finds the frames of the signal handler, which
// are on another stack.
static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *arg)
{
    struct watchdog *w = arg;
    const struct co *c = co_current();
    uintptr_t sp = (uintptr_t)_Unwind_GetCFA(context);
    if (w->frame_count == FRAMES_MAX)
        return _URC_END_OF_STACK;
    if (sp - (uintptr_t)c->stack.low > c->stack.size)
        return _URC_NO_REASON;
    int interrupted_here = 0;
    uintptr_t at = (uintptr_t)_Unwind_GetIPInfo(context, &interrupted_here);
    // A return address is that of the instruction after the call, which may
    // belong to the next line of the source. The byte before it belongs to the
    // call.
    w->frames[w->frame_count++] = interrupted_here ? at : at - 1;
    return _URC_NO_REASON;
}
#endif

static void add_frames(struct watchdog *w)
{
    w->frame_count = 0;
#ifdef __GLIBC__
    _Unwind_Backtrace(add_frame, w);
#endif
}

// Handles SIGURG: answers the watchdog. The signal interrupts the coroutine
// that has the turn. The handler runs on the separate stack for signals.
static void on_question(int signo)
{
    struct watchdog *w = own;
    (void)signo;
    if (w == NULL || atomic_load(&w->step) != ASKED)
        return;
    if (!co_in_loop() || atomic_load(w->turn) != atomic_load(&w->asked_turn)) {
        atomic_store(&w->step, NONE);  // That turn has ended.
        return;
    }
    const struct co *c = co_current();
    int saved_errno = errno;
    strncpy(w->name, c->name != NULL ? c->name : "without a name",
            sizeof w->name - 1);
    add_frames(w);
    errno = saved_errno;
    atomic_store(&w->step, ANSWERED);
}

// ---- In the thread of the watchdog

// Appends text to the report. The text is formatted as by printf(). Returns the
// new length of the report.
__attribute__((format(printf, 3, 4))) static int append(char *report, int len,
                                                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int more =
        vsnprintf(report + len, (size_t)(REPORT_SIZE - len), format, arguments);
    va_end(arguments);
    return len + more < REPORT_SIZE ? len + more : REPORT_SIZE - 1;
}

// The linker defines these symbols: the start of the program's file in memory,
// and the end of its code.
extern const ElfW(Ehdr) file_begin __asm__("__ehdr_start");
extern const char code_end[] __asm__("etext");

// Returns true if an address is in the program itself, not in a library.
static bool is_ours(uintptr_t at)
{
    return at >= (uintptr_t)&file_begin && at < (uintptr_t)code_end;
}

// Converts an address in memory to the address in the program's file, which
// addr2line(1) needs.
static size_t in_file(uintptr_t at)
{
    return at - (file_begin.e_type == ET_DYN ? (uintptr_t)&file_begin : 0);
}

// Appends an addr2line(1) command that prints where the coroutine is.
static int append_frames(char *report, int len, const struct watchdog *w)
{
    char program[PATH_SIZE] = "";
    (void)!readlink("/proc/self/exe", program, sizeof program - 1);
    len = append(report, len, " Where it is:\n  addr2line -fpie '%s'", program);
    for (int i = 0; i < w->frame_count; i++)
        if (is_ours(w->frames[i]))
            len = append(report, len, " %#zx", in_file(w->frames[i]));
    return len;
}

// Prints the answer of the watched thread. Prints nothing if standard error
// would block: perhaps no process ever reads from it, and the watchdog must be
// able to end.
static void print_report(const struct watchdog *w)
{
    char report[REPORT_SIZE];
    struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};
    int len = append(report, 0, "coroutine %s: let no other run for %d ms.",
                     w->name, w->limit_ms);
    if (w->frame_count > 0)
        len = append_frames(report, len, w);
    len = append(report, len, "\n");
    if (poll(&output, 1, 0) > 0)
        (void)!write(STDERR_FILENO, report, (size_t)len);
}

// Asks the watched thread, by a signal, where its coroutine is.
static void ask(struct watchdog *w, unsigned turn)
{
    atomic_store(&w->asked_turn, turn);
    atomic_store(&w->step, ASKED);
    pthread_kill(w->watched, SIGURG);
}

static void sleep_until_next_check(const struct watchdog *w)
{
    int ms = w->limit_ms / CHECKS_PER_LIMIT;
    ms = ms < 1 ? 1 : ms > CHECK_MS_MAX ? CHECK_MS_MAX : ms;
    nanosleep(&(struct timespec){.tv_nsec = (long)ms * NS_PER_MS}, NULL);
}

// Is the main function of the watchdog. If the number of turns has not changed
// since the previous check, the same turn has lasted all this time. Only the
// watched thread can find out which coroutine has the turn, and where it is. So
// the watchdog sends a signal to this thread, and the handler walks up the
// stack.
static void *watch(void *arg)
{
    struct watchdog *w = arg;
    unsigned turn = 0;  // the last one seen; first seen at `since_ns`
    int64_t since_ns = 0;
    while (!atomic_load(&w->stopping)) {
        if (atomic_load(&w->step) == ANSWERED) {
            print_report(w);
            atomic_store(&w->step, NONE);
        }
        unsigned seen = atomic_load(w->turn);
        int64_t now_ns = co_now_ns();
        if (seen != turn)
            since_ns = now_ns;
        else if (turn != atomic_load(&w->asked_turn) &&
                 now_ns - since_ns >= (int64_t)w->limit_ms * NS_PER_MS)
            ask(w, turn);
        turn = seen;
        sleep_until_next_check(w);
    }
    return NULL;
}

// ---- Starting and stopping the watchdog

// Ends a watchdog of this thread. Blocks until it has seen `stopping`.
static void stop(void *watchdog)
{
    struct watchdog *w = watchdog;
    own = NULL;
    atomic_store(&w->stopping, true);
    pthread_join(w->thread, NULL);
    free(w);
}

// When a thread that has a watchdog ends, the destructor of this key runs.
static pthread_key_t at_thread_end;

static void set_up_process(void)
{
    struct sigaction action = {.sa_handler = on_question,
                               .sa_flags = SA_ONSTACK | SA_RESTART};
    sigaction(SIGURG, &action, NULL);
    pthread_key_create(&at_thread_end, stop);
}

static int start(int limit_ms)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up_process);
    struct watchdog *w = calloc(1, sizeof *w);
    if (w == NULL)
        return -1;
    w->watched = pthread_self();
    w->limit_ms = limit_ms;
    w->turn = co_turn_count();
    int error = co_start_thread(&w->thread, watch, w);
    if (error != 0) {
        free(w);
        return co_fail(error);
    }
    own = w;
    pthread_setspecific(at_thread_end, w);
    return 0;
}

int co_set_watchdog(int limit_ms)
{
    if (limit_ms == 0)
        return co_fail(EINVAL);
    if (own != NULL) {
        pthread_setspecific(at_thread_end, NULL);
        stop(own);
    }
    return limit_ms < 0 ? 0 : start(limit_ms);
}

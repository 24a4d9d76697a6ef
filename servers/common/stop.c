// stop.c - how a server learns from SIGTERM or SIGINT that it has to stop.
//
// Only stop_wait() blocks. on_stop_signal() and what it calls run in a signal
// handler, so they make only async-signal-safe calls (signal-safety(7)).

#include "stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

// One atomic variable stores whether a signal has come, and when. If two
// threads receive a signal at the same time, only one of them can change it
// from 0.
static _Atomic int64_t requested_ns;  // 0: not requested.
static void (*wake)(void);            // Written before the handler can run.
static pid_t server;

static sigset_t unblocked;   // The signal mask during stop_wait().
static bool blocks_signals;  // stop_wait() has to change the mask.

// Handles SIGTERM and SIGINT: stores the time of the first one and wakes
// blocked calls; ends the process at a second one. The signal that calls this
// handler is blocked until the handler returns. In a server that blocks
// signals, the signal is blocked until the next stop_wait().
static void on_stop_signal(int signo)
{
    int saved = errno;
    int64_t first_ns = 0, now_ns = clock_now_ns();
    if (atomic_compare_exchange_strong(&requested_ns, &first_ns, now_ns)) {
        if (wake != NULL)
            wake();
    } else if (now_ns - first_ns > (int64_t)STOP_AGAIN_MS * NS_PER_MS &&
               getpid() == server) {
        signal(signo, SIG_DFL);
        raise(signo);  // Ends the process once the signal is unblocked.
    }
    errno = saved;
}

// Installs a handler. Without SA_RESTART, the signal makes a blocked call fail
// with EINTR, and the caller can check stop_requested(). With SA_ONSTACK, the
// handler runs on a separate stack if the thread has one, because the stack of
// a coroutine is too small for a handler.
static int install_handler(int signo, void (*handler)(int signo))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    return sigaction(signo, &action, NULL);
}

int stop_on_signal(void (*wake_blocked_calls)(void))
{
    wake = wake_blocked_calls;
    server = getpid();
    if (install_handler(SIGINT, on_stop_signal) != 0)
        return -1;
    return install_handler(SIGTERM, on_stop_signal);
}

bool stop_requested(void)
{
    return requested_ns != 0;
}

int64_t stop_requested_ns(void)
{
    return requested_ns;
}

// Replaces a ppoll() that has failed because the kernel has no memory: unblocks
// the signals, and blocks for STOP_BACKOFF_MS or until a signal comes.
// Otherwise the server would call ppoll() again at once, and use a whole core.
static void sleep_instead(void)
{
    struct timespec pause = clock_timespec(STOP_BACKOFF_MS);
    sigset_t old;
    sigprocmask(SIG_SETMASK, blocks_signals ? &unblocked : NULL, &old);
    nanosleep(&pause, NULL);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

// LESSON wait-for-signals: ppoll() unblocks the signals and waits in one step.
// If signals were never blocked, one could arrive after the server has checked
// for it, but before poll() blocks. Then its handler would run, but poll()
// would still block: a dead child would stay a zombie, or the server would not
// stop.
bool stop_wait(int fd, int timeout_ms)
{
    struct pollfd interest = {.fd = fd, .events = POLLIN};
    struct timespec timeout = clock_timespec(timeout_ms);
    int ready = ppoll(&interest, 1, timeout_ms < 0 ? NULL : &timeout,
                      blocks_signals ? &unblocked : NULL);
    if (ready < 0 && errno != EINTR)
        sleep_instead();
    // If a descriptor is ready, ppoll() delivers no pending signal. So if new
    // clients kept coming, no signal would ever be delivered. A second ppoll(),
    // without descriptors, delivers it.
    if (ready > 0 && blocks_signals)
        ppoll(NULL, 0, &(struct timespec){0}, &unblocked);
    return ready > 0;
}

static void on_child_exit(int signo)
{
    (void)signo;  // Without a handler, SIGCHLD would interrupt no call.
}

int stop_block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    blocks_signals = sigprocmask(SIG_BLOCK, &signals, &unblocked) == 0 &&
                     install_handler(SIGCHLD, on_child_exit) == 0;
    return blocks_signals ? 0 : -1;
}

void stop_unblock_signals(void)
{
    blocks_signals = false;
    sigprocmask(SIG_SETMASK, &unblocked, NULL);
}

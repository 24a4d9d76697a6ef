// stop.c - how a server learns from SIGTERM or SIGINT that it has to stop.

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

// One atomic variable says whether a signal has come, and when. If two threads
// receive a signal at the same moment, they agree on which one was first.
static _Atomic int64_t requested_ns;  // 0: not requested.
static void (*wake)(void);            // Written before the handler can run.
static pid_t server;

static sigset_t unblocked;  // The signal mask during stop_wait().
static bool blocking;       // Whether stop_wait() has to change the mask.

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
        raise(signo);  // Takes effect when this handler returns.
    }
    errno = saved;
}

// Installs a handler. Without SA_RESTART, a call that the signal interrupts
// fails with EINTR, and its caller can check stop_requested(). With SA_ONSTACK,
// the handler runs on a separate stack if its thread has one: the stack of a
// coroutine is too small for it.
static int handle(int signo, void (*handler)(int signo))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    return sigaction(signo, &action, NULL);
}

int stop_on_signal(void (*wake_blocked_calls)(void))
{
    wake = wake_blocked_calls;
    server = getpid();
    if (handle(SIGINT, on_stop_signal) != 0)
        return -1;
    return handle(SIGTERM, on_stop_signal);
}

bool stop_requested(void)
{
    return requested_ns != 0;
}

int64_t stop_requested_ns(void)
{
    return requested_ns;
}

// Replaces ppoll() when the kernel has no memory for it: unblocks the signals
// and sleeps, so that the server does not spin.
static void pause_instead(void)
{
    struct timespec pause = clock_timespec(STOP_BACKOFF_MS);
    sigset_t old;
    sigprocmask(SIG_SETMASK, blocking ? &unblocked : NULL, &old);
    nanosleep(&pause, NULL);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

// LESSON wait-for-signals: ppoll() unblocks the signals and blocks the thread
// in one step. If signals were unblocked all the time, one could arrive after
// the server has checked for it and before poll() blocks. Its handler would
// run, and poll() would block all the same: a dead child stays a zombie, or the
// server does not stop.
bool stop_wait(int fd, int timeout_ms)
{
    struct pollfd interest = {.fd = fd, .events = POLLIN};
    struct timespec timeout = clock_timespec(timeout_ms);
    int ready = ppoll(&interest, 1, timeout_ms < 0 ? NULL : &timeout,
                      blocking ? &unblocked : NULL);
    if (ready < 0 && errno != EINTR)
        pause_instead();
    // When a descriptor is ready, ppoll() delivers no pending signal. If new
    // clients kept coming, no signal would ever be delivered. A second ppoll(),
    // without descriptors, delivers it.
    if (ready > 0 && blocking)
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
    blocking = sigprocmask(SIG_BLOCK, &signals, &unblocked) == 0 &&
               handle(SIGCHLD, on_child_exit) == 0;
    return blocking ? 0 : -1;
}

void stop_unblock_signals(void)
{
    blocking = false;
    sigprocmask(SIG_SETMASK, &unblocked, NULL);
}

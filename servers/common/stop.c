// stop.c - SIGTERM and SIGINT: the first asks, the second ends.

#include "stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

// Not volatile sig_atomic_t: that is for one thread and its signal handler, and
// here other threads look at it too.
static atomic_bool requested;
static void (*end_waits)(void);  // Written once, before the handler can run.
static pid_t server;

static sigset_t unheld;  // The signal mask during stop_wait(), if `holding`.
static bool holding;

static void on_stop_signal(int signo)
{
    int saved = errno;
    if (requested && getpid() == server) {
        signal(signo, SIG_DFL);
        raise(signo);  // Takes effect when this handler returns.
        return;
    }
    requested = true;
    if (end_waits != NULL)
        end_waits();
    errno = saved;
}

static int handle(int signo, void (*handler)(int signo))
{
    // No SA_RESTART: a waiting call returns EINTR and its caller looks around.
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    return sigaction(signo, &action, NULL);
}

int stop_on_signal(void (*on_stop)(void))
{
    end_waits = on_stop;
    server = getpid();
    if (handle(SIGINT, on_stop_signal) != 0)
        return -1;
    return handle(SIGTERM, on_stop_signal);
}

bool stop_requested(void)
{
    return requested;
}

// For when ppoll() itself has failed: the kernel was out of memory. It is not
// asked again at once, and signals are let through meanwhile.
static void pause_instead(void)
{
    struct timespec pause = net_timespec(NET_RETRY_MS);
    sigset_t before;
    sigprocmask(SIG_SETMASK, holding ? &unheld : NULL, &before);
    nanosleep(&pause, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

// LESSON wait-for-signals: ppoll() changes the signal mask and falls asleep in
// one step. With signals let through all the time and a plain poll(), one that
// comes just before the call is handled, and then the call sleeps on all the
// same: a dead child stays a zombie, a server does not stop.
bool stop_wait(int fd, int timeout_ms)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    struct timespec timeout = net_timespec(timeout_ms);
    int ready = ppoll(&wanted, 1, timeout_ms < 0 ? NULL : &timeout,
                      holding ? &unheld : NULL);
    if (ready < 0 && errno != EINTR)
        pause_instead();
    // A descriptor that is ready comes before a signal that is pending: in a
    // stream of clients the signal would never be noticed.
    if (ready > 0 && holding)
        ppoll(NULL, 0, &(struct timespec){0}, &unheld);
    return ready > 0;
}

static void on_child_end(int signo)
{
    (void)signo;  // It only has to exist: SIGCHLD ends no wait otherwise.
}

int stop_hold_signals(void)
{
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGCHLD);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    holding = sigprocmask(SIG_BLOCK, &held, &unheld) == 0 &&
              handle(SIGCHLD, on_child_end) == 0;
    return holding ? 0 : -1;
}

void stop_release_signals(void)
{
    holding = false;
    sigprocmask(SIG_SETMASK, &unheld, NULL);
}

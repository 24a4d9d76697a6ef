// signal.c - the kernel sends a signal when a client becomes ready.
//
// Model     one thread, non-blocking calls; a real-time signal per event
// Blocks    in sigtimedwait() only, for all clients at once
// Strength  the server passes no list: each signal names its descriptor
// Weakness  a system call per event, and a queue that can overflow
//
// What changed from callback.c --edge: signals report which client is ready.
// Before Linux had epoll (2.5.44), this was a way to serve many clients. Next:
//     diff -u servers/more/signal.c servers/more/uring.c

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "../common/connection.h"
#include "../common/server.h"
#include "../common/timer_queue.h"

enum { SIGNALS_IN_A_ROW = 256, STEPS_IN_A_ROW = 8, WATCHED = 1 };

static void wake_sigtimedwait(void);

static struct options options = {.model = "signal",
                                 .nonblocking = true,
                                 .wake_blocked_calls = wake_sigtimedwait};
static int listener;
static struct connections clients;
static struct timer_queue timers;  // Clients that wait for a time.
static bool pending = true;        // There may be clients in the accept queue.
static int ready_signal;
static sigset_t awaited;  // ready_signal and SIGIO.

// LESSON signal-driven: without F_SETSIG, the kernel sends SIGIO, which only
// says that some descriptor is ready. With F_SETSIG, it queues a signal that
// contains the descriptor. Signals report only changes, so the server must
// check by itself whether something had arrived before.
static bool ask_for_signals(int fd)
{
    return fcntl(fd, F_SETOWN, getpid()) == 0 &&
           fcntl(fd, F_SETSIG, ready_signal) == 0 &&
           fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) == 0;
}

// Asks the kernel for signals of a client, unless it sends them already. Bytes
// that arrived earlier cause no signal, so a timer makes a step later. If the
// kernel has refused to send signals, this step asks again.
static void await_signal(struct connection *c)
{
    if (c->interest == WATCHED)
        return;
    if (ask_for_signals(c->fd))
        c->interest = WATCHED;
    else
        report_exhausted("fcntl");
    timer_queue_add(&timers, c, net_backoff_until_ns());
}

// Makes steps for a client until a step would block, because no further signal
// comes for bytes that have already arrived. After STEPS_IN_A_ROW steps, other
// clients are served first, and a timer continues this one.
static void step_client(struct connection *c)
{
    c->progress.blocked = false;
    for (int i = 0; i < STEPS_IN_A_ROW && c->due_ns <= clock_now_ns(); i++) {
        if (!connection_step(c, &options)) {
            connections_close(&clients, c);
            return;
        }
        if (c->progress.blocked) {
            await_signal(c);
            return;
        }
    }
    int64_t now_ns = clock_now_ns();
    timer_queue_add(&timers, c, c->due_ns > now_ns ? c->due_ns : now_ns);
}

static void start_client(struct connection *c)
{
    c->interest = ask_for_signals(c->fd) ? WATCHED : 0;
    step_client(c);
}

static bool must_accept(void)
{
    return pending && connections_may_accept(&clients);
}

// Returns true if a signal for `fd` should lead to a step: the client still
// exists, and does not wait for a timer.
static bool can_step(int fd)
{
    return clients.all[fd].fd > 0 && !clients.all[fd].queued;
}

// LESSON queue-overflow: the kernel queues only a limited number of signals
// (ulimit -i). Instead of further ones it sends one SIGIO, and the server must
// check every client. Try it: bash -c 'ulimit -i 10; bin/signal', and fibload
// -c 100.
static void handle_signal(int signo, int ready_fd)
{
    if (signo == SIGIO) {
        pending = true;
        for (int fd = listener + 1; fd < clients.used; fd++)
            if (can_step(fd))
                step_client(&clients.all[fd]);
    } else if (ready_fd == listener) {
        pending = true;
    } else if (can_step(ready_fd)) {
        step_client(&clients.all[ready_fd]);
    }
}

// Blocks until a signal comes or a timer is due. Then handles all signals that
// have come, but at most SIGNALS_IN_A_ROW.
static void handle_signals(void)
{
    const struct timespec at_once = {0};
    connections_end_idle(&clients);
    int ms = connections_wait_ms(&clients, timer_queue_first_ns(&timers));
    if (must_accept())
        ms = 0;
    struct timespec timeout = clock_timespec(ms);
    siginfo_t info;
    int signo = sigtimedwait(&awaited, &info, ms < 0 ? NULL : &timeout);
    int taken = 1;
    while (signo > 0) {
        // A signal that another process has sent (si_code) names no descriptor.
        handle_signal(info.si_code > 0 ? signo : SIGIO, info.si_fd);
        if (taken++ == SIGNALS_IN_A_ROW)
            return;  // The rest stays in the kernel's queue.
        signo = sigtimedwait(&awaited, &info, &at_once);
    }
}

static void handle_timers(void)
{
    int64_t now_ns = clock_now_ns();
    struct connection *c;
    while ((c = timer_queue_take_due(&timers, now_ns)) != NULL)
        step_client(c);
}

static void serve_clients(void)
{
    while (!stop_requested()) {
        handle_signals();
        handle_timers();
        if (must_accept())
            pending = connections_accept_some(&clients, listener, start_client);
    }
    close(listener);
    connections_drain(&clients);
}

// Sends SIGIO to this process. SIGIO is blocked, so it stays pending until a
// sigtimedwait() takes it, even one that begins later.
static void wake_sigtimedwait(void)
{
    kill(getpid(), SIGIO);
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    connections_open(&clients, &options, true, listener);
    ready_signal = SIGRTMIN;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGIO);
    sigaddset(&awaited, ready_signal);
    server_require(sigprocmask(SIG_BLOCK, &awaited, NULL) == 0, "sigprocmask");
    server_require(ask_for_signals(listener), "fcntl");
    server_ready();
    serve_clients();
    return report_summary();  // Reached after SIGTERM: see common/server.c.
}

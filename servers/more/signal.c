// signal.c - the kernel sends a signal when somebody can go on.
//
// Model     one thread, non-blocking calls; a real-time signal per change
// Waits     in sigtimedwait() only, for all clients at once
// Strength  no list of clients to hand over: each descriptor knows whom to tell
// Weakness  a system call per event, and a queue that can overflow
//
// What changed from callback.c --edge: who tells us. It was the way to serve
// many clients on Linux before there was epoll (2.4). Next:
//     diff -u servers/more/signal.c servers/more/uring.c

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "../common/client.h"
#include "../common/report.h"
#include "../common/startup.h"
#include "../common/stop.h"

enum { STEPS_IN_A_ROW = 8 };

static struct options opt = {.model = "signal"};
static int listener, client_count;
static struct client *clients;     // Indexed by descriptor.
static int clients_end;            // Of the descriptors.
static struct client_line line;    // Those who wait for a time.
static bool somebody_knocks;       // As far as we know.
static int64_t now_ns, accept_ns;  // This round; the next try of accept().
static int ready_signal;
static sigset_t awaited;  // That one, and SIGIO.

// LESSON signal-driven: F_SETSIG queues a signal with the descriptor in it; the
// usual SIGIO would only say that somebody can go on. The first signal comes
// with the next change: what was there before, we must find ourselves.
static bool ask_for_signals(int fd)
{
    return fcntl(fd, F_SETOWN, getpid()) == 0 &&
           fcntl(fd, F_SETSIG, ready_signal) == 0 &&
           fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) == 0;
}

// A signal may be older than the end of the client, or come while it waits.
static bool can_go_on(int fd)
{
    return clients[fd].fd > 0 && !clients[fd].in_line;
}

// As far as it goes: nobody tells us again of what is there already.
static void go_on(struct client *c)
{
    bool alive = client_step(c, &opt, now_ns);
    for (int i = 1; i < STEPS_IN_A_ROW && alive && !c->blocked; i++)
        alive = client_step(c, &opt, now_ns);
    if (!alive) {
        client_close(c);
        client_count--;
        return;
    }
    if (!c->blocked && c->due_ns <= now_ns)
        c->due_ns = now_ns + 1;  // Enough for now: first the others.
    if (c->due_ns > now_ns)
        client_line_up(&line, c);
}

static void accept_clients(void)
{
    int fd;
    while (client_count < opt.clients_max &&
           (fd = client_accept(listener, &accept_ns)) >= 0) {
        client_start(&clients[fd], fd, &opt);
        client_count++;
        while (!ask_for_signals(fd) && net_retry_later("fcntl"))
            ;
        go_on(&clients[fd]);
    }
    somebody_knocks = client_count == opt.clients_max || accept_ns > now_ns;
}

// LESSON queue-overflow: the kernel keeps a limited number of signals (ulimit
// -i). Then it drops them, sends one SIGIO instead, and we must ask everyone.
// Try it: bash -c 'ulimit -i 10; bin/signal', and fibload -c 100.
static void ask_everyone(void)
{
    for (int fd = listener + 1; fd < clients_end; fd++)
        if (can_go_on(fd))
            go_on(&clients[fd]);
    somebody_knocks = true;
}

static void wait_for_signal(void)
{
    int64_t until_ns = client_line_until(&line, now_ns, accept_ns);
    int ms = net_ms_until(until_ns);
    struct timespec timeout = net_timespec(ms);
    siginfo_t info;
    int signo = sigtimedwait(&awaited, &info, ms < 0 ? NULL : &timeout);
    now_ns = net_now_ns();
    if (signo == SIGIO)
        ask_everyone();
    else if (signo > 0 && info.si_fd == listener)
        somebody_knocks = true;
    else if (signo > 0 && can_go_on(info.si_fd))
        go_on(&clients[info.si_fd]);
}

// SIGIO is for us to send, too: it stays until it is taken, and ends the wait.
static void end_waits(void)
{
    kill(getpid(), SIGIO);
}

int main(int argc, char **argv)
{
    listener = startup(&opt, argc, argv);
    clients_end = net_limit_descriptors(listener + 1 + opt.clients_max);
    clients = calloc((size_t)clients_end, sizeof *clients);
    line = (struct client_line){.all = clients, .count = clients_end};
    ready_signal = SIGRTMIN;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGIO);
    sigaddset(&awaited, ready_signal);
    if (clients == NULL || sigprocmask(SIG_BLOCK, &awaited, NULL) != 0 ||
        !ask_for_signals(listener))
        startup_failed("signal");
    startup_ready(listener, end_waits);

    while (!stop_requested()) {
        wait_for_signal();
        for (struct client *c; (c = client_next_due(&line, now_ns)) != NULL;)
            go_on(c);
        if (somebody_knocks && client_count < opt.clients_max &&
            now_ns >= accept_ns)
            accept_clients();
    }
    close(listener);
    clients_drain(clients, clients_end, &opt);
    return report_summary();
}

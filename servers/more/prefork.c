// prefork.c - processes that were there before the clients.
//
// Model     --max-clients children; each accepts, and serves one at a time
// Waits     the parent in stop_wait() (ppoll), a child in accept() or recv()
// Strength  isolation as in fork.c, without a fork() for each client
// Weakness  with as many silent clients as children, nobody else is served
//
// What changed from fork.c: the children come first, each is a blocking.c. The
// parent replaces who dies. Next: diff -u servers/thread.c servers/more/pool.c

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/net.h"
#include "../common/report.h"
#include "../common/startup.h"
#include "../common/stop.h"

static struct options opt = {
    .model = "prefork", .clients_max = 64, .has_herd = true};
static int listener, child_count;
static volatile sig_atomic_t current = -1;  // In a child: its client.
static pid_t parent, *children;             // child_count of them.
static atomic_ulong *in_vain;  // Shared: how often a child woke for nobody.

// The same text as in the other models that block.
static bool next_reply(int client, struct session *s)
{
    while (!session_answer(s)) {
        if (session_over(s))
            return false;
        ssize_t got = net_recv(client, session_space(s), session_room(s));
        if (got < 0)
            return false;  // The connection broke.
        if (stop_requested() && !net_half_closed(client))
            session_finish(s, (size_t)got + net_unread(client));
        session_received(s, (size_t)got);
    }
    return true;
}

static void serve_client(int client)
{
    struct session s;
    session_start(&s, &opt.rules);

    while (next_reply(client, &s)) {
        net_backend(opt.delay_ms);
        if (net_send_all(client, s.reply, s.reply_len) != 0)
            break;  // The client will take no more replies.
    }
    report_session(&s);
}

// LESSON thundering-herd: of all who wait in accept() the kernel wakes one for
// each client, but of those in poll() all, and all but one find nobody. Try it:
// --herd, with fibload --churn, and read the last lines.
static int next_client(void)
{
    for (;; atomic_fetch_add(in_vain, 1)) {
        if (opt.herd)
            stop_wait(listener, -1);
        int client = net_accept(listener);
        if (client >= 0 || stop_requested())
            return client;
    }
}

// LESSON one-listener: every process has a descriptor of its own for it. To
// close that harms no other; to shut it down would end the waits of them all.
static void end_waits(void)
{
    close(listener);
    shutdown(current, SHUT_RD);  // recv() returns what has arrived, then 0.
}

static void reap_children(void)
{
    pid_t dead;
    while ((dead = waitpid(-1, NULL, WNOHANG)) > 0)
        for (int i = 0; i < child_count; i++)
            if (children[i] == dead)
                children[i] = children[--child_count];
}

_Noreturn static void be_child(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    stop_release_signals();
    while ((current = next_client()) >= 0) {
        if (stop_requested())
            end_waits();  // The signal came before `current` was set.
        serve_client(current);
        net_hang_up(current);
    }
    _exit(EXIT_SUCCESS);
}

static void end_children(void)
{
    for (int i = 0; i < child_count; i++)
        kill(children[i], SIGTERM);
    for (reap_children(); child_count > 0; reap_children())
        stop_wait(-1, -1);
}

static void start_child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        be_child();
    if (pid > 0)
        children[child_count++] = pid;
    else
        net_retry_later("fork");
}

int main(int argc, char **argv)
{
    listener = startup(&opt, argc, argv);
    parent = getpid();
    children = calloc((size_t)opt.clients_max, sizeof *children);
    in_vain = mmap(NULL, sizeof *in_vain, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (children == NULL || in_vain == MAP_FAILED || stop_hold_signals() != 0 ||
        (opt.herd && net_set_nonblocking(listener) != 0))
        startup_failed("prefork");
    startup_ready(listener, end_waits);

    while (!stop_requested()) {
        bool all = child_count == opt.clients_max;
        if (!all)
            start_child();
        stop_wait(-1, all ? -1 : 0);
        reap_children();
    }
    end_children();
    report_log("children woke for nobody %lu times", *in_vain);
    return report_summary();
}

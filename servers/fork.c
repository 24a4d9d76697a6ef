// fork.c - one process per client.
//
// Model     the parent accepts; each client gets a child process of its own
// Waits     the parent in stop_wait() (ppoll), every child in recv()
// Strength  full isolation: a child may crash, leak or loop and harm no other
// Weakness  a process per client: fork() copies page tables, memory adds up
//
// What changed from blocking.c: nothing in how a client is served. New is who
// serves it, and that somebody must count, stop and bury the children. Next:
//     diff -u servers/fork.c servers/thread.c

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/net.h"
#include "common/report.h"
#include "common/startup.h"
#include "common/stop.h"

static struct options opt = {.model = "fork"};
static int listener;
static volatile sig_atomic_t current = -1;  // In a child: its client.
static pid_t *children;                     // child_count of them.
static int child_count;
static pid_t parent;

// Receives until the client has completed a request and `s` holds the reply.
// Returns false when no further reply will come. Once the server is stopping,
// only what has arrived already is taken.
static bool next_reply(int client, struct session *s)
{
    while (!session_answer(s)) {
        if (session_over(s))
            return false;
        ssize_t got = net_recv(client, session_space(s), session_room(s));
        if (got < 0)
            return false;  // It broke, or was silent for too long.
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

static void end_waits(void)
{
    shutdown(current, SHUT_RD);  // recv() returns what has arrived, then 0.
}

// LESSON zombies: a dead child keeps its entry in the process table until its
// parent asks how it ended. Try it: put `return;` first, connect and leave, and
// look for <defunct> in `ps`. (Ctrl-C then has to come twice.)
static void reap_children(void)
{
    pid_t dead;
    while ((dead = waitpid(-1, NULL, WNOHANG)) > 0)
        for (int i = 0; i < child_count; i++)
            if (children[i] == dead)
                children[i] = children[--child_count];
}

_Noreturn static void be_child(int client)
{
    // LESSON orphans: a child outlives its parent, unless it asks not to. The
    // second line is for a parent that died before the first.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    close(listener);
    current = client;
    stop_release_signals();
    serve_client(client);
    net_hang_up(client);
    _exit(EXIT_SUCCESS);
}

static void end_children(void)
{
    for (int i = 0; i < child_count; i++)
        kill(children[i], SIGTERM);
    for (reap_children(); child_count > 0; reap_children())
        stop_wait(-1, -1);
}

static void start_child(int client)
{
    pid_t pid;
    while ((pid = fork()) < 0 && net_retry_later("fork"))
        reap_children();
    if (pid < 0) {
        end_children();  // We are to stop, and this must make room.
        pid = fork();
    }
    if (pid == 0)
        be_child(client);
    if (pid > 0)
        children[child_count++] = pid;

    // LESSON two-closes: both processes hold the connection, and TCP ends it
    // when the LAST holder closes. Try it: delete this line, and
    // `printf '30\n' | nc -N localhost 9999` gets its reply but never ends.
    close(client);
}

// Waits for a client if there is room for one more, or for the end of a
// child, or for a signal. Returns -1 if it was not a client.
static int next_client(void)
{
    bool room = child_count < opt.clients_max;
    return stop_wait(room ? listener : -1, -1) ? net_accept(listener) : -1;
}

int main(int argc, char **argv)
{
    listener = startup(&opt, argc, argv);
    parent = getpid();
    children = calloc((size_t)opt.clients_max, sizeof *children);
    if (children == NULL || net_set_nonblocking(listener) != 0 ||
        stop_hold_signals() != 0)
        startup_failed("fork");
    startup_ready(listener, end_waits);

    while (!stop_requested()) {
        int client = next_client();
        if (client >= 0)
            start_child(client);
        reap_children();
    }
    close(listener);
    end_children();
    return report_summary();
}

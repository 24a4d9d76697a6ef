// prefork.c - processes that start before the first client connects.
//
// Model     --max-clients children; each accepts and serves clients one by one
// Blocks    the parent in ppoll() (stop_wait()), a child in accept() or recv()
// Strength  isolation as in fork.c, without a fork() for each client
// Weakness  with as many idle clients as children, no other client is served
//
// What changed from fork.c: the parent starts its children before the first
// client, and each child does what blocking.c does. The parent replaces dead
// children. Next:
//     diff -u servers/thread.c servers/more/pool.c

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../common/children.h"
#include "../common/net.h"
#include "../common/server.h"

static void wake_blocked_calls(void);

static bool herd;
static const struct option_rule own_options[] = {
    {"herd", NULL, "wait in poll(), which wakes all for one", .flag = &herd},
    {0},
};
static struct options options = {.model = "prefork",
                                 .forks = true,
                                 .wake_blocked_calls = wake_blocked_calls,
                                 .own = {own_options},
                                 .clients_max = 64};
static int listener;
static atomic_ulong *spurious;  // Wakeups that found no client; shared memory.

// Receives until a complete request has arrived, and writes its reply into `s`.
// Returns false once the conversation is over.
static bool next_reply(int client, struct session *s)
{
    while (!session_answer(s))
        if (!net_receive(client, s))
            return false;
    return true;
}

static void serve_client(int client)
{
    struct session s;
    session_start(&s, &options.rules);

    while (next_reply(client, &s)) {
        sleep_ms(options.delay_ms);  // Simulates a backend (--delay).
        if (net_send_all(client, s.reply, s.reply_len) != 0)
            break;  // The connection broke, or the client does not read.
    }
    report_session(&s);
    net_close(client);
}

// LESSON thundering-herd: for each client, the kernel wakes one of the children
// that block in accept(). But it wakes all children that block in poll(), and
// only one of them gets the client. Try it: --herd, with fibload --churn, and
// read the last lines that the server prints.
static int next_client(void)
{
    int client = -1;
    while (client < 0 && !stop_requested()) {
        if (herd)
            stop_wait(listener, -1);
        client = net_accept(listener);
        if (client < 0 && !stop_requested())
            atomic_fetch_add(spurious, 1);
    }
    return client;
}

static void serve_clients(void)
{
    int client;
    while ((client = next_client()) >= 0)
        serve_client(client);
}

// LESSON one-listener: all processes use one listener, each by its own
// descriptor. To stop, a process closes only its own descriptor, and the others
// continue. If it shut down the listener, as other servers do, a signal to one
// child would stop all processes.
static void wake_blocked_calls(void)
{
    close(listener);
    net_shutdown_clients(listener);
}

static void start_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        child_begin();
        serve_clients();
        _exit(0);
    }
    if (pid > 0)
        children_add(pid);
    else
        net_backoff("fork");
}

static void replace_children(void)
{
    while (!stop_requested()) {
        bool complete = children_count == options.clients_max;
        if (!complete)
            start_child();
        stop_wait(-1, complete ? -1 : 0);
        children_reap();
    }
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    spurious = mmap(NULL, sizeof *spurious, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    server_require(spurious != MAP_FAILED, "mmap");
    if (herd)
        server_require(net_set_nonblocking(listener) == 0, "fcntl");
    server_ready();
    replace_children();
    children_end();
    report_log("children woke %lu times for no client", *spurious);
    return report_summary();  // Reached after SIGTERM: see common/server.c.
}

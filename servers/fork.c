// fork.c - one process per client.
//
// Model     the parent accepts; each client gets a child process of its own
// Blocks    the parent in ppoll() (stop_wait()), each child in recv()
// Strength  full isolation: a child may crash, leak or loop and harm no other
// Weakness  each client costs memory, and a fork(), which copies page tables
//
// What changed from blocking.c: a child process serves the client. The parent
// must count, reap and stop its children: see common/children.c. Next:
//     diff -u servers/fork.c servers/thread.c

#include <stdbool.h>
#include <unistd.h>

#include "common/children.h"
#include "common/net.h"
#include "common/server.h"

// The parent blocks in stop_wait(), so its accept() must not block.
static struct options options = {
    .model = "fork", .nonblocking = true, .forks = true};
static int listener;

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

static void start_client(int client)
{
    pid_t pid;
    while ((pid = fork()) < 0)
        if (!children_backoff()) {
            stop_unblock_signals();
            serve_client(client);  // The server stops: serve this client here.
            return;
        }
    if (pid == 0) {
        close(listener);
        child_begin();
        serve_client(client);
        _exit(0);
    }
    children_add(pid);

    // LESSON two-closes: both processes have the connection open. It ends after
    // the LAST close(). Try it: delete the next line. Then `printf '30\n' | nc
    // -N localhost 9999` gets its reply, but never ends.
    close(client);
}

static void serve_clients(void)
{
    while (!stop_requested()) {
        bool has_slot = children_count < options.clients_max;
        if (stop_wait(has_slot ? listener : -1, -1)) {
            int client = net_accept(listener);
            if (client >= 0)
                start_client(client);
        }
        children_reap();
    }
}

int main(int argc, char **argv)
{
    listener = server_start(&options, argc, argv);
    serve_clients();
    children_end();
    return report_summary();  // Reached after SIGTERM: see common/server.c.
}

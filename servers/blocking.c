// blocking.c - one client at a time.
//
// Model     one process, one thread, blocking calls
// Blocks    in accept() until a client connects, then in recv() until it sends
// Strength  it shares no data and starts no threads, so little can go wrong
// Weakness  while it serves one client, even an idle one, all others wait
//
// Read this file first. Every other server changes only a part of it. Next:
//     diff -u servers/blocking.c servers/fork.c

#include <stdbool.h>

#include "common/net.h"
#include "common/server.h"

static struct options options = {.model = "blocking"};
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

// LESSON one-waits-all-wait: serve_client() blocks in recv() until THIS client
// sends something. Meanwhile the server cannot accept: one idle client stops
// all others. Try it: connect twice, and type only into the second one.
static void serve_clients(void)
{
    int client;
    while ((client = net_accept(listener)) >= 0)
        serve_client(client);
}

int main(int argc, char **argv)
{
    listener = server_start(&options, argc, argv);
    serve_clients();
    return report_summary();  // Reached after SIGTERM: see common/server.c.
}

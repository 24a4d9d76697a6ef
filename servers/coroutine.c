// coroutine.c - one coroutine per client, all in one thread, over epoll.
//
// Model     thread.c's client code; where it would block, other coroutines run
// Blocks    in epoll_wait() only, for all clients at once
// Strength  reads like blocking code, costs a small stack and no thread
// Weakness  one thread uses one core: a long fib() delays every client
//
// What changed from thread.c: coro/ replaces the kernel's scheduler, and a call
// that would block the thread lets other coroutines run. Next: coro/co.h

#include <stdbool.h>
#include <stdint.h>

#include "common/co_net.h"
#include "common/server.h"
#include "coro/co.h"

static struct options options = {.model = "coroutine", .own = {co_net_options}};
static int listener;
static struct co_sem slots;  // Free slots, except that of the next client.

// Receives until a complete request has arrived, and writes its reply into `s`.
// Returns false once the conversation is over.
static bool next_reply(int client, struct session *s)
{
    while (!session_answer(s))
        if (!co_net_receive(client, s))
            return false;
    return true;
}

static void serve_client(int client)
{
    struct session s;
    session_start(&s, &options.rules);

    while (next_reply(client, &s)) {
        co_sleep_ms(options.delay_ms);  // Simulates a backend (--delay).
        if (co_net_send_all(client, s.reply, s.reply_len) != 0)
            break;  // The connection broke, or the client does not read.
    }
    report_session(&s);
    co_net_close(client);
}

static void client_main(void *arg)
{
    serve_client((int)(intptr_t)arg);
    co_sem_post(&slots);
}

static void start_client(int client)
{
    void *arg = (void *)(intptr_t)client;
    while (co_go(client_main, arg) != 0)
        if (!co_net_backoff("co_go")) {
            client_main(arg);  // The server stops: serve this client here.
            return;
        }
}

static void serve_clients(void)
{
    int client;
    while ((client = co_net_accept(listener)) >= 0) {
        start_client(client);
        co_sem_wait(&slots);
    }
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    slots.count = options.clients_max - 1;
    co_net_serve(listener, serve_clients);  // Until SIGTERM.
    return report_summary();
}

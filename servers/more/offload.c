// offload.c - coroutines that let other threads compute.
//
// Model     a coroutine per client in one thread, and a few threads for fib()
// Blocks    in epoll_wait() only; the other threads wait for work
// Strength  a long fib() delays no other client, as long as a thread is free
// Weakness  every request travels to another thread and back, short ones too
//
// What changed from coroutine.c: a coroutine also waits for the computation.
// Next:
//     diff -u servers/more/offload.c servers/more/multiloop.c

#include <stdbool.h>
#include <stdint.h>

#include "../common/co_net.h"
#include "../common/server.h"
#include "../coro/co.h"

static int thread_count = 2;
static const struct option_rule own_options[] = {
    {"threads", "N", "threads that compute", .number = &thread_count, 1, 64},
    {0},
};
static struct options options = {.model = "offload",
                                 .own = {co_net_options, own_options}};
static int listener;
static struct co_sem slots;  // Free slots, except that of the next client.

struct answer {
    struct session *session;
    bool complete;
};

static void compute(void *arg)
{
    struct answer *answer = arg;
    answer->complete = session_answer(answer->session);
}

// LESSON offload: another thread runs session_answer(), and other coroutines
// run in this thread in the meantime. Only one of the two threads uses the
// session at a time, because the coroutine waits until the other thread is
// done. If there is nothing to compute, or no thread can be started, this
// thread calls session_answer().
static bool co_session_answer(struct session *s)
{
    struct answer answer = {.session = s};
    if (!session_may_compute(s) || co_offload(compute, &answer) != 0)
        return session_answer(s);
    return answer.complete;
}

// Receives until a complete request has arrived, and writes its reply into `s`.
// Returns false once the conversation is over.
static bool next_reply(int client, struct session *s)
{
    while (!co_session_answer(s))
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
    co_set_offload_threads(thread_count);
    co_net_serve(listener, serve_clients);  // Until SIGTERM.
    return report_summary();
}

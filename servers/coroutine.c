// coroutine.c - one coroutine per client, all in one thread, over epoll.
//
// Model     client code as in blocking.c; where it would wait, others run
// Waits     in epoll_wait() only, for all clients at once
// Strength  reads like blocking code, costs a small stack and no thread
// Weakness  one thread: a long fib() delays every client, on any machine
//
// What changed from thread.c: coro/ takes the place of the kernel's scheduler,
// and each call that waits is one that lets others run. Read on in coro/co.h.

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/co_loops.h"
#include "common/co_net.h"
#include "common/net.h"
#include "common/report.h"
#include "common/startup.h"
#include "common/stop.h"
#include "coro/co.h"

static struct options opt = {
    .model = "coroutine", .stack_kib = CO_STACK_KIB, .has_coroutines = true};

// One thread has all of it, unless --loops asks for more threads.
static _Thread_local int listener;
static _Thread_local struct co_sem slots;  // How many clients we may take.

static int trap_backend(int delay_ms)
{
    net_backend(delay_ms);
    return 0;
}

// LESSON blocking-trap: a call that really waits makes all coroutines wait.
// Try it: --delay 100 and ten clients, with and without --trap.
static int (*co_backend)(int delay_ms) = co_sleep;

// Computing is a wait too, if another thread does it: --offload.
static bool (*co_session_answer)(struct session *s) = session_answer;

// Receives until the client has completed a request and `s` holds the reply.
// Returns false when no further reply will come. Once the server is stopping,
// only what has arrived already is taken.
static bool next_reply(int client, struct session *s)
{
    while (!co_session_answer(s)) {
        if (session_over(s))
            return false;
        ssize_t got = co_recv(client, session_space(s), session_room(s));
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
        co_backend(opt.delay_ms);
        if (co_send_all(client, s.reply, s.reply_len) != 0)
            break;  // The client will take no more replies.
    }
    report_session(&s);
}

static void client_coroutine(void *arg)
{
    int client = (int)(intptr_t)arg;

    co_set_name("client");
    co_limit_waits(opt.idle_timeout_s * NET_MS_PER_S);
    serve_client(client);
    co_hang_up(client);
    co_sem_post(&slots);
}

static void start_coroutine(int client)
{
    void *arg = (void *)(intptr_t)client;

    while (co_go(client_coroutine, arg) != 0) {
        if (co_retry_later("co_go"))
            continue;
        shutdown(client, SHUT_RD);
        client_coroutine(arg);  // No time left to wait: serve it here.
        break;
    }
}

// Waits until there is room for one more client, and then for the client.
// Returns -1 when the server is stopping.
static int next_client(void)
{
    co_sem_wait(&slots);
    return co_net_accept(listener);
}

// What main() does in thread.c.
static void accept_clients(void *arg)
{
    (void)arg;
    int client, highest = listener;
    while ((client = next_client()) >= 0) {
        highest = client > highest ? client : highest;
        start_coroutine(client);
    }
    for (int fd = listener + 1; fd <= highest; fd++)
        shutdown(fd, SHUT_RD);
}

static void wait_for_stop(void *arg)
{
    (void)arg;
    co_loops_wait_for_stop();
    shutdown(listener, SHUT_RDWR);
    co_sem_post(&slots);  // accept_clients() may be waiting for one.
}

static int serve(int own_listener)
{
    listener = own_listener;
    slots.count = (opt.clients_max + opt.loops - 1) / opt.loops;
    co_set_stack_size((size_t)opt.stack_kib * 1024);
    if (co_go(wait_for_stop, NULL) != 0 || co_go(accept_clients, NULL) != 0)
        return -1;
    return co_run();  // Returns when the last coroutine has ended.
}

int main(int argc, char **argv)
{
    int first = startup(&opt, argc, argv);
    if (opt.trap)
        co_backend = trap_backend;
    if (opt.offload_threads > 0) {
        co_set_offload_threads(opt.offload_threads);
        co_session_answer = co_answer_elsewhere;
    }
    if (co_loops_run(&opt, first, serve) != 0)
        startup_failed("coroutine");
    return report_summary();
}

// multiloop.c - several threads, each with a loop of coroutines of its own.
//
// Model     the main thread accepts; clients are coroutines in one of N loops
// Blocks    the main thread in accept(), each loop in epoll_wait()
// Strength  uses all cores, and a loop shares nothing with the others
// Weakness  a client stays in its loop: a long fib() delays all that are in it
//
// What changed from coroutine.c: there is a loop per thread, and a coroutine
// never moves to another one. Next:
//     servers/common/co_net.c

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/co_net.h"
#include "../common/net.h"
#include "../common/server.h"
#include "../common/threads.h"
#include "../coro/co.h"

// The ends of a socket pair: the main thread sends descriptors of clients into
// one, and a coroutine in the loop receives them from the other.
struct loop {
    pthread_t thread;
    int send_end, receive_end;
};

static void wake_blocked_calls(void);

static int loop_count = 2;
static const struct option_rule own_options[] = {
    {"loops", "N", "threads with a loop each", .number = &loop_count, 1, 64},
    {0},
};
static struct options options = {.model = "multiloop",
                                 .wake_blocked_calls = wake_blocked_calls,
                                 .own = {co_net_options, own_options}};
static int listener;
static sem_t slots;    // How many more clients may be served, by all loops.
static sem_t running;  // Posted by each loop that has opened all it needs.
static struct loop *loops;
static int highest_own;  // All descriptors above this one are clients.

// Receives until a complete request has arrived and `s` holds its reply.
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
        co_sleep_ms(options.delay_ms);  // A simulated backend.
        if (co_net_send_all(client, s.reply, s.reply_len) != 0)
            break;  // The connection broke, or the client does not read.
    }
    report_session(&s);
    co_net_close(client);
}

static void client_main(void *arg)
{
    serve_client((int)(intptr_t)arg);
    sem_post(&slots);
}

static void start_client(int client)
{
    void *arg = (void *)(intptr_t)client;
    while (co_go(client_main, arg) != 0)
        if (!co_net_backoff("co_go")) {
            client_main(arg);  // The server is stopping: serve it here.
            return;
        }
}

// The first coroutine of a loop. Receives clients until the main thread closes
// its end.
static void receive_clients(void *arg)
{
    int client, inbox = (int)(intptr_t)arg;
    sem_post(&running);
    ssize_t n;
    while ((n = co_recv(inbox, &client, sizeof client)) > 0 ||
           (n < 0 && co_net_backoff("recv")))
        if (n > 0)
            start_client(client);
    co_close(inbox);
}

static void *loop_main(void *arg)
{
    co_net_prepare();
    server_require(co_go(receive_clients, arg) == 0, "co_go");
    server_require(co_run() == 0, "co_run");
    return NULL;
}

static void open_loops(void)
{
    loops = server_allocate(loop_count, sizeof *loops);
    for (int i = 0; i < loop_count; i++) {
        int ends[2], type = SOCK_SEQPACKET | SOCK_CLOEXEC;
        server_require(socketpair(AF_UNIX, type, 0, ends) == 0, "socketpair");
        server_require(net_set_nonblocking(ends[1]) == 0, "fcntl");
        loops[i] = (struct loop){.send_end = ends[0], .receive_end = ends[1]};
        highest_own = ends[1];
    }
}

// Blocks until they run: clients might take the descriptors that a loop needs.
static void start_loops(void)
{
    server_require(sem_init(&running, 0, 0) == 0, "sem_init");
    for (int i = 0; i < loop_count; i++) {
        void *arg = (void *)(intptr_t)loops[i].receive_end;
        errno = pthread_create(&loops[i].thread, NULL, loop_main, arg);
        server_require(errno == 0, "pthread_create");
    }
    threads_sem_wait_for(&running, loop_count);
}

// Returns false if the server stops before the loop can be given the client.
static bool hand_over(const struct loop *loop, int client)
{
    while (net_set_nonblocking(client) != 0 ||
           send(loop->send_end, &client, sizeof client, MSG_NOSIGNAL) < 0)
        if (!net_backoff("send"))
            return false;
    return true;
}

// LESSON shared-nothing: one thread accepts and deals the clients out to the
// loops, one after the other. With a listener in each loop (SO_REUSEPORT, see
// socket(7)) no thread would have to, but the kernel deals by a hash: a loop
// may be full, and keep its clients waiting, while others have free slots.
static void serve_clients(void)
{
    int client, next = 0;
    while ((client = net_accept(listener)) >= 0) {
        if (!hand_over(&loops[next], client))
            close(client);
        next = (next + 1) % loop_count;
        threads_sem_wait(&slots);
    }
    for (int i = 0; i < loop_count; i++) {
        close(loops[i].send_end);
        pthread_join(loops[i].thread, NULL);
    }
}

// As in server.c, but for the descriptors that the loops use themselves.
static void wake_blocked_calls(void)
{
    shutdown(listener, SHUT_RDWR);
    net_shutdown_clients(highest_own);
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    unsigned slot_count = (unsigned)options.clients_max - 1;
    server_require(sem_init(&slots, 0, slot_count) == 0, "sem_init");
    open_loops();
    start_loops();
    server_ready();
    serve_clients();
    return report_summary();  // After SIGTERM: see common/server.c.
}

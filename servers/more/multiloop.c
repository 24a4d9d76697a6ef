// multiloop.c - several threads, each with a loop of coroutines of its own.
//
// Model     the main thread accepts; clients are coroutines in one of N loops
// Blocks    the main thread in accept(), each loop in epoll_wait()
// Strength  can use all cores, and its loops have no client in common
// Weakness  a client stays in its loop: a long fib() delays all clients in it
//
// What changed from coroutine.c: each thread has a loop of its own, and a
// coroutine never moves to another thread. Next:
//     servers/common/co_net.c

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "../common/co_net.h"
#include "../common/net.h"
#include "../common/server.h"
#include "../common/threads.h"
#include "../coro/co.h"

enum { NO_MORE = -1 };

// The main thread adds clients to the inbox of a loop. A coroutine of the loop,
// its receiver, takes them. The lock guards the inbox and the two counts.
struct loop {
    pthread_t thread;
    struct co *receiver;
    pthread_mutex_t lock;
    int *inbox;  // a ring buffer with places for all clients of the server
    unsigned added_count, taken_count;
};

static int loop_count = 2;
static const struct option_rule own_options[] = {
    {"loops", "N", "threads with a loop each", .number = &loop_count, 1, 64},
    {0},
};
static struct options options = {.model = "multiloop",
                                 .own = {co_net_options, own_options}};
static int listener;
static sem_t slots;       // Free slots, except that of the next client.
static sem_t open_loops;  // Loops that can take clients.
static struct loop *loops;
static unsigned inbox_size;

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
    sem_post(&slots);
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

// Adds a client to the inbox of a loop. Wakes the receiver while it holds the
// lock. Without the lock, the receiver could take NO_MORE and end first, and
// this function would wake a freed coroutine.
static void add_client(struct loop *loop, int client)
{
    pthread_mutex_lock(&loop->lock);
    loop->inbox[loop->added_count++ % inbox_size] = client;
    co_wake_async(loop->receiver);
    pthread_mutex_unlock(&loop->lock);
}

// Takes the client that has waited longest. Returns false if there is none.
static bool take_client(struct loop *loop, int *client)
{
    pthread_mutex_lock(&loop->lock);
    bool available = loop->taken_count != loop->added_count;
    if (available)
        *client = loop->inbox[loop->taken_count++ % inbox_size];
    pthread_mutex_unlock(&loop->lock);
    return available;
}

// Runs in the first coroutine of a loop, its receiver: starts a coroutine for
// each client, until it takes NO_MORE.
static void receive_clients(void *arg)
{
    struct loop *loop = arg;
    int client = 0;
    loop->receiver = co_self();
    sem_post(&open_loops);
    while (client != NO_MORE)
        if (!take_client(loop, &client))
            co_park();
        else if (client != NO_MORE)
            start_client(client);
}

static void *loop_main(void *arg)
{
    co_net_run(receive_clients, arg);
    return NULL;
}

// Starts the threads, and blocks until all loops can take clients.
static void open_all_loops(void)
{
    inbox_size = (unsigned)options.clients_max + 1;  // One for NO_MORE.
    loops = server_allocate(loop_count, sizeof *loops);
    for (int i = 0; i < loop_count; i++) {
        struct loop *loop = &loops[i];
        loop->inbox = server_allocate((int)inbox_size, sizeof *loop->inbox);
        pthread_mutex_init(&loop->lock, NULL);
        errno = pthread_create(&loop->thread, NULL, loop_main, loop);
        server_require(errno == 0, "pthread_create");
    }
    threads_sem_wait_for(&open_loops, loop_count);
}

// LESSON shared-nothing: one thread accepts the clients and gives them to the
// loops round-robin. If each loop had a listener (SO_REUSEPORT, see socket(7)),
// this thread would not be needed. But then the kernel would choose a loop by a
// hash. Some loops would get more clients than others, and clients of a full
// loop would wait while other loops have free slots.
static void serve_clients(void)
{
    int client, next = 0;
    while ((client = net_accept(listener)) >= 0) {
        net_set_nonblocking(client);
        add_client(&loops[next], client);
        next = (next + 1) % loop_count;
        threads_sem_wait(&slots);
    }
    for (int i = 0; i < loop_count; i++)
        add_client(&loops[i], NO_MORE);
    for (int i = 0; i < loop_count; i++)
        pthread_join(loops[i].thread, NULL);
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    unsigned slot_count = (unsigned)options.clients_max - 1;
    server_require(sem_init(&slots, 0, slot_count) == 0 &&
                       sem_init(&open_loops, 0, 0) == 0,
                   "sem_init");
    open_all_loops();
    server_ready();
    serve_clients();
    return report_summary();  // Reached after SIGTERM: see common/server.c.
}

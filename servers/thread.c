// thread.c - one thread per client.
//
// Model     the main thread accepts; each client gets a thread of its own
// Blocks    the main thread in accept(), each client's thread in recv()
// Strength  cheaper than a process, and the client code does not change
// Weakness  one address space: one wild pointer can crash the whole server
//
// What changed from fork.c: the threads share all descriptors, so one close()
// is enough. Nothing must be reaped. A semaphore counts the free slots. Next:
//     diff -u servers/blocking.c servers/nonblocking.c

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/net.h"
#include "common/server.h"
#include "common/threads.h"

static struct options options = {.model = "thread", .stack_kib = 64};
static int listener;
static sem_t slots;  // Free slots, except that of the next client.

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

static void *client_main(void *arg)
{
    serve_client((int)(intptr_t)arg);
    sem_post(&slots);
    return NULL;
}

static void start_client(int client)
{
    // LESSON pass-by-value: the pointer holds the descriptor. &client would be
    // a race: start_client() may return before the thread reads it.
    void *arg = (void *)(intptr_t)client;
    pthread_t thread;
    while ((errno = pthread_create(&thread, &threads_attributes, client_main,
                                   arg)) != 0)
        if (!net_backoff("pthread_create")) {
            client_main(arg);  // The server stops: serve this client here.
            return;
        }
    pthread_detach(thread);
}

static void serve_clients(void)
{
    int client;
    while ((client = net_accept(listener)) >= 0) {
        start_client(client);
        threads_sem_wait(&slots);
    }
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    int slot_count = options.clients_max - 1;
    server_require(sem_init(&slots, 0, (unsigned)slot_count) == 0, "sem_init");
    server_ready();
    serve_clients();
    // LESSON drain: after SIGTERM (common/server.c) every recv() returns what
    // has arrived, and then 0. So every thread ends, and frees its slot.
    threads_sem_wait_for(&slots, slot_count);
    return report_summary();
}

// thread.c - one thread per client.
//
// Model     the main thread accepts; each client gets a thread of its own
// Waits     the main thread in accept(), every other in recv() for its client
// Strength  cheaper than a process, and the client code does not change
// Weakness  one address space: one wild pointer takes every client down
//
// What changed from fork.c: threads share everything, descriptors too, so there
// is one close() and nobody to bury; a semaphore counts them. Next:
//     diff -u servers/blocking.c servers/nonblocking.c

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net.h"
#include "common/report.h"
#include "common/startup.h"
#include "common/stop.h"

static struct options opt = {.model = "thread", .stack_kib = 64};
static int listener;
static sem_t slots;  // How many clients we may still take.
static pthread_attr_t attributes;

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

static void *client_thread(void *arg)
{
    int client = (int)(intptr_t)arg;

    serve_client(client);
    net_hang_up(client);
    sem_post(&slots);
    return NULL;
}

static void start_thread(int client)
{
    // LESSON pass-by-value: the descriptor travels inside the pointer. Passing
    // &client would race: the next accept() overwrites the variable, perhaps
    // before this thread has read it.
    void *arg = (void *)(intptr_t)client;
    pthread_t thread;

    while ((errno = pthread_create(&thread, &attributes, client_thread, arg)) !=
           0) {
        if (net_retry_later("pthread_create"))
            continue;
        shutdown(client, SHUT_RD);
        client_thread(arg);  // No time left to wait: serve it here.
        break;
    }
}

static void take_slot(void)
{
    while (sem_wait(&slots) != 0)
        ;  // A signal: end_waits() has posted.
}

// Waits until there is room for one more client, and then for the client.
// Returns -1 when the server is stopping.
static int next_client(void)
{
    take_slot();
    return net_accept(listener);
}

static void end_waits(void)
{
    shutdown(listener, SHUT_RDWR);
    sem_post(&slots);  // The main thread may be waiting for one.
}

int main(int argc, char **argv)
{
    listener = startup(&opt, argc, argv);
    size_t stack_size = (size_t)opt.stack_kib * 1024;
    if (sem_init(&slots, 0, (unsigned)opt.clients_max) != 0 ||
        (errno = pthread_attr_init(&attributes)) != 0 ||
        (errno = pthread_attr_setstacksize(&attributes, stack_size)) != 0 ||
        (errno = pthread_attr_setdetachstate(&attributes,
                                             PTHREAD_CREATE_DETACHED)) != 0)
        startup_failed("thread");
    startup_ready(listener, end_waits);

    int client, highest = listener;
    while ((client = next_client()) >= 0) {
        highest = client > highest ? client : highest;
        start_thread(client);
    }

    // LESSON drain: threads share the table of descriptors, and all sockets
    // above the listener are clients. recv() returns what has arrived, then 0,
    // and the thread ends. We hold one slot and end_waits() made one: when as
    // many as there were at first are back, all threads have.
    for (int fd = listener + 1; fd <= highest; fd++)
        shutdown(fd, SHUT_RD);
    for (int i = 0; i < opt.clients_max; i++)
        take_slot();
    return report_summary();
}

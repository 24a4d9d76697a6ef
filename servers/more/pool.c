// pool.c - a fixed number of threads, and a queue of clients for them.
//
// Model     --max-clients threads, started first; each takes one after another
// Waits     the main thread in accept(), every other for a client, or for its
// Strength  no thread to start per client, and never more than were meant
// Weakness  with as many silent clients as threads, nobody else is served
//
// What changed from thread.c: the threads come first, and the clients wait for
// one in a queue. Next: diff -u servers/fork.c servers/more/prefork.c

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/net.h"
#include "../common/report.h"
#include "../common/startup.h"
#include "../common/stop.h"

enum { QUEUE_SIZE = 16, NO_MORE = -1 };

static struct options opt = {
    .model = "pool", .stack_kib = 64, .clients_max = 64};
static int listener, thread_count;
static pthread_t *threads;
static sem_t slots, waiting;  // Free places in the queue, clients in it.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int queue[QUEUE_SIZE];  // Guarded by `lock`, as the next two.
static unsigned put_count, taken_count;

static bool next_reply(int client, struct session *s)
{
    while (!session_answer(s)) {
        if (session_over(s))
            return false;
        ssize_t got = net_recv(client, session_space(s), session_room(s));
        if (got < 0)
            return false;  // The connection broke.
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

static void take(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        ;  // A signal: end_waits() has posted.
}

static void put_client(int client)
{
    pthread_mutex_lock(&lock);
    queue[put_count++ % QUEUE_SIZE] = client;
    pthread_mutex_unlock(&lock);
    sem_post(&waiting);
}

static int take_client(void)
{
    take(&waiting);
    pthread_mutex_lock(&lock);
    int client = queue[taken_count++ % QUEUE_SIZE];
    pthread_mutex_unlock(&lock);
    sem_post(&slots);
    return client;
}

static void *client_thread(void *arg)
{
    (void)arg;
    for (int client; (client = take_client()) != NO_MORE;) {
        serve_client(client);
        net_hang_up(client);
    }
    return NULL;
}

static void start_threads(pthread_attr_t *attributes)
{
    do {
        while (thread_count < opt.clients_max &&
               (errno = pthread_create(&threads[thread_count], attributes,
                                       client_thread, NULL)) == 0)
            thread_count++;
    } while (errno != 0 && net_retry_later("pthread_create") &&
             thread_count == 0);  // Fewer will do, but none will not.
}

// LESSON full-queue: when the queue is full, nobody accepts, and the kernel's
// fills up (--backlog), and then it drops who comes: they try again after 1 s,
// 3 s, 7 s. A queue without an end would take them all, for ever later.
static int next_client(void)
{
    take(&slots);
    return net_accept(listener);
}

static void end_waits(void)
{
    shutdown(listener, SHUT_RDWR);
    sem_post(&slots);  // The main thread may be waiting for one.
}

int main(int argc, char **argv)
{
    pthread_attr_t attributes;
    listener = startup(&opt, argc, argv);
    threads = calloc((size_t)opt.clients_max, sizeof *threads);
    size_t stack_size = (size_t)opt.stack_kib * 1024;
    if (threads == NULL || sem_init(&slots, 0, QUEUE_SIZE) != 0 ||
        sem_init(&waiting, 0, 0) != 0 ||
        (errno = pthread_attr_init(&attributes)) != 0 ||
        (errno = pthread_attr_setstacksize(&attributes, stack_size)) != 0)
        startup_failed("pool");
    start_threads(&attributes);
    startup_ready(listener, end_waits);
    int client, highest = listener;
    while ((client = next_client()) >= 0) {
        highest = client > highest ? client : highest;
        put_client(client);
    }
    for (int fd = listener + 1; fd <= highest; fd++)
        shutdown(fd, SHUT_RD);
    for (int i = 0; i < thread_count; i++) {
        take(&slots);
        put_client(NO_MORE);  // Behind all clients.
    }
    for (int i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    return report_summary();
}

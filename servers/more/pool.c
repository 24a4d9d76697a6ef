// pool.c - a fixed number of threads, and a queue of clients for them.
//
// Model     --max-clients threads; each takes clients from a queue, one by one
// Blocks    the main thread in accept(), a thread in sem_wait() or in recv()
// Strength  no thread to start per client, and never more threads than planned
// Weakness  with as many idle clients as threads, no other client is served
//
// What changed from thread.c: the server starts its threads before the first
// client, and clients wait for a thread in a queue. Next:
//     diff -u servers/fork.c servers/more/prefork.c

#include <errno.h>
#include <stdbool.h>

#include "../common/net.h"
#include "../common/server.h"
#include "../common/threads.h"

enum { QUEUE_SIZE = 16, NO_MORE = -1 };

static struct options options = {
    .model = "pool", .stack_kib = 64, .clients_max = 64};
static int listener;
static pthread_t *threads;  // The first thread_count are in use.
static int thread_count;
static sem_t slots;    // Free places in the queue, except one: see main().
static sem_t waiting;  // Clients in the queue.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int queue[QUEUE_SIZE];  // The lock guards this and the two counts.
static unsigned added_count, taken_count;

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

// Adds a client to the queue. Then blocks until the queue has a place for the
// next client.
static void add_client(int client)
{
    pthread_mutex_lock(&lock);
    queue[added_count++ % QUEUE_SIZE] = client;
    pthread_mutex_unlock(&lock);
    sem_post(&waiting);
    threads_sem_wait(&slots);
}

// Takes the client that has waited longest. Blocks while there is none.
static int take_client(void)
{
    threads_sem_wait(&waiting);
    pthread_mutex_lock(&lock);
    int client = queue[taken_count++ % QUEUE_SIZE];
    pthread_mutex_unlock(&lock);
    sem_post(&slots);
    return client;
}

static void *thread_main(void *arg)
{
    (void)arg;
    int client;
    while ((client = take_client()) != NO_MORE)
        serve_client(client);
    return NULL;
}

// Starts --max-clients threads, or as many as the system allows: at least one.
static void start_threads(void)
{
    while (thread_count < options.clients_max) {
        errno = pthread_create(&threads[thread_count], &threads_attributes,
                               thread_main, NULL);
        if (errno == 0)
            thread_count++;
        else if (thread_count > 0 || !net_backoff("pthread_create"))
            return;
    }
}

// LESSON full-queue: when the queue is full, the main thread does not accept.
// Then the accept queue of the kernel fills up (--backlog). When this is full,
// too, the kernel ignores new connections, and the clients try again after a
// second. With an unlimited queue, the server would accept all clients, and
// each would wait longer than the one before.
static void serve_clients(void)
{
    int client;
    while ((client = net_accept(listener)) >= 0)
        add_client(client);
    for (int i = 0; i < thread_count; i++)
        add_client(NO_MORE);  // After all clients that were accepted.
    for (int i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    threads = server_allocate(options.clients_max, sizeof *threads);
    // The main thread reserves a place in the queue before it accepts a client.
    // The - 1 reserves the place of the first client.
    server_require(sem_init(&slots, 0, QUEUE_SIZE - 1) == 0 &&
                       sem_init(&waiting, 0, 0) == 0,
                   "sem_init");
    start_threads();
    server_ready();
    serve_clients();
    return report_summary();  // Reached after SIGTERM: see common/server.c.
}

// gil.c - a thread per client, and one lock around all computing, as in Python.
//
// Model     thread.c, but a thread computes only while it holds the one lock
// Blocks    where thread.c does; in take_lock() while another thread computes
// Strength  data that threads use only while they compute need no other lock
// Weakness  one core only, and a short request waits 5 ms for a long one
//
// What changed from thread.c: a thread computes only in answer(), which takes
// the lock. The rules are those of CPython since version 3.2. Next:
//     diff -u servers/thread.c servers/more/gil.c

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../fib/fib.h"
#include "../common/net.h"
#include "../common/server.h"
#include "../common/threads.h"

enum {
    SWITCH_INTERVAL_MS = 5,  // CPython's default: sys.getswitchinterval()
    CHECK_N = 15,            // below this, fib(n) takes only about 1 us
};

static struct options options = {.model = "gil", .stack_kib = 64};
static int listener;
static sem_t slots;  // Free slots, except that of the next client.

// The lock. The mutex guards its parts, and no thread holds the mutex for long.
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t dropped, taken = PTHREAD_COND_INITIALIZER;
static bool held;
static unsigned long turn;          // How often the lock was taken.
static atomic_bool drop_requested;  // Read without the mutex, too.

// Blocks until the lock is dropped, but at most SWITCH_INTERVAL_MS. Returns
// false if one thread has held the lock for all of this time.
static bool wait_for_drop(void)
{
    int64_t until_ns = clock_now_ns() + SWITCH_INTERVAL_MS * (int64_t)NS_PER_MS;
    const struct timespec until = {until_ns / NS_PER_S, until_ns % NS_PER_S};
    unsigned long seen = turn;
    return pthread_cond_timedwait(&dropped, &mutex, &until) != ETIMEDOUT ||
           turn != seen;
}

// LESSON switch-interval: a thread that finds the lock held waits for 5 ms
// before it asks the holder to drop the lock. So a reply that takes 1 us to
// compute may come after 5 ms, even if a second core is idle.
static void take_lock(void)
{
    pthread_mutex_lock(&mutex);
    while (held)
        if (!wait_for_drop())
            drop_requested = true;
    held = true;
    turn++;
    drop_requested = false;
    pthread_cond_signal(&taken);
    pthread_mutex_unlock(&mutex);
}

// LESSON forced-switch: if a thread has asked for the lock, the holder drops
// the lock and blocks until another thread has taken it. Otherwise the holder
// could take the lock again at once. But this is unfair to short requests: a
// short one drops the lock after 1 us, and then a long one holds it for 5 ms.
static void drop_lock(void)
{
    pthread_mutex_lock(&mutex);
    unsigned long own_turn = turn;
    held = false;
    pthread_cond_signal(&dropped);
    while (drop_requested && turn == own_turn)
        pthread_cond_wait(&taken, &mutex);
    pthread_mutex_unlock(&mutex);
}

// Computes fib(n) in parts. Between two parts, checks whether another thread
// has asked for the lock, as Python's interpreter does between instructions.
static uint64_t interruptible_fib(unsigned n)
{
    if (atomic_load_explicit(&drop_requested, memory_order_relaxed)) {
        drop_lock();
        take_lock();
    }
    if (n < CHECK_N)
        return fib(n);
    return interruptible_fib(n - 1) + interruptible_fib(n - 2);
}

static bool answer(struct session *s)
{
    take_lock();
    bool answered = session_answer(s);
    drop_lock();
    return answered;
}

// Receives until a complete request has arrived, and writes its reply into `s`.
// Returns false once the conversation is over.
static bool next_reply(int client, struct session *s)
{
    while (!answer(s))
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

// Prepares the lock. The condition variable `dropped` measures time by the
// clock of clock_now_ns().
static void prepare_lock(void)
{
    pthread_condattr_t attributes;
    errno = pthread_condattr_init(&attributes);
    if (errno == 0)
        errno = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (errno == 0)
        errno = pthread_cond_init(&dropped, &attributes);
    server_require(errno == 0, "pthread_cond_init");
    options.rules.fib = interruptible_fib;
}

int main(int argc, char **argv)
{
    listener = server_open(&options, argc, argv);
    int slot_count = options.clients_max - 1;
    server_require(sem_init(&slots, 0, (unsigned)slot_count) == 0, "sem_init");
    prepare_lock();
    server_ready();
    serve_clients();
    threads_sem_wait_for(&slots, slot_count);
    return report_summary();  // Reached after SIGTERM: see common/server.c.
}

// owed.c - the replies that a stopping server owes its clients, in hard cases.

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tap.h"
#include "await.h"
#include "conversation.h"
#include "peer.h"
#include "resources.h"
#include "subject.h"

enum {
    SLOTS = 2,
    QUEUED = 30,  // more than any model accepts when all slots are taken
    SLOW_SIZE = 5000,
    SLOW_PIECES = 60,  // read slowly, the rest as fast as possible
    SLOW_PAUSE_MS = 100,
    SIGNAL_TRIES = 5,
};

// Starts a server and connects a client. Returns false, after recording a
// failed check, if the server does not start.
static bool start_with_client(struct server *s, struct peer *p)
{
    const char *arguments[] = {"--quiet", NULL};
    return subject_start_with(p, s, arguments);
}

// Sends an expensive request and waits until the server has received it.
// Returns whether it has.
static bool send_expensive(struct peer *p)
{
    return peer_say(p, subject_request(0).line) && await_received(p);
}

// ---- Accepted clients that wait for a slot

// Returns whether the client receives the reply to "20\n" and then the end of
// the stream.
static bool is_answered(struct peer *p)
{
    return peer_hears(p, "fib: 6765\n") && peer_hears(p, "");
}

static void check_full_queues(void)
{
    static struct peer peers[SLOTS + QUEUED];
    const char *arguments[] = {"--max-clients", "2", "--quiet", NULL};
    struct server s;
    bool accepted[SLOTS + QUEUED];
    bool connected = true;
    int owed = 0, answered = 0;
    if (!subject_start(&s, arguments))
        return;
    for (int i = 0; i < SLOTS + QUEUED; i++)
        connected = peer_connect(&peers[i], s.port) &&
                    (i < SLOTS || peer_say(&peers[i], "20\n")) && connected;
    connected = connected && subject_await_full(&s, peers, SLOTS);
    for (int i = 0; i < SLOTS + QUEUED; i++)
        accepted[i] = peer_is_accepted(&peers[i]);
    int status = server_end(&s, SIGTERM);
    for (int i = SLOTS; i < SLOTS + QUEUED; i++) {
        owed += accepted[i];
        answered += accepted[i] && is_answered(&peers[i]);
    }
    ok(connected && status == 0 && answered == owed,
       "with all slots taken, every client it has accepted is answered"
       " (%d of %d)",
       answered, owed);
    for (int i = 0; i < SLOTS + QUEUED; i++)
        peer_close(&peers[i]);
}

// ---- A client that reads slowly, but steadily

// Sends requests and reads no replies, until the server receives no more.
// Returns false on an error. The requests are invalid, because error messages
// are long: few of them fill the server's send buffer.
static bool fill(const struct server *s, struct peer *p)
{
    static char requests[1 << 16];
    int refused = 0;
    for (size_t i = 0; i < sizeof requests; i++)
        requests[i] = i % 2 == 0 ? 'x' : '\n';
    while (refused < 2) {
        // If the last piece ended after 'x', begin with the newline.
        size_t cut = p->sent % 2;
        ssize_t n = send(p->fd, requests + cut, sizeof requests - cut,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            return false;
        p->sent += n > 0 ? (size_t)n : 0;
        // When the buffers are full, wait until the server is stuck and try
        // once more.
        refused = n < 0 ? refused + 1 : 0;
        if (refused == 1 && !subject_await_stuck(s, p))
            return false;
    }
    return true;
}

// Receives replies until the end of the stream or a reset; returns how many.
// Reads slowly at first: a piece every 100 ms, so that its kernel opens the
// window only every few seconds. After a longer pause it catches up, because a
// server gives up a client that makes no progress. A reset comes if the server
// has closed while requests are still in flight.
static size_t read_slowly(struct peer *p)
{
    static char replies[SLOW_SIZE];
    size_t count = 0;
    ssize_t n = 1;
    int64_t due_ms = now_ms();
    for (int i = 0; n > 0; i++) {
        n = recv(p->fd, replies, sizeof replies, MSG_WAITALL);
        for (ssize_t j = 0; j < n; j++)
            count += replies[j] == '\n';
        due_ms += SLOW_PAUSE_MS;
        int64_t early_ms = due_ms - now_ms();
        if (i < SLOW_PIECES && early_ms > 0)
            sleep_ms((int)early_ms);
    }
    return count;
}

static void check_slow_reader(void)
{
    struct server s;
    struct peer p;
    if (!start_with_client(&s, &p))
        return;
    bool asked = fill(&s, &p);
    size_t owed = peer_arrived(&p) / 2;
    kill(s.pid, SIGTERM);
    size_t received = read_slowly(&p);
    int status = server_wait(&s);
    ok(asked && status == 0 && owed > 0 && received >= owed,
       "a client that reads slowly gets all replies it is owed (%zu of %zu)",
       received, owed);
    ok(strstr(s.out_text, "not delivered") == NULL,
       "the server reports none of these as not delivered");
    peer_close(&p);
}

// Checks that the server gives up a client that never reads, and reports the
// replies that it could not deliver.
static void check_no_reader(void)
{
    struct server s;
    struct peer p;
    if (!start_with_client(&s, &p))
        return;
    bool asked = fill(&s, &p);
    int status = server_end(&s, SIGTERM);
    ok(asked && status == 0 && strstr(s.out_text, "not delivered") != NULL,
       "it reports what it could not deliver to a client that never reads");
    peer_close(&p);
}

// Checks that the server does not wait for a client that has closed its
// connection. The client's kernel answers the reply with a reset.
static void check_gone(void)
{
    struct server s;
    struct peer p;
    if (!start_with_client(&s, &p))
        return;
    bool asked = send_expensive(&p);
    peer_close(&p);
    int status = server_end(&s, SIGTERM);
    ok(asked && status == 0 && strstr(s.out_text, "not delivered") == NULL,
       "it does not wait for a client that has closed before its reply");
}

// Checks that the server neither waits for a client that has reset its
// connection nor counts its replies as not delivered.
static void check_reset(void)
{
    struct server s;
    struct peer p;
    if (!start_with_client(&s, &p))
        return;
    bool asked = fill(&s, &p);
    kill(s.pid, SIGSTOP);  // The reset arrives before the server sees SIGTERM.
    peer_reset(&p);
    kill(s.pid, SIGTERM);
    kill(s.pid, SIGCONT);
    int status = server_wait(&s);
    ok(asked && status == 0 && strstr(s.out_text, "not delivered") == NULL,
       "it does not wait for a client that has reset its connection");
}

// ---- Signals

// Stops a server by three signals at the same time, while it computes. Returns
// whether it answers the request and exits with status 0, as after one signal.
static bool ends_as_after_one(void)
{
    struct server s;
    struct peer p;
    if (!start_with_client(&s, &p))
        return false;
    bool asked = send_expensive(&p);
    kill(s.pid, SIGTERM);
    kill(s.pid, SIGINT);
    int status = server_end(&s, SIGTERM);
    bool answered = peer_hears(&p, subject_request(0).reply);
    peer_close(&p);
    return asked && status == 0 && answered;
}

// Checks that several signals in a short time count as one request to stop.
// `timeout` and terminals send a signal to a process and again to its group.
// If the machine is busy, the handler for one of them may run so late that it
// counts as a second request. Then the check tries again.
static void check_two_signals(void)
{
    bool is_one = false;
    for (int i = 0; i < SIGNAL_TRIES && !is_one; i++)
        is_one = ends_as_after_one();
    ok(is_one, "three signals at the same time count as one");
}

static void check_signal_to_child(void)
{
    struct server s;
    struct peer p;
    if (!start_with_client(&s, &p))
        return;
    bool asked = peer_asks(&p, "1\n", "fib: 1\n");
    pid_t child = server_child(&s);
    if (child > 0) {
        kill(child, SIGTERM);
        ok(asked && server_await_reaped(&s, child) && is_served(&s),
           "a signal to a child ends no other process");
    }
    peer_close(&p);
    server_stop(&s, "after a signal to a child");
}

// Checks that a signal that another process has sent, with a value that is no
// descriptor, does no harm to a server that learns of clients by signals.
static void check_foreign_signal(void)
{
    const union sigval value = {.sival_int = INT_MAX};
    struct server s;
    struct peer p;
    if (!subject.gets_signals || !start_with_client(&s, &p))
        return;
    sigqueue(s.pid, SIGRTMIN, value);
    ok(server_await_rest(&s) && peer_asks(&p, "1\n", "fib: 1\n"),
       "a signal of another process does no harm");
    peer_close(&p);
    server_stop(&s, "after a signal of another process");
}

void test_owed(void)
{
    static void (*const checks[])(void) = {
        check_slow_reader,     check_no_reader,     check_gone,
        check_reset,           check_full_queues,   check_two_signals,
        check_signal_to_child, check_foreign_signal};
    subject_measure();
    tap_side_by_side(checks, sizeof checks / sizeof checks[0]);
}

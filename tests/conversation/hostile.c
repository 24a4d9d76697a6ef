// hostile.c - clients that send garbage, never read, disconnect or stay idle.

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../tap.h"
#include "await.h"
#include "conversation.h"
#include "peer.h"
#include "resources.h"
#include "subject.h"

enum {
    RESETS = 200,
    IMPATIENT = 20,
    REPLIES = 50,  // to the first client, while the second waits
    BUFFER_SIZE = 16 << 10,
    FLOOD_MAX = 64 << 20,  // bytes; a server must stop receiving before that
    GARBAGE_CLIENTS = 50,
};

static const char refusal[] = "error: not a number (want 1 to 45)\n";
static const char too_long[] = "error: line too long (want 1 to 45)\n";

// Returns whether the next line is the error message `words`. A server that is
// not one of ours may word its errors differently, so any error message will
// do.
static bool is_refused(struct peer *p, const char *words)
{
    return subject.has_runtime ? peer_hears_error(p) : peer_hears(p, words);
}

// Sends subject_request(less) `count` times, in one piece.
static bool say_often(struct peer *p, int less, int count)
{
    struct request request = subject_request(less);
    char text[64] = "";
    for (size_t len = 0; count > 0; count--)
        len +=
            (size_t)snprintf(text + len, sizeof text - len, "%s", request.line);
    return peer_say(p, text);
}

static void check_resets(const struct server *s)
{
    struct peer p;
    for (int i = 0; i < RESETS && peer_connect(&p, s->port); i++) {
        // The client resets with replies outstanding, after half a request, or
        // without a request.
        if (i % 3 == 0)
            say_often(&p, 16, 4);
        else
            peer_say(&p, i % 3 == 1 ? "2" : "");
        peer_reset(&p);
    }
    ok(is_served(s), "%d clients that reset their connection do no harm",
       RESETS);

    bool asked =
        peer_connect(&p, s->port) && say_often(&p, 4, 3) && await_received(&p);
    peer_reset(&p);
    ok(asked && is_served(s),
       "a client that resets it while the server computes does no harm");
}

// Checks that the server survives clients that close before they read. The
// client's kernel answers the first reply with a reset. The second reply then
// fails with EPIPE, and SIGPIPE ends a server that does not ignore it.
static void check_impatient(const struct server *s)
{
    struct peer p;
    int asked = 0;
    for (int i = 0; i < IMPATIENT; i++) {
        asked += peer_connect(&p, s->port) && say_often(&p, 16, 8);
        peer_close(&p);
    }
    ok(asked == IMPATIENT && is_served(s),
       "%d clients that close before their replies do no harm", IMPATIENT);
}

// Checks that a server that serves one client at a time does not receive the
// request of a second client while the first one is connected.
static void check_behind_idle(const struct server *s)
{
    static const char request[] = "10\n";
    struct peer idle, other;
    bool connected = peer_connect(&idle, s->port) && await_accepted(&idle) &&
                     peer_connect(&other, s->port) && peer_say(&other, request);
    int replies = 0;
    while (connected && replies < REPLIES &&
           peer_asks(&idle, "1\n", "fib: 1\n"))
        replies++;
    ok(replies == REPLIES && !peer_has_heard(&other) &&
           peer_unreceived(&other) == strlen(request),
       "behind an idle client, the next one waits");
    peer_close(&idle);
    ok(peer_hears(&other, "fib: 55\n"),
       "when the idle client leaves, the next one is served");
    peer_close(&other);
}

static void check_beside_idle(const struct server *s)
{
    struct peer idle;
    bool connected = peer_connect(&idle, s->port) && await_accepted(&idle);
    ok(connected && is_served(s),
       "beside an idle client, another one is served");
    peer_close(&idle);
}

// Sends requests and reads no replies, until the server receives no more.
// Returns how many bytes were sent. The requests are invalid, because error
// messages are long: few of them fill the server's send buffer.
static long flood(const struct server *s, struct peer *p)
{
    static char requests[1 << 16];
    long taken = 0;
    ssize_t sent = 0;

    for (size_t i = 0; i < sizeof requests; i++)
        requests[i] = i % 2 == 0 ? 'x' : '\n';
    while (taken < FLOOD_MAX &&
           (sent >= 0 || (errno == EAGAIN && !subject_is_stuck(s, p)))) {
        // If the last piece ended after 'x', begin with the newline.
        size_t cut = (size_t)taken % 2;
        sent = send(p->fd, requests + cut, sizeof requests - cut,
                    MSG_NOSIGNAL | MSG_DONTWAIT);
        taken += sent > 0 ? sent : 0;
    }
    return taken;
}

// Floods the server with requests and resets the connection. Returns false if
// it cannot connect.
static bool flood_and_vanish(const struct server *s)
{
    struct peer p;
    bool connected = peer_connect_with(&p, s->port, BUFFER_SIZE);
    flood(s, &p);
    peer_reset(&p);
    return connected;
}

static void flood_again(const struct server *s)
{
    flood_and_vanish(s);
}

static void check_no_reader(const struct server *s)
{
    struct peer p, other;
    struct resources before = subject_resources(s);
    bool connected = peer_connect_with(&p, s->port, BUFFER_SIZE);
    long taken = flood(s, &p);
    ok(connected && taken < FLOOD_MAX,
       "from a client that never reads, the server stops reading");
    subject_check_memory(s, before.resident_kib, 4096, flood_again,
                         "a client that never reads takes no memory");
    bool waiting = subject.one_at_a_time && peer_connect(&other, s->port) &&
                   peer_say(&other, "10\n");
    if (!subject.one_at_a_time)
        ok(is_served(s),
           "beside a client that never reads, another one is served");

    // Now the client reads. It must get a reply to every complete request that
    // it has sent.
    long answered = 0;
    peer_finish(&p);
    while (answered < taken / 2 && is_refused(&p, refusal))
        answered++;
    ok(answered == taken / 2,
       "when such a client reads at last, no reply is missing");
    peer_close(&p);
    if (subject.one_at_a_time) {
        ok(waiting && peer_hears(&other, "fib: 55\n"),
           "after such a client, the next one is served");
        peer_close(&other);
    }
}

static void check_no_reader_leaves(const struct server *s)
{
    bool connected = flood_and_vanish(s);
    ok(connected && is_served(s),
       "a client that never reads, and vanishes, does no harm");
}

static void check_endless_line(const struct server *s)
{
    struct resources before = subject_resources(s);
    struct peer p;
    ok(subject_send_long_line(s, &p, '7'), "it receives a line of %d MB",
       LONG_LINE_MEGABYTES);
    subject_check_memory(s, before.resident_kib, 1024,
                         subject_send_another_line,
                         "a line without an end takes no memory");
    ok(peer_say(&p, "\n10\n") && is_refused(&p, too_long) &&
           peer_hears(&p, "fib: 55\n"),
       "after a long line, the connection stays usable");
    peer_close(&p);
}

static void check_garbage(const struct server *s)
{
    srand(1);
    for (int i = 0; i < GARBAGE_CLIENTS; i++) {
        struct peer p;
        char bytes[2000];
        size_t len = (size_t)rand() % sizeof bytes;
        for (size_t at = 0; at < len; at++)
            bytes[at] =
                (char)(rand() % 3 == 0 ? "\n\r1 "[rand() % 4] : rand() % 256);
        if (!peer_connect(&p, s->port))
            break;
        peer_send(&p, bytes, len);
        i % 2 == 0 ? peer_reset(&p) : peer_close(&p);
    }
    ok(is_served(s), "%d clients that send garbage do no harm",
       GARBAGE_CLIENTS);
}

void test_hostile_clients(void)
{
    struct server s;
    const char *arguments[] = {"--quiet", NULL};
    subject_measure();
    if (!subject_start(&s, arguments))
        return;
    struct resources fresh = subject_resources(&s);
    fresh.threads = INT_MAX;  // Some models keep the threads they have started.
    check_resets(&s);
    check_impatient(&s);
    subject.one_at_a_time ? check_behind_idle(&s) : check_beside_idle(&s);
    check_no_reader(&s);
    check_no_reader_leaves(&s);
    check_endless_line(&s);
    check_garbage(&s);
    ok(server_settle(&s, &fresh).descriptors <= fresh.descriptors,
       "hostile clients leave no descriptor behind");
    server_stop(&s, "after the hostile clients");
}

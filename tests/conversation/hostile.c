// hostile.c - clients that are rude, broken or asleep.

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../tap.h"
#include "conversation.h"
#include "peer.h"
#include "server.h"

enum {
    RESETS = 200,
    IMPATIENT = 20,
    QUIET_MS = 300,
    BUFFER_SIZE = 16 << 10,
    FLOOD_MAX = 64 << 20,  // what a flooded server must not take
    GARBAGE_CLIENTS = 50,
    LINE_MEGABYTES = 8,
};

static bool is_served(const struct server *s)
{
    struct peer p;
    bool served =
        peer_connect(&p, s->port) && peer_asks(&p, "10\n", "fib: 55\n");
    peer_close(&p);
    return served;
}

static void check_resets(const struct server *s)
{
    struct peer p;
    for (int i = 0; i < RESETS && peer_connect(&p, s->port); i++) {
        // With replies under way, half a request, or nothing said at all.
        peer_say(&p, i % 3 == 0 ? "20\n20\n20\n20\n" : i % 3 == 1 ? "2" : "");
        peer_reset(&p);
    }
    ok(is_served(s), "%d clients that reset the connection", RESETS);

    bool asked = peer_connect(&p, s->port) && peer_say(&p, "32\n32\n32\n");
    peer_reset(&p);
    ok(asked && is_served(s), "one that resets it during the work");
}

// The first reply is answered by a reset, and the second finds the connection
// closed for good: that is where SIGPIPE ends an unprepared server.
static void check_impatient(const struct server *s)
{
    struct peer p;
    int asked = 0;
    for (int i = 0; i < IMPATIENT; i++) {
        asked += peer_connect(&p, s->port) &&
                 peer_say(&p, "20\n20\n20\n20\n20\n20\n20\n20\n");
        peer_close(&p);
    }
    ok(asked == IMPATIENT && is_served(s),
       "%d that ask, and leave before the replies", IMPATIENT);
}

static void check_silent(const struct subject *subject, const struct server *s)
{
    struct peer silent, other;
    bool connected = peer_connect(&silent, s->port);
    sleep_ms(50);  // Until the silent one is being served.
    connected =
        connected && peer_connect(&other, s->port) && peer_say(&other, "10\n");
    if (subject->one_at_a_time)
        ok(connected && peer_hears_nothing(&other, QUIET_MS),
           "behind a silent client, the second waits");
    else
        ok(connected && peer_hears(&other, "fib: 55\n"),
           "beside a silent client, the second is served");
    peer_close(&silent);
    if (subject->one_at_a_time)
        ok(peer_hears(&other, "fib: 55\n"), "until the first leaves");
    peer_close(&other);
}

// Sends requests and reads no reply, until the server takes no more. Returns
// how many bytes it took.
static long flood(struct peer *p)
{
    static char requests[1 << 16];
    long taken = 0;
    int64_t stuck_since_ms = now_ms();

    for (size_t i = 0; i < sizeof requests; i++)
        requests[i] = i % 2 == 0 ? '1' : '\n';
    while (taken < FLOOD_MAX && now_ms() - stuck_since_ms < QUIET_MS) {
        size_t cut = (size_t)taken % 2;  // The last piece may end after '1'.
        ssize_t put = send(p->fd, requests + cut, sizeof requests - cut,
                           MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put > 0) {
            taken += put;
            stuck_since_ms = now_ms();
        } else {
            sleep_ms(1);
        }
    }
    return taken;
}

static void check_no_reader(const struct subject *subject,
                            const struct server *s)
{
    struct peer p, other;
    struct resources before = server_resources(s);
    bool connected = peer_connect_with(&p, s->port, BUFFER_SIZE);
    long taken = flood(&p);
    ok(connected && taken < FLOOD_MAX,
       "from a client that never reads, the server stops reading");
    server_check_memory(s, before.resident_kib, 4096,
                        "and its memory stays as it was");
    bool waiting = subject->one_at_a_time && peer_connect(&other, s->port) &&
                   peer_say(&other, "10\n");
    if (!subject->one_at_a_time)
        ok(is_served(s), "and others are served meanwhile");

    // At last it reads: whatever whole requests were taken are answered.
    long answered = 0;
    peer_finish(&p);
    while (peer_line(&p) != NULL && strcmp(p.line, "fib: 1\n") == 0) {
        p.line[0] = '\0';
        answered++;
    }
    ok(answered >= taken / 2, "when it reads at last, no reply is missing");
    peer_close(&p);
    if (subject->one_at_a_time) {
        ok(waiting && peer_hears(&other, "fib: 55\n"),
           "and then the next is served");
        peer_close(&other);
    }
}

static void check_no_reader_leaves(const struct server *s)
{
    struct peer p;
    bool connected = peer_connect_with(&p, s->port, BUFFER_SIZE);
    flood(&p);
    peer_reset(&p);
    ok(connected && is_served(s), "one that never reads, and vanishes");
}

static void check_endless_line(const struct server *s)
{
    static char bytes[1 << 20];
    struct resources before = server_resources(s);
    struct peer p;
    memset(bytes, '7', sizeof bytes);
    bool sent = peer_connect(&p, s->port);
    for (int megabytes = 0; megabytes < LINE_MEGABYTES && sent; megabytes++)
        sent = peer_send(&p, bytes, sizeof bytes);
    ok(sent, "it takes a line of %d MB", LINE_MEGABYTES);
    server_check_memory(s, before.resident_kib, 1024, "in constant memory");
    ok(peer_asks(&p, "\n10\n",
                 "error: line too long (want 1 to 45)\nfib: 55\n"),
       "and the connection stays usable");
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
    ok(is_served(s), "%d clients that send garbage", GARBAGE_CLIENTS);
}

void test_hostile_clients(const struct subject *subject)
{
    struct server s;
    const char *arguments[] = {"--quiet", NULL};
    if (!server_start(&s, subject->path, arguments, NULL))
        return;
    struct resources fresh = server_grown(&s);
    check_resets(&s);
    check_impatient(&s);
    check_silent(subject, &s);
    check_no_reader(subject, &s);
    check_no_reader_leaves(&s);
    check_endless_line(&s);
    check_garbage(&s);
    ok(server_settle(&s, &fresh).descriptors <= fresh.descriptors,
       "no descriptor is left of them");
    server_stop(&s, "none of them did harm");
}

// protocol.c - checks the replies, however the bytes of the requests arrive.

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "await.h"
#include "conversation.h"
#include "peer.h"
#include "resources.h"
#include "subject.h"

enum { PIPELINED = 5000, MANY_MAX = 1000 };

static void check_values(const struct server *s)
{
    struct peer p;
    ok(peer_connect(&p, s->port) &&
           peer_asks(&p, "30\n6\n", "fib: 832040\nfib: 8\n"),
       "two requests in one piece get the right replies");
    ok(peer_asks(&p, "1\n2\n3\n", "fib: 1\nfib: 1\nfib: 2\n"),
       "fib(1), fib(2) and fib(3) are right");
    ok(peer_asks(&p, " 10\t\r\n\t7\n0010\n", "fib: 55\nfib: 13\nfib: 55\n"),
       "blanks, CRLF and leading zeros are accepted");
    peer_close(&p);
}

static void check_bad_lines(const struct server *s)
{
    static const char *const lines[] = {
        "x\n",          "-1\n",
        "+1\n",         "1.5\n",
        "1e1\n",        "0x10\n",
        "1 2\n",        "\n",
        " \n",          "\r\n",
        "0\n",          "46\n",
        "4294967297\n", "18446744073709551617\n",
        "\xff\xfe\n",   "GET / HTTP/1.1\r\n"};
    bool right = true;
    struct peer p;
    right = peer_connect(&p, s->port);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0] && right; i++) {
        right = peer_say(&p, lines[i]) && peer_hears_error(&p) &&
                peer_asks(&p, "10\n", "fib: 55\n");
    }
    right = right && peer_send(&p, "1\0\n", 3) && peer_hears_error(&p);
    ok(right && peer_asks(&p, "10\n", "fib: 55\n"),
       "each invalid line gets one error, and the next line its reply");
    peer_close(&p);
}

static void check_pieces(const struct server *s)
{
    const char *text = "30\n 7\r\nx\n1";
    bool right = true;
    struct peer p;
    right = peer_connect(&p, s->port);
    for (const char *at = text; *at != '\0' && right; at++)
        right = peer_send(&p, at, 1) && await_received(&p);
    peer_finish(&p);
    ok(right && peer_hears(&p, "fib: 832040\n") &&
           peer_hears(&p, "fib: 13\n") && peer_hears_error(&p) &&
           peer_hears(&p, "fib: 1\n") && peer_hears(&p, ""),
       "requests that arrive a byte at a time are answered");
    peer_close(&p);
}

static void check_pipelining(const struct server *s)
{
    static char text[4 * PIPELINED];
    size_t len = 0;
    for (int i = 0; i < PIPELINED; i++)
        len += (size_t)sprintf(text + len, "%d\n", 1 + i % 12);
    static const int values[] = {1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144};

    struct peer p;
    bool right = peer_connect(&p, s->port) && peer_send(&p, text, len);
    for (int i = 0; i < PIPELINED && right; i++) {
        char want[32];
        sprintf(want, "fib: %d\n", values[i % 12]);
        right = peer_hears(&p, want);
    }
    ok(right, "%d pipelined requests are answered in order", PIPELINED);
    peer_close(&p);
}

static void check_long_line(const struct server *s)
{
    struct resources before = subject_resources(s);
    struct peer p;
    bool sent = subject_send_long_line(s, &p, '0');
    // "1\n" on its own would be a request. Here it ends the long line.
    ok(sent && await_received(&p) && peer_say(&p, "1\n") &&
           peer_hears_error(&p) && peer_asks(&p, "10\n", "fib: 55\n"),
       "a line of 8 MB gets one error");
    subject_check_memory(s, before.resident_kib, LONG_LINE_MEGABYTES * 1024 / 2,
                         subject_send_another_line,
                         "a line of 8 MB takes no memory");
    peer_close(&p);
}

static void check_end_of_input(const struct server *s)
{
    struct peer p;
    ok(peer_connect(&p, s->port) && peer_say(&p, "10\n7"),
       "it receives a last request without a newline");
    peer_finish(&p);
    ok(peer_hears(&p, "fib: 55\n") && peer_hears(&p, "fib: 13\n") &&
           peer_hears(&p, ""),
       "after a half-close, all replies come, and then the end");
    peer_close(&p);

    bool right = peer_connect(&p, s->port);
    peer_finish(&p);
    ok(right && peer_hears(&p, ""),
       "a client that sends no request gets no reply");
    peer_close(&p);
}

// Checks that many clients that connect at the same time all get their reply.
// There are MANY_MAX of them, or as many as MANY in the environment says.
static void check_many(const struct server *s)
{
    static struct peer peers[MANY_MAX];
    int count = setting("MANY", MANY_MAX, MANY_MAX);
    int connected = 0, answered = 0;
    // Each client that cannot connect waits for patience_ms().
    while (connected < count && peer_connect(&peers[connected], s->port))
        connected++;
    if (connected < count)
        printf("# client %d cannot connect: %s\n", connected + 1,
               strerror(errno));
    for (int i = 0; i < connected; i++) {
        peer_say(&peers[i], "10\n");
        // Such a server does not serve the next client while it waits for
        // another request of this one.
        if (subject.one_at_a_time || subject.few_at_once)
            peer_finish(&peers[i]);
    }
    while (answered < connected && peer_hears(&peers[answered], "fib: 55\n"))
        answered++;
    ok(connected == count && answered == count,
       "%d clients that connect at once are all answered", count);
    for (int i = 0; i < connected; i++)
        peer_close(&peers[i]);
}

static void check_framing_recv(void)
{
    struct server s;
    struct peer p;
    const char *arguments[] = {"--framing", "recv", "--quiet", NULL};
    if (!subject_start(&s, arguments))
        return;
    ok(peer_connect(&p, s.port) && peer_asks(&p, "30", "fib: 832040\n") &&
           peer_asks(&p, "7", "fib: 13\n"),
       "--framing recv needs no newline");
    ok(peer_say(&p, "7\n7\n") && peer_hears_error(&p),
       "--framing recv takes two requests in one piece for one");
    peer_close(&p);
    server_stop(&s, "--framing recv");
}

// Sends an HTTP request. Returns whether the status line and the body of the
// reply are as given.
static bool asks_http(struct peer *p, const char *text, const char *status,
                      const char *body)
{
    bool right = peer_say(p, text) && peer_hears(p, status);
    while (right &&
           strcmp(peer_line(p) != NULL ? p->line : "\r\n", "\r\n") != 0)
        ;
    return right && peer_hears(p, body);
}

void test_http(void)
{
    struct server s;
    struct peer p;
    const char *arguments[] = {"--framing", "http", "--quiet", NULL};
    if (!subject_start(&s, arguments))
        return;
    bool right = peer_connect(&p, s.port) &&
                 asks_http(&p, "GET /30 HTTP/1.1\r\nHost: x\r\n\r\n",
                           "HTTP/1.1 200 OK\r\n", "fib: 832040\n");
    ok(right && asks_http(&p, "GET /x HTTP/1.1\r\n\r\n",
                          "HTTP/1.1 404 Not Found\r\n",
                          "error: not a number (want 1 to 45)\n"),
       "--framing http keeps the connection, even after a wrong path");
    ok(asks_http(&p, "GET /7 HTTP/1.1\r\nConnection: close\r\n\r\n",
                 "HTTP/1.1 200 OK\r\n", "fib: 13\n") &&
           peer_hears(&p, ""),
       "--framing http closes it after Connection: close");
    peer_close(&p);
    ok(peer_connect(&p, s.port) &&
           asks_http(&p, "30\n", "HTTP/1.1 400 Bad Request\r\n",
                     "error: expected GET /N HTTP/1.1 (want 1 to 45)\n") &&
           peer_hears(&p, ""),
       "--framing http answers an invalid request line, and closes");
    peer_close(&p);
    server_stop(&s, "--framing http");
}

static void check_max_n(void)
{
    struct server s;
    struct peer p;
    const char *arguments[] = {"--max-n", "20", "--quiet", NULL};
    if (!subject_start(&s, arguments))
        return;
    ok(peer_connect(&p, s.port) && peer_asks(&p, "20\n", "fib: 6765\n") &&
           peer_say(&p, "21\n") && peer_hears_error(&p),
       "--max-n is the largest n that is answered");
    peer_close(&p);
    server_stop(&s, "--max-n");
}

// Checks the replies only. The servers of servers/elsewhere/ must pass this,
// too.
static void check_replies(const struct server *s)
{
    check_values(s);
    check_bad_lines(s);
    check_pieces(s);
    check_pipelining(s);
    check_end_of_input(s);
    check_many(s);
}

// Returns whether a client can connect. If not, kills the server and records a
// failed check, only one: a wrong port would fail all checks of all parts.
static bool is_reachable(struct server *s)
{
    struct peer p;
    bool connected = peer_connect(&p, s->port);
    if (!connected) {
        printf("# port %d: %s\n", s->port, strerror(errno));
        ok(false, "a client can connect to the port that it has printed");
        server_end(s, SIGKILL);
    }
    peer_close(&p);
    return connected;
}

void test_protocol(void)
{
    struct server s;
    const char *arguments[] = {"--quiet", NULL};
    if (!subject_start(&s, arguments) || !is_reachable(&s))
        return;
    check_replies(&s);
    if (subject.is_elsewhere) {
        server_end(&s, SIGTERM);
        return;
    }
    check_long_line(&s);
    server_stop(&s, "after all these requests");
    check_framing_recv();
    check_max_n();
}

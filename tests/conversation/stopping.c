// stopping.c - signals: requests that had arrived are answered, nothing blocks.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tap.h"
#include "await.h"
#include "conversation.h"
#include "peer.h"
#include "resources.h"
#include "subject.h"

enum {
    PIPELINED = 500,
    IDLE_CLIENTS = 20,
    TALK_LEN = 1 << 16,
    STREAMS = 2,
    STREAM_LEN = 100,
    SECOND_SIGNAL_MS = 250,  // Sooner, both may count as one.
    ANY_SECOND_SIGNAL_MS = 1000,
    PORT_TRIES = 5,
};

// Starts a server, with --delay unless `delay_ms` is NULL, and connects a
// client. Returns false if the server does not start.
static bool start(struct server *s, struct peer *p, const char *delay_ms)
{
    const char *delay = delay_ms != NULL ? "--delay" : NULL;
    const char *arguments[] = {"--quiet", delay, delay_ms, NULL};
    return subject_start_with(p, s, arguments);
}

static void check_request_in_progress(int signo)
{
    struct server s;
    struct peer p;
    if (!start(&s, &p, NULL))
        return;
    struct request slow = subject_request(0);
    bool asked = peer_say(&p, slow.line) && await_received(&p);
    int status = server_end(&s, signo);
    ok(asked && peer_hears(&p, slow.reply) && peer_hears(&p, ""),
       "%s: the request in progress is answered", strsignal(signo));
    ok(status == 0 && strstr(s.out_text, "stopped after 1 connections, "
                                         "1 requests, 0 errors\n") != NULL,
       "%s: exit status 0 and a summary", strsignal(signo));
    peer_close(&p);
}

static void check_terminate(void)
{
    check_request_in_progress(SIGTERM);
}

static void check_interrupt(void)
{
    check_request_in_progress(SIGINT);
}

static void check_backend_in_progress(void)
{
    struct server s;
    struct peer p;
    if (!start(&s, &p, "300"))
        return;
    bool asked = peer_say(&p, "10\n") && await_received(&p);
    int status = server_end(&s, SIGTERM);
    ok(asked && status == 0 && peer_hears(&p, "fib: 55\n"),
       "a request that waits for its backend is answered");
    peer_close(&p);
}

static void check_pipelined(void)
{
    struct server s;
    struct peer p;
    int answered = 0;
    if (!start(&s, &p, NULL))
        return;
    struct request cheap = subject_request(16);
    bool asked = true;
    for (int i = 0; i < PIPELINED && asked; i++)
        asked = peer_say(&p, cheap.line);
    asked = asked && peer_say(&p, "2");  // The first byte of another request.
    asked = asked && await_arrived(&p);
    int status = server_end(&s, SIGTERM);
    while (answered < PIPELINED && peer_hears(&p, cheap.reply))
        answered++;
    ok(asked && status == 0 && answered == PIPELINED,
       "all %d requests that had arrived are answered", PIPELINED);
    ok(peer_hears(&p, ""), "half of a request is not answered");
    peer_close(&p);
}

static void check_last_line(void)
{
    struct server s;
    struct peer p;
    if (!start(&s, &p, NULL))
        return;
    struct request slow = subject_request(0);
    bool asked = peer_say(&p, slow.line) && peer_say(&p, "5");
    peer_finish(&p);
    asked = asked && await_arrived(&p);
    int status = server_end(&s, SIGTERM);
    ok(asked && status == 0 && peer_hears(&p, slow.reply) &&
           peer_hears(&p, "fib: 5\n"),
       "a last line without a newline, ended by a half-close, is answered");
    peer_close(&p);
}

// Checks that idle clients do not delay the end. Half of them have sent half a
// request.
static void check_idle_clients(void)
{
    static struct peer peers[IDLE_CLIENTS];
    struct server s;
    bool connected = true;
    const char *arguments[] = {"--quiet", NULL};
    if (!subject_start(&s, arguments))
        return;
    for (int i = 0; i < IDLE_CLIENTS && connected; i++)
        connected = peer_connect(&peers[i], s.port) &&
                    peer_say(&peers[i], i % 2 == 1 ? "3" : "");
    connected = connected && subject_settle(&s);
    ok(connected && server_end(&s, SIGTERM) == 0,
       "idle clients do not delay the end");
    for (int i = 0; i < IDLE_CLIENTS; i++)
        peer_close(&peers[i]);
}

// Checks that a server with all slots taken can be stopped. It waits for a
// client to leave, not in accept(), so the signal must wake it there.
static void check_full(void)
{
    const char *arguments[] = {"--max-clients", "2", "--quiet", NULL};
    struct peer peers[3];
    struct server s;
    bool connected = true;
    if (!subject_start(&s, arguments))
        return;
    for (int i = 0; i < 3; i++)
        connected = peer_connect(&peers[i], s.port) && connected;
    bool full = connected && subject_await_full(&s, peers, 2);
    ok(server_end(&s, SIGTERM) == 0 && full,
       "a server that is full can be stopped");
    for (int i = 0; i < 3; i++)
        peer_close(&peers[i]);
}

// ---- A client that keeps sending

#define FIVE(times) times times times times times

// Sends some requests, as many bytes as the send buffer takes. Returns false
// when the connection is closed.
static bool send_requests(const struct peer *p)
{
    // Invalid requests get an error message as a reply, even when one is cut in
    // two. The message is long, so few replies fill the server's send buffer.
    static const char requests[] = FIVE(FIVE("xxxxxxxxxxxxxxxxxxxx\n"))
        FIVE(FIVE("xxxxxxxxxxxxxxxxxxxx\n"));
    return send(p->fd, requests, sizeof requests - 1,
                MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ||
           errno == EAGAIN;
}

// Sends requests as fast as possible until the connection is closed. If `reads`
// is set, receives the replies, too, and writes a byte to `progress` for every
// TALK_LEN bytes. Runs in a child of `parent`, and ends it.
_Noreturn static void send_without_end(const struct peer *p, bool reads,
                                       int progress, pid_t parent)
{
    static char replies[1 << 16];
    size_t received = 0;
    tap_end_with_parent(parent);
    while (send_requests(p)) {
        struct pollfd ready = {.fd = p->fd,
                               .events = reads ? POLLIN | POLLOUT : POLLOUT};
        poll(&ready, 1, -1);
        ssize_t n = -1;
        if (reads)
            n = recv(p->fd, replies, sizeof replies, MSG_DONTWAIT);
        if (n == 0 || (reads && n < 0 && errno != EAGAIN))
            break;
        received += n > 0 ? (size_t)n : 0;
        if (received >= TALK_LEN && write(progress, "", 1) == 1)
            received = 0;
    }
    _exit(EXIT_SUCCESS);
}

// Waits until the client of send_without_end() has received many replies or, if
// it does not read, until the server is stuck. Returns false after
// patience_ms().
static bool await_talk(const struct server *s, const struct peer *p, bool reads,
                       int progress)
{
    struct pollfd readable = {.fd = progress, .events = POLLIN};
    return reads ? poll(&readable, 1, patience_ms()) == 1
                 : subject_await_stuck(s, p);
}

static void check_talkative(bool reads)
{
    struct server s;
    struct peer p;
    int progress[2];
    if (!start(&s, &p, NULL))
        return;
    if (pipe2(progress, O_CLOEXEC | O_NONBLOCK) != 0)
        abort();
    pid_t parent = getpid(), talker = tap_fork();
    if (talker == 0)
        send_without_end(&p, reads, progress[1], parent);
    bool talked = await_talk(&s, &p, reads, progress[0]);
    int status = server_end(&s, SIGTERM);
    kill(talker, SIGKILL);
    waitpid(talker, NULL, 0);
    if (!talked)
        printf("# before the signal, %s\n",
               reads ? "the client got too few replies"
                     : "the server did not wait for the client to read");
    ok(talked && status == 0, "%s does not keep it running",
       reads ? "a client that never stops sending"
             : "a client that never stops sending and never reads");
    close(progress[0]);
    close(progress[1]);
    peer_close(&p);
}

static void check_asking(void)
{
    check_talkative(true);
}

static void check_asking_without_reading(void)
{
    check_talkative(false);
}

// ---- Clients that come without a pause

// Connects and resets the connection, again and again, until the server
// refuses. Writes a byte to `progress` after STREAM_LEN connections. A close
// instead of a reset would keep each port in TIME_WAIT for a minute. Runs in a
// child of `parent`, and ends it.
_Noreturn static void connect_without_end(const struct server *s, int progress,
                                          pid_t parent)
{
    struct peer p;
    tap_end_with_parent(parent);
    for (int i = 1; peer_connect(&p, s->port); i++) {
        peer_reset(&p);
        if (i == STREAM_LEN && write(progress, "", 1) != 1)
            break;
    }
    _exit(EXIT_SUCCESS);
}

// Starts STREAMS processes that connect without a pause, and waits until all
// do. Returns false if one of them ended before.
static bool start_streams(const struct server *s, pid_t *streams)
{
    int progress[2], started = 0;
    pid_t parent = getpid();
    char byte;
    if (pipe2(progress, O_CLOEXEC) != 0)
        abort();
    for (int i = 0; i < STREAMS; i++)
        if ((streams[i] = tap_fork()) == 0)
            connect_without_end(s, progress[1], parent);
    close(progress[1]);
    while (started < STREAMS && read(progress[0], &byte, 1) == 1)
        started++;
    close(progress[0]);
    return started == STREAMS;
}

// Checks that the server notices the signal although there is always a new
// client to accept. A server that stops only when it has nothing to do would
// never end.
static void check_stream_of_clients(void)
{
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    pid_t streams[STREAMS];
    if (!subject_start(&s, arguments))
        return;
    bool started = start_streams(&s, streams);
    int status = server_end(&s, SIGTERM);
    for (int i = 0; i < STREAMS; i++) {
        kill(streams[i], SIGKILL);
        waitpid(streams[i], NULL, 0);
    }
    ok(started && status == 0,
       "a stream of new clients does not keep it running");
}

// ---- The end, and what is left

// Waits until new clients are refused; returns whether they are. Otherwise a
// client could connect to a stopping server and wait without end, and no other
// server could use the port.
static bool await_refusal(const struct server *s)
{
    struct peer late;
    bool refused = false;
    int64_t until_ms = now_ms() + patience_ms();
    while (!refused && now_ms() < until_ms) {
        refused = !peer_connect(&late, s->port) && errno == ECONNREFUSED;
        peer_close(&late);
        sleep_ms(CHECK_PAUSE_MS);
    }
    return refused;
}

static void check_second_signal(void)
{
    struct server s;
    struct peer p;
    if (!start(&s, &p, "600000"))
        return;
    bool asked = peer_say(&p, "10\n") && await_received(&p);
    kill(s.pid, SIGTERM);
    ok(await_refusal(&s), "while it is stopping, it accepts no new client");
    int64_t second_ms = now_ms() + (subject.has_runtime ? ANY_SECOND_SIGNAL_MS
                                                        : SECOND_SIGNAL_MS);
    while (now_ms() < second_ms)
        sleep_ms(CHECK_PAUSE_MS);
    // A server whose timers run in an event loop notices that this time has
    // passed when the loop runs again. When all threads sleep, it has done so.
    if (!subject.always_busy)
        server_await_rest(&s);
    ok(asked && waitpid(s.pid, NULL, WNOHANG) == 0,
       "while it is stopping, it waits for the request in progress");
    ok(server_end(&s, SIGTERM) == 256 + SIGTERM, "a second signal ends it");
    ok(peer_hears(&p, "") || errno == ECONNRESET,
       "a second signal ends all its processes");
    peer_close(&p);
}

static void check_kill(void)
{
    static struct peer peers[IDLE_CLIENTS];
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    int gone = 0;
    if (!subject_start(&s, arguments))
        return;
    for (int i = 0; i < IDLE_CLIENTS; i++)
        if (peer_connect(&peers[i], s.port) && !subject.one_at_a_time)
            peer_asks(&peers[i], "1\n", "fib: 1\n");
    ok(server_end(&s, SIGKILL) == 256 + SIGKILL, "SIGKILL ends it");
    for (int i = 0; i < IDLE_CLIENTS; i++) {
        const char *line = gone == i ? peer_line(&peers[i]) : NULL;
        gone += line == NULL ? errno == ECONNRESET : *line == '\0';
        peer_close(&peers[i]);
    }
    ok(gone == IDLE_CLIENTS, "after SIGKILL, no child is left");
}

static void check_taken_port(void)
{
    struct server s, second;
    struct peer p;
    char port[16];
    if (subject.shares_port || !start(&s, &p, NULL))
        return;
    snprintf(port, sizeof port, "%d", s.port);
    const char *same_port[] = {"--port", port, NULL};
    ok(server_try(&second, subject.command, same_port) == 1 &&
           strchr(second.err_text, '\n') == strrchr(second.err_text, '\n') &&
           strstr(second.err_text, port) != NULL,
       "a taken port: one line and exit status 1");
    peer_close(&p);
    server_stop(&s, "beside a second one");
}

// Returns whether a program listens at the port.
static bool is_taken(int port)
{
    struct peer p;
    bool taken = peer_connect(&p, port);
    peer_close(&p);
    return taken;
}

// Stops a server that has a client, and checks that it can be started again on
// the same port. If that fails because another program listens there, and
// `may_retry` is set, records no check of it and returns false.
static bool check_restart(bool may_retry)
{
    struct server s;
    struct peer p;
    char port[16];
    if (!start(&s, &p, NULL))
        return true;
    int first_port = s.port;
    snprintf(port, sizeof port, "%d", first_port);
    const char *again[] = {"--port", port, "--quiet", NULL};
    // The server closes first, so the port is in TIME_WAIT on its side.
    bool asked = peer_asks(&p, "1\n", "fib: 1\n");
    server_stop(&s, "while a client is connected");
    bool restarted = server_launch(&s, subject.command, again, NULL);
    peer_close(&p);
    if (restarted)
        server_stop(&s, "after the second start");
    else
        server_end(&s, SIGKILL);
    if (!restarted && may_retry && is_taken(first_port))
        return false;
    ok(asked && restarted, "it can be started again on the same port at once");
    return true;
}

// Checks that a server can use its port again. Between the two servers, the
// kernel may give the port to another program, such as a server of another
// test. Then the check tries again with another port.
static void check_same_port(void)
{
    int tries = 1;
    while (!check_restart(tries < PORT_TRIES))
        tries++;
}

void test_stopping(void)
{
    static void (*const checks[])(void) = {check_asking_without_reading,
                                           check_asking,
                                           check_stream_of_clients,
                                           check_backend_in_progress,
                                           check_second_signal,
                                           check_terminate,
                                           check_interrupt,
                                           check_pipelined,
                                           check_last_line,
                                           check_idle_clients,
                                           check_full,
                                           check_kill,
                                           check_taken_port,
                                           check_same_port};
    subject_measure();
    tap_side_by_side(checks, sizeof checks / sizeof checks[0]);
}

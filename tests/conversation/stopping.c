// stopping.c - signals: nothing that has arrived is lost, nobody delays it.

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tap.h"
#include "conversation.h"
#include "peer.h"
#include "server.h"

enum {
    PIPELINED = 500,
    SILENT = 20,
    ARRIVE_MS = 50,
    LOOK_MS = 10,
};

static const char *const quiet[] = {"--quiet", NULL};

static bool start(struct server *s, const struct subject *subject)
{
    const char *arguments[] = {quiet[0], NULL};
    return server_start(s, subject->path, arguments, NULL);
}

static void check_request_in_progress(const struct subject *subject, int signo)
{
    struct server s;
    struct peer p;
    if (!start(&s, subject))
        return;
    bool asked = peer_connect(&p, s.port) && peer_say(&p, "36\n");
    sleep_ms(ARRIVE_MS);
    int status = server_end(&s, signo);
    ok(asked && peer_hears(&p, "fib: 14930352\n") && peer_hears(&p, ""),
       "%s: the request in progress is answered", strsignal(signo));
    ok(status == 0 && strstr(s.out_text, "stopped after 1 connections, "
                                         "1 requests, 0 errors\n") != NULL,
       "%s: exit status 0 and a summary", strsignal(signo));
    peer_close(&p);
}

static void check_backend_in_progress(const struct subject *subject)
{
    const char *arguments[] = {"--delay", "300", "--quiet", NULL};
    struct server s;
    struct peer p;
    if (!server_start(&s, subject->path, arguments, NULL))
        return;
    bool asked = peer_connect(&p, s.port) && peer_say(&p, "10\n");
    sleep_ms(ARRIVE_MS);
    int status = server_end(&s, SIGTERM);
    ok(asked && status == 0 && peer_hears(&p, "fib: 55\n"),
       "a request that waits for its backend is answered");
    peer_close(&p);
}

static void check_pipelined(const struct subject *subject)
{
    struct server s;
    struct peer p;
    int answered = 0;
    if (!start(&s, subject))
        return;
    bool asked = peer_connect(&p, s.port);
    for (int i = 0; i < PIPELINED && asked; i++)
        asked = peer_say(&p, "20\n");
    asked = asked && peer_say(&p, "2");  // The beginning of another one.
    sleep_ms(ARRIVE_MS);
    int status = server_end(&s, SIGTERM);
    while (answered < PIPELINED && peer_hears(&p, "fib: 6765\n"))
        answered++;
    ok(asked && status == 0 && answered == PIPELINED,
       "all %d requests that had arrived are answered", PIPELINED);
    ok(peer_hears(&p, ""), "half a request is not");
    peer_close(&p);
}

static void check_last_line(const struct subject *subject)
{
    struct server s;
    struct peer p;
    if (!start(&s, subject))
        return;
    bool asked = peer_connect(&p, s.port) && peer_say(&p, "36\n5");
    peer_finish(&p);
    sleep_ms(ARRIVE_MS);
    int status = server_end(&s, SIGTERM);
    ok(asked && status == 0 && peer_hears(&p, "fib: 14930352\n") &&
           peer_hears(&p, "fib: 5\n"),
       "a last line that the client had ended without a newline counts");
    peer_close(&p);
}

static void check_silent(const struct subject *subject)
{
    static struct peer peers[SILENT];
    struct server s;
    if (!start(&s, subject))
        return;
    for (int i = 0; i < SILENT; i++)
        if (peer_connect(&peers[i], s.port) && i % 2 == 1)
            peer_say(&peers[i], "3");
    sleep_ms(ARRIVE_MS);
    ok(server_end(&s, SIGTERM) == 0, "silent clients do not delay it");
    for (int i = 0; i < SILENT; i++)
        peer_close(&peers[i]);
}

// It waits for a client to leave then, and not for a new one.
static void check_full(const struct subject *subject)
{
    const char *arguments[] = {"--max-clients", "2", "--quiet", NULL};
    struct peer peers[3];
    struct server s;
    if (!server_start(&s, subject->path, arguments, NULL))
        return;
    for (int i = 0; i < 3; i++)
        peer_connect(&peers[i], s.port);
    sleep_ms(ARRIVE_MS);
    ok(server_end(&s, SIGTERM) == 0, "a server that is full can be stopped");
    for (int i = 0; i < 3; i++)
        peer_close(&peers[i]);
}

// Sends requests and reads replies, both as fast as they go, until the end.
_Noreturn static void keep_talking(struct peer *p, bool read_replies)
{
    char requests[1000], replies[1 << 16];
    for (size_t i = 0; i < sizeof requests; i++)
        requests[i] = i % 2 == 0 ? '1' : '\n';
    for (;;) {
        struct pollfd ready = {.fd = p->fd, .events = POLLOUT};
        if (read_replies)
            ready.events |= POLLIN;
        poll(&ready, 1, -1);
        ssize_t got = read_replies
                          ? recv(p->fd, replies, sizeof replies, MSG_DONTWAIT)
                          : -1;
        if (got == 0 || (got < 0 && read_replies && errno != EAGAIN))
            break;
        if (send(p->fd, requests, sizeof requests,
                 MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
            errno != EAGAIN)
            break;
    }
    _exit(0);
}

static void check_talkative(const struct subject *subject, bool read_replies)
{
    struct server s;
    struct peer p;
    if (!start(&s, subject))
        return;
    bool connected = peer_connect(&p, s.port);
    fflush(stdout);
    pid_t talker = fork();
    if (talker == 0)
        keep_talking(&p, read_replies);
    peer_close(&p);
    sleep_ms(5 * ARRIVE_MS);
    int status = server_end(&s, SIGTERM);
    kill(talker, SIGKILL);
    waitpid(talker, NULL, 0);
    ok(connected && status == 0, "%s does not delay it for ever",
       read_replies ? "a client that never stops asking"
                    : "one that moreover never reads");
}

// Whether it lets nobody in any more, soon. Who connected while it stops would
// wait in a queue that nobody looks at, and the next server could not have the
// port.
static bool is_closed(const struct server *s)
{
    struct peer late;
    bool refused = false;
    int64_t until_ms = now_ms() + patience_ms();
    while (!refused && now_ms() < until_ms) {
        refused = !peer_connect(&late, s->port) && errno == ECONNREFUSED;
        peer_close(&late);
        sleep_ms(LOOK_MS);
    }
    return refused;
}

static void check_second_signal(const struct subject *subject)
{
    const char *arguments[] = {"--delay", "600000", "--quiet", NULL};
    struct server s;
    struct peer p;
    if (!server_start(&s, subject->path, arguments, NULL))
        return;
    bool asked = peer_connect(&p, s.port) && peer_say(&p, "10\n");
    sleep_ms(ARRIVE_MS);
    kill(s.pid, SIGTERM);
    ok(is_closed(&s), "while it finishes, nobody new is let in");
    ok(asked && waitpid(s.pid, NULL, WNOHANG) == 0,
       "it waits for what is in progress");
    ok(server_end(&s, SIGTERM) == 256 + SIGTERM, "a second signal ends it");
    ok(peer_hears(&p, "") || errno == ECONNRESET, "and all its processes");
    peer_close(&p);
}

static void check_kill(const struct subject *subject)
{
    static struct peer peers[SILENT];
    struct server s;
    int gone = 0;
    if (!start(&s, subject))
        return;
    for (int i = 0; i < SILENT; i++)
        if (peer_connect(&peers[i], s.port) && !subject->one_at_a_time)
            peer_asks(&peers[i], "1\n", "fib: 1\n");
    ok(server_end(&s, SIGKILL) == 256 + SIGKILL, "SIGKILL ends it");
    for (int i = 0; i < SILENT; i++) {
        const char *line = gone == i ? peer_line(&peers[i]) : NULL;
        gone += line == NULL ? errno == ECONNRESET : *line == '\0';
        peer_close(&peers[i]);
    }
    ok(gone == SILENT, "and no child lives on");
}

static void check_port(const struct subject *subject)
{
    struct server s, second;
    struct peer p;
    if (!start(&s, subject))
        return;
    char port[16];
    snprintf(port, sizeof port, "%d", s.port);
    const char *same_port[] = {"--port", port, NULL};
    ok(server_try(&second, subject->path, same_port) == 1 &&
           strchr(second.err_text, '\n') == strrchr(second.err_text, '\n') &&
           strstr(second.err_text, port) != NULL,
       "a taken port: one line and exit status 1");

    // The server closes first, so that its side is the one in TIME_WAIT.
    bool asked = peer_connect(&p, s.port) && peer_asks(&p, "1\n", "fib: 1\n");
    server_stop(&s, "with a client connected");
    const char *again[] = {"--port", port, "--quiet", NULL};
    ok(asked && server_start(&s, subject->path, again, NULL),
       "it can be started again on the same port at once");
    peer_close(&p);
    server_stop(&s, "the second time");
}

void test_stopping(const struct subject *subject)
{
    check_request_in_progress(subject, SIGTERM);
    check_request_in_progress(subject, SIGINT);
    check_backend_in_progress(subject);
    check_pipelined(subject);
    check_last_line(subject);
    check_silent(subject);
    check_full(subject);
    check_talkative(subject, true);
    check_talkative(subject, false);
    check_second_signal(subject);
    check_kill(subject);
    check_port(subject);
}

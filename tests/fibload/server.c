// server.c - the loop of the scripted servers, and the common behaviours.

#include "server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tap.h"
#include "record.h"

enum {
    PEERS_MAX = 512,
    PATIENCE_S = 150,
    LISTENER = 0,
    RUNNING = 1,
    FIRST = 2
};

// The state of this server process. peers[i] belongs to the client at fds[i].
static struct pollfd fds[FIRST + PEERS_MAX];
static struct peer peers[FIRST + PEERS_MAX];
static nfds_t count = FIRST;
static const struct script *current;

// ---- Behaviours

bool say(struct peer *peer, const char *text)
{
    return send(peer->fd, text, strlen(text), MSG_NOSIGNAL) > 0;
}

bool reply(struct peer *peer)
{
    record_reply(peer->number);
    return say(peer, "fib: 55\n");
}

void sleep_ms(int ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

// Returns how many bytes are in the receive queue of the client's socket, as
// /proc/net/tcp shows them. Returns 0 if the socket is closed.
static unsigned unread_by_client(const struct peer *peer)
{
    struct sockaddr_in own = {0}, other = {0};
    socklen_t own_len = sizeof own, other_len = sizeof other;
    char line[256], wanted[64];
    unsigned unread = 0;

    getsockname(peer->fd, (struct sockaddr *)&own, &own_len);
    getpeername(peer->fd, (struct sockaddr *)&other, &other_len);
    snprintf(wanted, sizeof wanted, ": %08X:%04X %08X:%04X ",
             other.sin_addr.s_addr, ntohs(other.sin_port), own.sin_addr.s_addr,
             ntohs(own.sin_port));
    FILE *sockets = fopen("/proc/net/tcp", "re");
    const char *found = NULL;
    while (sockets != NULL && found == NULL &&
           fgets(line, sizeof line, sockets) != NULL)
        found = strstr(line, wanted);
    if (found != NULL)
        sscanf(found + strlen(wanted), "%*x %*x:%x", &unread);
    if (sockets != NULL)
        fclose(sockets);
    return unread;
}

void wait_until_read(const struct peer *peer)
{
    while (unread_by_client(peer) > 0)
        sleep_ms(1);
}

// Returns how many connections the kernel has dropped because the listener's
// queue was full.
static unsigned refused_count(void)
{
    unsigned memory[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof memory;
    getsockopt(fds[LISTENER].fd, SOL_SOCKET, SO_MEMINFO, memory, &len);
    return memory[SK_MEMINFO_DROPS];
}

int fill_queue(void)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    int filler = socket(AF_INET, SOCK_STREAM, 0);

    listen(fds[LISTENER].fd, 0);  // The queue then holds one connection.
    getsockname(fds[LISTENER].fd, (struct sockaddr *)&at, &len);
    if (connect(filler, (struct sockaddr *)&at, sizeof at) != 0)
        perror("connect");
    return filler;
}

void empty_queue_after_refusal(int filler)
{
    while (refused_count() == 0)
        sleep_ms(1);
    close(accept(fds[LISTENER].fd, NULL, NULL));
    close(filler);
    listen(fds[LISTENER].fd, PEERS_MAX);
}

bool right(struct peer *peer, int i)
{
    (void)i;
    return reply(peer);
}

bool no_reply(struct peer *peer, int i)
{
    (void)peer, (void)i;
    return true;
}

int last_request;

bool interrupt_after_last(struct peer *peer, int i)
{
    (void)peer;
    if (i == last_request - 1) {
        sleep_ms(50);
        kill(record->client, SIGINT);
    }
    return true;
}

bool soon(struct peer *peer, int i)
{
    (void)i;
    sleep_ms(1);
    return reply(peer);
}

bool slow(struct peer *peer, int i)
{
    (void)i;
    sleep_ms(SLOW_MS);
    return reply(peer);
}

bool stall_once(struct peer *peer, int i)
{
    if (i == STALL_AT)
        sleep_ms(STALL_MS);
    return reply(peer);
}

bool every_tenth_wrong(struct peer *peer, int i)
{
    return i % 10 == 9 ? say(peer, "fib: 56\n") : reply(peer);
}

bool first_wrong(struct peer *peer, int i)
{
    return i == 0 ? say(peer, "fib: 56\n") : reply(peer);
}

bool reply_to_probe(struct peer *peer, int i)
{
    if (i == 0)
        record->probe_ns = record_now_ns();
    record->probes++;
    return say(peer, "fib: 1\n");
}

bool reply_to_first_probe(struct peer *peer, int i)
{
    return i > 0 || reply_to_probe(peer, i);
}

// ---- The loop

static bool answer_hog(struct peer *peer)
{
    sleep_ms(HOG_MS);
    record->hogs++;
    return say(peer, "fib: 6765\n");
}

static bool answer(struct peer *peer)
{
    static int probes, requests;
    if (strcmp(peer->line, "1\n") == 0)
        return current->probe != NULL ? current->probe(peer, probes++)
                                      : reply_to_probe(peer, probes++);
    if (strcmp(peer->line, "20\n") == 0)
        return answer_hog(peer);
    record_request();
    return current->answer(peer, requests++);
}

// Receives bytes from a client and processes each complete line. Returns false
// if the server must close the connection.
static bool converse(struct peer *peer)
{
    char buf[512];
    ssize_t n = recv(peer->fd, buf, sizeof buf, 0);
    for (const char *c = buf; c < buf + n; c++) {
        if (peer->len < LINE_SIZE - 1)
            peer->line[peer->len++] = *c;
        if (*c != '\n')
            continue;
        peer->line[peer->len] = '\0';
        peer->len = 0;
        if (!answer(peer))
            return false;
    }
    return n > 0;
}

static void accept_client(void)
{
    int fd = accept(fds[LISTENER].fd, NULL, NULL);
    peers[count] = (struct peer){.fd = fd, .number = record->connections++};
    fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void close_client(nfds_t i)
{
    close(fds[i].fd);
    fds[i] = fds[--count];
    peers[i] = peers[count];
    record->closed_ns = record_now_ns();
}

// Returns whether the test has called server_stop() and all clients have closed
// their connections.
static bool is_over(int ready)
{
    return fds[RUNNING].revents != 0 && ready == 1 && count == FIRST;
}

_Noreturn static void serve(void)
{
    for (;;) {
        int ready = poll(fds, count, -1);
        if (is_over(ready)) {
            record->cpu_ns = record_cpu_ns();
            _exit(EXIT_SUCCESS);
        }
        if (fds[LISTENER].revents != 0 && count < FIRST + PEERS_MAX)
            accept_client();
        for (nfds_t i = FIRST; i < count; i++)
            if (fds[i].revents != 0 && !converse(&peers[i]))
                close_client(i--);
    }
}

// ---- Start and stop

int server_bind(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        perror("bind");
        exit(EXIT_FAILURE);
    }
    *port = ntohs(at.sin_port);
    return fd;
}

struct server server_start(const struct script *script)
{
    struct server server;
    int ends[2];
    int listener = server_bind(&server.port);
    if (listen(listener, PEERS_MAX) != 0 || pipe2(ends, O_CLOEXEC) != 0) {
        perror("listen");
        exit(EXIT_FAILURE);
    }
    record_clear();
    fflush(stdout);
    pid_t parent = getpid();
    server.pid = fork();
    if (server.pid == 0) {
        tap_end_with_parent(parent);
        alarm(PATIENCE_S);
        close(ends[1]);
        current = script;
        fds[LISTENER] = (struct pollfd){.fd = listener, .events = POLLIN};
        fds[RUNNING] = (struct pollfd){.fd = ends[0]};
        serve();
    }
    close(listener);
    close(ends[0]);
    server.running = ends[1];
    return server;
}

void server_stop(struct server *server)
{
    close(server->running);
    waitpid(server->pid, NULL, 0);
}

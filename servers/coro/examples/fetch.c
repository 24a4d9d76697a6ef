// fetch.c - main() of the three ways to fetch, and the backends. See fetch.h.
//
// The backends are coroutines in another process. They send each reply in two
// pieces, one after half of the delay and one at its end: a reply that is
// longer than a packet would arrive like this.

#include "fetch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../co.h"
#include "argument.h"

struct sockaddr_in backend = {.sin_family = AF_INET};
static int delay_ms = 1000;
static int listener;
static struct timespec begin;

// ---- The backends

// Receives a line of at most `size` bytes. Returns its length, or 0 if the
// client sends no complete line.
static size_t receive_line(int client, char *line, size_t size)
{
    size_t len = 0;
    while (memchr(line, '\n', len) == NULL) {
        ssize_t n = co_recv(client, line + len, size - len);
        if (n <= 0)
            return 0;
        len += (size_t)n;
    }
    return len;
}

static void reply(void *arg)
{
    int client = (int)(intptr_t)arg;
    char line[LINE_SIZE];
    size_t len = receive_line(client, line, sizeof line);
    if (len > 0) {
        co_sleep(delay_ms / 2);
        co_send_all(client, "hello from ", 11);
        co_sleep(delay_ms - delay_ms / 2);
        co_send_all(client, line, len);
    }
    co_close(client);
}

static void accept_clients(void *arg)
{
    int client;
    (void)arg;
    while ((client = co_accept(listener)) >= 0)
        co_go(reply, (void *)(intptr_t)client);
}

// Starts a process for the backends and returns its id. If the process still
// runs when this one ends, the kernel kills it.
static pid_t start_backends(void)
{
    socklen_t size = sizeof backend;
    backend.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&backend, size) != 0 ||
        getsockname(listener, (struct sockaddr *)&backend, &size) != 0 ||
        listen(listener, FETCHES) != 0) {
        perror("fetch");
        exit(EXIT_FAILURE);
    }
    pid_t parent = getpid(), process = fork();
    if (process != 0) {
        close(listener);
        return process;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        exit(EXIT_FAILURE);  // The parent has ended before prctl().
    co_go(accept_clients, NULL);
    exit(co_run());
}

// ---- The fetches

static void print_row(const char *what)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long spent_ms = (now.tv_sec - begin.tv_sec) * 1000 +
                    (now.tv_nsec - begin.tv_nsec) / 1000000;
    printf("%-24.*s %5ld ms\n", (int)strcspn(what, "\n"), what, spent_ms);
}

void fetch_report(const struct fetch *f, int result)
{
    print_row(result == 0 ? f->reply : strerror(errno));
}

int main(int argc, char **argv)
{
    struct fetch all[FETCHES] = {0};
    (void)argc;
    delay_ms = parse_argument(argv, "DELAY_MS", delay_ms, 0, 1000000000);
    for (int i = 0; i < FETCHES; i++)
        snprintf(all[i].request, LINE_SIZE, "backend %d\n", i);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);  // Show a reply when it comes.

    pid_t backends = start_backends();
    clock_gettime(CLOCK_MONOTONIC, &begin);
    fetch_all(all);
    print_row("all");
    kill(backends, SIGKILL);
    waitpid(backends, NULL, 0);
    return 0;
}

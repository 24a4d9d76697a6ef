// limits.c - full tables, and whether anything is left behind.

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../tap.h"
#include "conversation.h"
#include "peer.h"
#include "server.h"

enum {
    CLIENTS_MAX = 300,
    BEYOND_THE_WALL = 1100,
    CONNECTIONS = 2000,
    WATCH_MS = 500
};

static struct peer peers[BEYOND_THE_WALL];

static int count_lines(const char *text)
{
    int count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

// Connects more clients than the server has room for. They must all be served,
// as the first ones leave; meanwhile it must not spin, nor flood its log.
static void check_overload(const struct subject *subject, const char *what,
                           const char **arguments, const struct limits *limits,
                           int clients)
{
    struct server s;
    int connected = 0, answered = 0;
    int64_t begin_ms = now_ms();
    if (!server_start(&s, subject->path, arguments, limits))
        return;
    for (int i = 0; i < clients; i++)
        connected +=
            peer_connect(&peers[i], s.port) && peer_say(&peers[i], "10\n");
    int busy_percent = server_cpu_percent(&s, WATCH_MS);
    ok(subject->always_busy || busy_percent < 20,
       "%s: while full, it does not spin (CPU %d %%)", what, busy_percent);
    for (int i = 0; i < connected; i++) {
        // Without waiting for the others when one was not served.
        answered += answered == i && peer_hears(&peers[i], "fib: 55\n");
        peer_close(&peers[i]);
    }
    ok(connected == clients && answered == clients,
       "%s: all %d clients are served in the end", what, clients);
    int64_t seconds = (now_ms() - begin_ms) / 1000;
    ok(server_end(&s, SIGTERM) == 0, "%s: it lives on until told to stop",
       what);
    ok(count_lines(s.err_text) <= 3 + seconds,
       "%s: at most one log line a second (%d)", what, count_lines(s.err_text));
}

// Whether this process may open so many descriptors.
static bool may_open(rlim_t count)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= count;
}

static void check_max_clients(const struct subject *subject)
{
    const char *arguments[] = {"--max-clients", "5", "--quiet", NULL};
    struct server s;
    int answered = 0;
    if (!server_start(&s, subject->path, arguments, NULL))
        return;
    for (int i = 0; i < 6; i++)
        if (peer_connect(&peers[i], s.port))
            peer_say(&peers[i], "10\n");
    for (int i = 0; i < 5; i++)
        answered += peer_hears(&peers[i], "fib: 55\n");
    ok(answered == 5 && peer_hears_nothing(&peers[5], 200),
       "--max-clients 5: five are served, the sixth waits");
    peer_close(&peers[2]);
    ok(peer_hears(&peers[5], "fib: 55\n"), "until one leaves");
    ok(peer_asks(&peers[0], "7\n", "fib: 13\n"), "nobody is disconnected");
    for (int i = 0; i < 6; i++)
        if (i != 2)
            peer_close(&peers[i]);
    server_stop(&s, "--max-clients");
}

void test_limits(const struct subject *subject)
{
    const char *none[] = {NULL};
    // For few_at_once, as many threads or processes as it says.
    const char *many[] = {"--max-clients",
                          subject->few_at_once ? "100" : "1000", NULL};
    const struct limits few_descriptors = {.descriptors = 40};

    check_overload(subject, "40 descriptors", none, &few_descriptors, 120);
    check_overload(subject, "40 descriptors, 1000 clients wanted", many,
                   &few_descriptors, 120);
    if (geteuid() == 0) {
        const struct limits few_processes = {.processes = 12};
        check_overload(subject, "12 processes or threads", many, &few_processes,
                       40);
    }
#ifndef SANITIZED  // They need terabytes of address space.
    const char *big_stacks[] = {many[0], many[1], "--stack-kib", "256", NULL};
    const struct limits little_memory = {.memory_bytes = 64 << 20};
    check_overload(subject, "64 MB of memory",
                   subject->has_stacks ? big_stacks : many, &little_memory,
                   CLIENTS_MAX);
#endif
    if (subject->has_wall && may_open(BEYOND_THE_WALL + 100))
        check_overload(subject, "beyond the wall", none, NULL, BEYOND_THE_WALL);
    if (!subject->one_at_a_time)
        check_max_clients(subject);
}

void test_leaks(const struct subject *subject)
{
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    struct peer p;
    if (!server_start(&s, subject->path, arguments, NULL))
        return;
    // After a first client, as the sanitizers start a thread of their own then.
    bool asked = peer_connect(&p, s.port) && peer_asks(&p, "1\n", "fib: 1\n");
    peer_close(&p);
    sleep_ms(WATCH_MS);
    struct resources fresh = server_resources(&s);
    int answered = 0;
    long resident_kib = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        if (i == CONNECTIONS / 10)
            resident_kib = server_settle(&s, &fresh).resident_kib;
        answered +=
            peer_connect(&p, s.port) && peer_asks(&p, "1\n", "fib: 1\n");
        peer_close(&p);
    }
    struct resources after = server_settle(&s, &fresh);
    ok(asked && answered == CONNECTIONS, "%d connections, one after the other",
       CONNECTIONS);
    ok(after.descriptors == fresh.descriptors, "leave no descriptor behind");
    ok(after.processes == fresh.processes && after.zombies == 0,
       "and no process, alive or dead");
    ok(after.threads == fresh.threads, "and no thread");
    // The kernel counts the pages of each process only by the dozen.
    server_check_memory(&s, resident_kib, 1024 + 256 * (after.processes - 1),
                        "and no memory");
    server_stop(&s, "nothing is left behind");
}

// limits.c - what happens at a limit, and whether connections leak resources.

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tap.h"
#include "await.h"
#include "conversation.h"
#include "peer.h"
#include "resources.h"
#include "subject.h"

enum {
    SOME_CLIENTS = 40,  // more than the limit on processes
    CLIENTS = 120,      // more than the limit on descriptors
    MANY_CLIENTS = 300,
    BEYOND_THE_WALL = 1100,
    CLIENTS_MAX = 5,
    REPLIES = 50,  // to each client, while another client waits
    CONNECTIONS = 2000,
    RUNTIME_THREADS = CONNECTIONS / 100,  // a runtime may keep these
    GROWTH_TRIES = 4,
};

static struct peer peers[BEYOND_THE_WALL];

static int count_lines(const char *text)
{
    int count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

// Checks a server with more clients than it has capacity for. It must serve all
// of them as the first ones leave. Until then it must not busy-wait, nor print
// more than a line a second. `limits` is NULL for those of this process.
static void check_overload(const char *what, const char **arguments,
                           const struct limits *limits, int clients)
{
    struct server s;
    int connected = 0, answered = 0;
    int64_t begin_ms = now_ms();
    if (!server_start(&s, subject.command, arguments, limits))
        return;
    while (connected < clients && peer_connect(&peers[connected], s.port) &&
           peer_say(&peers[connected], "10\n"))
        connected++;
    int percent;
    bool idles = subject_idles(&s, &percent);
    ok(idles,
       subject.always_busy
           ? "%s: while full, it uses all of its share of a core (%d %%)"
           : "%s: while full, it does not spin (%d %%)",
       what, percent);
    for (int i = 0; i < connected; i++) {
        // If one client got no reply, do not wait for the others.
        answered += answered == i && peer_hears(&peers[i], "fib: 55\n");
        peer_close(&peers[i]);
    }
    ok(connected == clients && answered == clients,
       "%s: all %d clients are served in the end", what, clients);
    int64_t seconds = (now_ms() - begin_ms) / 1000;
    ok(server_end(&s, SIGTERM) == 0, "%s: it runs until it is stopped", what);
    if (limits == NULL || limits->log == 0)
        ok(count_lines(s.err_text) <= 3 + seconds,
           "%s: at most one log line a second (%d)", what,
           count_lines(s.err_text));
}

// ---- Each exhausted table, in a process of its own

static const struct limits few_descriptors = {.descriptors = 40};

// Returns a value for --max-clients that is above the limits on descriptors and
// processes. It is smaller for models that start a thread or process per client
// in advance.
static const char *many_clients(void)
{
    return subject.few_at_once ? "100" : "1000";
}

static void check_descriptors(void)
{
    const char *arguments[] = {NULL};
    check_overload("40 descriptors", arguments, &few_descriptors, CLIENTS);
}

static void check_descriptors_for_many(void)
{
    const char *arguments[] = {"--max-clients", many_clients(), NULL};
    check_overload("40 descriptors, 1000 clients wanted", arguments,
                   &few_descriptors, CLIENTS);
}

static void check_processes(void)
{
    const char *arguments[] = {"--max-clients", many_clients(), NULL};
    const struct limits few_processes = {.processes = 12};
    if (geteuid() == 0)
        check_overload("12 processes or threads", arguments, &few_processes,
                       SOME_CLIENTS);
}

#ifndef SANITIZED
// Returns whether a server without clients needs more than `kib` of address
// space. The runtimes of some languages reserve more.
static bool needs_more_than(long kib, const char **arguments)
{
    struct server s;
    if (!server_start(&s, subject.command, arguments, NULL))
        return false;
    long needs_kib = server_address_space_kib(&s);
    server_end(&s, SIGTERM);
    return needs_kib > kib;
}
#endif

static void check_memory(void)
{
#ifndef SANITIZED  // The sanitizers need terabytes of address space.
    const char *arguments[] = {"--max-clients", many_clients(),
                               subject.has_stacks ? "--stack-kib" : NULL, "256",
                               NULL};
    const struct limits little_memory = {.memory_bytes = 64 << 20};
    if (needs_more_than((long)little_memory.memory_bytes / 1024, arguments))
        printf("# not judged: 4 checks: it needs more than 64 MB of address "
               "space before it has a client\n");
    else
        check_overload("64 MB of memory", arguments, &little_memory,
                       MANY_CLIENTS);
#endif
}

// Raises the limit on descriptors of this process. Returns whether it is at
// least `count`.
static bool may_open(rlim_t count)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= count;
}

static void check_wall(void)
{
    const char *arguments[] = {NULL};
    if (subject.has_wall && may_open(BEYOND_THE_WALL + 100))
        check_overload("beyond the wall", arguments, NULL, BEYOND_THE_WALL);
}

// Returns whether the first `count` clients each get REPLIES replies.
static bool all_are_served(int count)
{
    for (int i = 0; i < REPLIES * count; i++)
        if (!peer_asks(&peers[i % count], "1\n", "fib: 1\n"))
            return false;
    return true;
}

// Checks that a server with --max-clients 5 serves five clients, and leaves the
// request of a sixth one in the kernel's queue until a client leaves.
static void check_max_clients(void)
{
    static const char request[] = "10\n";
    const char *arguments[] = {"--max-clients", "5", "--quiet", NULL};
    struct peer *sixth = &peers[CLIENTS_MAX];
    struct server s;
    int answered = 0;
    if (subject.one_at_a_time || !subject_start(&s, arguments))
        return;
    for (int i = 0; i <= CLIENTS_MAX; i++)
        if (peer_connect(&peers[i], s.port))
            peer_say(&peers[i], request);
    for (int i = 0; i < CLIENTS_MAX; i++)
        answered += peer_hears(&peers[i], "fib: 55\n");
    ok(answered == CLIENTS_MAX && all_are_served(CLIENTS_MAX) &&
           !peer_has_heard(sixth) && peer_unreceived(sixth) == strlen(request),
       "--max-clients 5: five clients are served, a sixth waits");
    peer_close(&peers[2]);
    ok(peer_hears(sixth, "fib: 55\n"),
       "--max-clients 5: the sixth is served when another leaves");
    ok(peer_asks(&peers[0], "7\n", "fib: 13\n"),
       "--max-clients 5: no client is disconnected");
    for (int i = 0; i <= CLIENTS_MAX; i++)
        peer_close(&peers[i]);
    server_stop(&s, "--max-clients");
}

// ---- A log that cannot be written

// Fills a pipe page by page, so that the next write() to it blocks.
static void fill_pipe(int write_end)
{
    static const char page[4096];
    fcntl(write_end, F_SETFL, O_NONBLOCK);
    while (write(write_end, page, sizeof page) > 0)
        ;
    fcntl(write_end, F_SETFL, 0);
}

// Checks that a server starts although its standard error is a full pipe. It
// logs there that it has few descriptors, before its ready line. A blocking
// write() would never return.
static void check_full_log(void)
{
    const char *arguments[] = {NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        abort();
    fill_pipe(ends[1]);
    const struct limits limits = {.descriptors = 40, .log = ends[1]};
    check_overload("its log is a full pipe", arguments, &limits, CLIENTS);
}

// Checks that a server with standard error closed does not send its log to a
// client. If the server does not open another file as descriptor 2, the kernel
// gives this number to the socket of the first client.
static void check_closed_log(void)
{
    const char *arguments[] = {"--max-clients", many_clients(), NULL};
    const struct limits limits = {.descriptors = 40, .log = NO_LOG};
    check_overload("its log is closed", arguments, &limits, CLIENTS);
}

static void check_failing_log(void)
{
    const char *arguments[] = {"--max-clients", many_clients(), NULL};
    const struct limits limits = {
        .descriptors = 40, .log = open("/dev/full", O_WRONLY | O_CLOEXEC)};
    check_overload("its log is /dev/full", arguments, &limits, CLIENTS);
}

void test_limits(void)
{
    static void (*const checks[])(void) = {
        check_wall,      check_memory,      check_descriptors_for_many,
        check_processes, check_descriptors, check_max_clients,
        check_full_log,  check_closed_log,  check_failing_log};
    tap_side_by_side(checks, sizeof checks / sizeof checks[0]);
}

// ---- What is left behind

// Serves a first client. Returns the resources of the server after that client
// has left: no more than before, except for some threads. These are one of the
// sanitizer, one that the model keeps, and those that a runtime has started.
static struct resources after_first_client(const struct server *s, bool *served)
{
    struct peer p;
    struct resources limit = subject_resources(s);
#ifdef SANITIZED
    limit.threads++;
#endif
    limit.threads += subject.keeps_thread;
    if (subject.has_runtime)
        limit.threads += RUNTIME_THREADS;
    *served = peer_connect(&p, s->port) && peer_asks(&p, "1\n", "fib: 1\n");
    peer_close(&p);
    await_closed(&p);
    return server_settle(s, &limit);
}

// Connects `clients` clients, one after the other. Returns how many got a
// reply.
static int come_and_go(const struct server *s, int clients)
{
    struct peer p;
    int answered = 0;
    for (int i = 0; i < clients; i++) {
        answered +=
            peer_connect(&p, s->port) && peer_asks(&p, "1\n", "fib: 1\n");
        peer_close(&p);
    }
    return answered;
}

// Checks that resident memory does not grow with every connection. A runtime
// with garbage collection may grow at first, but not without limit. So while
// memory grows, the check repeats the connections, up to GROWTH_TRIES times.
static void check_growth(const struct server *s, const struct resources *fresh,
                         long before_kib)
{
    struct resources now = server_settle(s, fresh);
    // The kernel counts the pages of a process in batches, so the count of each
    // process can be off by some of them.
    long limit_kib = 1024 + 256 * (now.processes - 1);
    for (int i = 0; i < GROWTH_TRIES; i++) {
        if (now.resident_kib <= before_kib + limit_kib)
            break;
        before_kib = now.resident_kib;
        come_and_go(s, CONNECTIONS);
        now = server_settle(s, fresh);
    }
    server_check_memory(s, before_kib, limit_kib,
                        "connections leave no memory behind");
}

void test_leaks(void)
{
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    bool served;
    if (!subject_start(&s, arguments))
        return;
    struct resources fresh = after_first_client(&s, &served);
    fresh.threads += subject.has_runtime ? RUNTIME_THREADS : 0;
    int answered = come_and_go(&s, CONNECTIONS / 10);
    long resident_kib = server_settle(&s, &fresh).resident_kib;
    answered += come_and_go(&s, CONNECTIONS - CONNECTIONS / 10);
    struct resources after = server_settle(&s, &fresh);
    ok(served && answered == CONNECTIONS,
       "%d connections, one after the other, are served", CONNECTIONS);
    ok(after.descriptors == fresh.descriptors,
       "connections leave no descriptor behind");
    ok(after.processes == fresh.processes && after.zombies == 0,
       "connections leave no process behind, nor a zombie");
    // `fresh` allows for a thread of the sanitizer. There may be none, and the
    // first client's thread was counted instead, just before it ended.
    ok(after.threads <= fresh.threads, "connections leave no thread behind");
    check_growth(&s, &fresh, resident_kib);
    server_stop(&s, "after many connections");
}

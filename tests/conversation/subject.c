// subject.c - the server under test, and how its model differs from the others.

#include "subject.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "await.h"
#include "peer.h"
#include "resources.h"

enum {
    ROUNDS = 10,
    IDLE_MAX = 20,  // percent of a core: the most for an idle server
    BUSY_MIN = 50,  // the least for a server that is always busy
    GROWTH_TRIES = 4,
    EXPENSIVE_N = 36,  // in C, it takes about 20 ms
    EXPENSIVE_MS = 100,
    FIRST_N = 18,  // is measured first
};

struct subject subject;

// Returns whether `model` is one of the `names`, each of which has a space
// before and after it.
static bool is_one_of(const char *names, const char *model)
{
    char name[64];
    snprintf(name, sizeof name, " %s ", model);
    return strstr(names, name) != NULL;
}

// Returns whether the program is directly in a directory called `name`.
static bool is_in_folder(const char *name, const char *path)
{
    char end[64];
    const char *program = strrchr(path, '/');
    size_t len = (size_t)snprintf(end, sizeof end, "%s/", name);
    return program != NULL && (size_t)(program + 1 - path) >= len &&
           memcmp(program + 1 - len, end, len) == 0;
}

static bool has_option(const char *name, const char **command)
{
    for (; *command != NULL; command++)
        if (strcmp(*command, name) == 0)
            return true;
    return false;
}

// Returns the model and the options of a command as one text, cut to 127 bytes.
// The result is valid until the next call.
static const char *described(const char *model, const char **options)
{
    static char text[128];
    snprintf(text, sizeof text, "%s", model);
    for (; *options != NULL; options++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %s",
                 *options);
    return text;
}

void subject_choose(const char **command)
{
    const char *slash = strrchr(command[0], '/');
    const char *model = getenv("MODEL");
    if (model == NULL)
        model = slash != NULL ? slash + 1 : command[0];
    subject = (struct subject){
        .command = command,
        .model = model,
        .one_at_a_time = is_one_of(" blocking ", model),
        .few_at_once = is_one_of(" pool prefork ", model),
        .always_busy = is_one_of(" nonblocking ", model),
        .has_wall = is_one_of(" select ", model),
        .has_stacks =
            is_one_of(" thread coroutine pool gil offload multiloop ", model),
        .gets_signals = is_one_of(" signal ", model),
        .keeps_thread = is_one_of(" offload ", model),
        .computes_beside =
            is_one_of(" fork thread prefork pool gil offload ", model),
        .is_elsewhere = is_in_folder("elsewhere", command[0]),
        .shares_port = has_option("--reuseport", command),
        .has_runtime = is_one_of(" any ", model),
        .expensive_n = EXPENSIVE_N,
    };
    tap_subject(described(model, command + 1));
}

static struct request request_for(int n)
{
    struct request request;
    unsigned long fib = 0, next = 1;
    for (int i = 0; i < n; i++) {
        unsigned long sum = fib + next;
        fib = next;
        next = sum;
    }
    snprintf(request.line, sizeof request.line, "%d\n", n);
    snprintf(request.reply, sizeof request.reply, "fib: %lu\n", fib);
    return request;
}

// Returns the lowest n that takes EXPENSIVE_MS of CPU time, or EXPENSIVE_N if
// none below does, or if the server does not answer.
static int find_expensive_n(const struct server *s, struct peer *p)
{
    for (int n = FIRST_N; n < EXPENSIVE_N; n += 2) {
        struct request request = request_for(n);
        long before_ms = server_resources(s).cpu_ms;
        if (!peer_asks(p, request.line, request.reply))
            break;
        if (server_resources(s).cpu_ms - before_ms >= EXPENSIVE_MS)
            return n;
    }
    return EXPENSIVE_N;
}

void subject_measure(void)
{
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    struct peer p;
    if (server_launch(&s, subject.command, arguments, NULL) &&
        peer_connect(&p, s.port)) {
        subject.expensive_n = find_expensive_n(&s, &p);
        peer_close(&p);
    }
    server_end(&s, SIGKILL);
}

struct request subject_request(int less)
{
    return request_for(subject.expensive_n - less);
}

bool subject_start(struct server *s, const char **arguments)
{
    return server_start(s, subject.command, arguments, NULL);
}

bool subject_start_with(struct peer *p, struct server *s,
                        const char **arguments)
{
    if (!subject_start(s, arguments))
        return false;
    if (!peer_connect(p, s->port))
        printf("# it cannot connect: %s\n", strerror(errno));
    // Under the thread sanitizer, a signal that comes just before accept() or
    // recv() stops nothing: see connect_once() in server.c.
    if (!subject.always_busy)
        server_await_rest(s);
    return true;
}

bool is_served(const struct server *s)
{
    struct peer p;
    bool served =
        peer_connect(&p, s->port) && peer_asks(&p, "10\n", "fib: 55\n");
    if (p.fd < 0)
        printf("# a client cannot connect: %s\n", strerror(errno));
    peer_close(&p);
    return served;
}

// Returns whether the server has polled all its connections several times. It
// polls all of them before it sends a client the next reply.
static bool polls_everyone(const struct server *s)
{
    struct peer p;
    int replies = 0;
    bool connected = peer_connect(&p, s->port);
    while (connected && replies < ROUNDS && peer_asks(&p, "1\n", "fib: 1\n"))
        replies++;
    peer_close(&p);
    return replies == ROUNDS && await_closed(&p);
}

bool subject_settle(const struct server *s)
{
    return subject.always_busy ? polls_everyone(s) : server_await_rest(s);
}

struct resources subject_resources(const struct server *s)
{
    subject_settle(s);
    return server_resources(s);
}

bool subject_is_stuck(const struct server *s, const struct peer *p)
{
    struct flow before = peer_flow(p);
    if (before.not_sent == 0 || before.not_received == 0 || !subject_settle(s))
        return false;
    struct flow after = peer_flow(p);
    return after.sent == before.sent && after.arrived == before.arrived &&
           after.not_received == before.not_received;
}

bool subject_await_stuck(const struct server *s, const struct peer *p)
{
    int64_t until_ms = now_ms() + patience_ms();
    bool stuck = subject_is_stuck(s, p);
    while (!stuck && now_ms() < until_ms) {
        sleep_ms(CHECK_PAUSE_MS);
        stuck = subject_is_stuck(s, p);
    }
    return stuck;
}

bool subject_await_full(const struct server *s, const struct peer *peers,
                        int count)
{
    bool full = true;
    if (!subject.always_busy)
        return server_await_rest(s);
    for (int i = 0; i < count && full; i++)
        full = await_accepted(&peers[i]);
    return full;
}

bool subject_idles(const struct server *s, int *percent)
{
    if (subject.always_busy) {
        *percent = server_await_cpu_share(s, BUSY_MIN, INT_MAX);
        return *percent >= BUSY_MIN;
    }
    server_await_rest(s);  // Earlier work must not count.
    *percent = server_await_cpu_share(s, 0, IDLE_MAX);
    return *percent <= IDLE_MAX;
}

bool subject_send_long_line(const struct server *s, struct peer *p, char digit)
{
    static char digits[1 << 20];
    memset(digits, digit, sizeof digits);
    bool sent = peer_connect(p, s->port);
    for (int i = 0; i < LONG_LINE_MEGABYTES && sent; i++)
        sent = peer_send(p, digits, sizeof digits);
    return sent;
}

void subject_send_another_line(const struct server *s)
{
    struct peer p;
    subject_send_long_line(s, &p, '0');
    peer_close(&p);
}

void subject_check_memory(const struct server *s, long before_kib,
                          long limit_kib, void (*again)(const struct server *),
                          const char *what)
{
    for (int i = 0; subject.has_runtime && i < GROWTH_TRIES; i++) {
        long now_kib = server_resources(s).resident_kib;
        if (now_kib <= before_kib + limit_kib)
            break;
        before_kib = now_kib;
        again(s);
    }
    server_check_memory(s, before_kib, limit_kib, what);
}

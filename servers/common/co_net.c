// co_net.c - the blocking calls of net.h, for coroutines.
//
// The comments in net.c and net_client.c explain which errors these calls
// handle. No call here blocks the thread, except co_sleep_ms() with --trap.

#include "co_net.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "../coro/co.h"
#include "net.h"
#include "server.h"

// ---- Names of coroutines, for --inspect and --watchdog

enum { NAME_SIZE = NET_ADDRESS_SIZE + 8, NAMES_MAX = 1000000 };

static _Thread_local char (*names)[NAME_SIZE];  // by descriptor; or NULL
static _Thread_local int name_count;

// Stores in names[fd] the name of the coroutine that will serve `fd`.
// snprintf() needs one more page of stack, and a coroutine keeps every page
// that it has touched. So the coroutine that accepts clients calls this
// function: then each coroutine of an idle client takes one page less.
__attribute__((noinline)) static void write_name(int fd)
{
    char address[NET_ADDRESS_SIZE];
    if (fd < name_count && net_client_address(fd, address) == 0)
        snprintf(names[fd], NAME_SIZE, "client %s", address);
}

// Gives the running coroutine, which serves `fd`, the name in names[fd].
static void name_coroutine(int fd)
{
    if (fd >= name_count)
        return;
    if (names[fd][0] == '\0')
        write_name(fd);
    co_set_name(names[fd]);
}

static void open_names(void)
{
    int count = net_raise_descriptor_limit();
    name_count = count < NAMES_MAX ? count : NAMES_MAX;
    names = server_allocate(name_count, NAME_SIZE);
}

static void close_names(void)
{
    free(names);
    names = NULL;
    name_count = 0;
}

// ---- Twins of the calls in net.c

int co_net_accept(int listener)
{
    int fd = -1;
    while (!stop_requested() && (fd = co_accept(listener)) < 0)
        if (stop_requested() || !co_net_backoff("accept"))
            break;
    net_accepted(fd);
    if (names != NULL && fd >= 0)
        write_name(fd);
    return fd;
}

bool co_net_backoff(const char *what)
{
    report_exhausted(what);
    co_sleep(NET_BACKOFF_MS);
    return !stop_requested();
}

// Handles the failure of co_recv(), with the reason in errno. Returns true if
// the caller should call co_recv() again: memory was exhausted, or the client
// has sent nothing during the idle timeout, but is not idle, because it has
// acknowledged replies. In the second case, co_recv() waits only for
// NET_CHECK_MS from now on. Without an idle timeout, ETIMEDOUT means that the
// connection broke.
static bool wait_to_retry(int fd, struct net_progress *progress)
{
    if (errno != ETIMEDOUT)
        return errno == ENOMEM && co_net_backoff("recv");
    co_limit_waits(NET_CHECK_MS);
    return net_idle_timeout_ms() >= 0 && !net_end_if_idle(fd, progress);
}

bool co_net_receive(int fd, struct session *s)
{
    struct net_progress progress = {0};
    if (session_over(s))
        return false;
    if (names != NULL)
        name_coroutine(fd);
    net_end_if_idle(fd, &progress);  // Notes what is not acknowledged yet.
    co_limit_waits(net_idle_timeout_ms());
    ssize_t n;
    do
        n = co_recv(fd, session_space(s), session_space_len(s));
    while (n < 0 && wait_to_retry(fd, &progress));
    if (n < 0)
        return false;
    net_received(fd, s, (size_t)n);
    return true;
}

// Sends some bytes. Waits at most NET_CHECK_MS: co_net_send_all() has set this
// limit. After this time, tries once more, for the same reason as
// send_for_a_while() in net_client.c. Returns how many bytes were sent, or -1.
static ssize_t send_for_a_while(int fd, const char *data, size_t len)
{
    ssize_t n = co_send(fd, data, len);
    if (n >= 0 || errno != ETIMEDOUT)
        return n;
    n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 && net_would_block() ? 0 : n;
}

int co_net_send_all(int fd, const void *buf, size_t len)
{
    co_limit_waits(NET_CHECK_MS);
    return net_send_all_with(send_for_a_while, fd, buf, len);
}

void co_net_close(int fd)
{
    struct net_progress progress = {0};
    while (!net_prepare_close(fd, &progress))
        co_sleep(NET_CLOSE_MS);
    co_close(fd);
    if (fd < name_count)
        names[fd][0] = '\0';
}

// ---- Options

enum { STACK_KIB_MIN = 16, STACK_KIB_MAX = 65536, WATCHDOG_MS_MAX = 3600000 };

static int stack_kib = CO_STACK_KIB;
static bool trap;
static int watchdog_ms;
static const char *inspect;

// clang-format off
const struct option_rule co_net_options[] = {
    {"stack-kib", "N", "stack per client, in KiB",
     .number = &stack_kib, .min = STACK_KIB_MIN, .max = STACK_KIB_MAX},
    {"trap", NULL, "block the thread in the simulated backend", .flag = &trap},
    {"watchdog", "MS", "report coroutines that run or block for MS; 0: off",
     .number = &watchdog_ms, .max = WATCHDOG_MS_MAX},
    {"inspect", "PATH", "list the coroutines on a UNIX socket",
     .text = &inspect},
    {0},
};
// clang-format on

// LESSON blocking-trap: a call that blocks the thread blocks all its
// coroutines. Try it: compare --delay 100 with --delay 100 --trap, with ten
// clients each.
void co_sleep_ms(int ms)
{
    if (trap)
        sleep_ms(ms);
    else
        co_sleep(ms);
}

// ---- Running a loop

struct first {
    void (*fn)(void *arg);
    void *arg;
};

// Starts the inspector of this loop (see co_inspect() in co.h). It listens at
// the PATH of --inspect. If a server has several loops, the inspector of the
// second one listens at PATH.2, and so on.
static void start_inspector(void)
{
    static atomic_int loop_count;
    char path[256];
    int number = atomic_fetch_add(&loop_count, 1) + 1;
    snprintf(path, sizeof path, number > 1 ? "%s.%d" : "%s", inspect, number);
    if (co_inspect(path) != 0)
        server_refuse_path("inspect", path);
}

// Runs in the first coroutine of a loop: calls fn(), which returns when the
// server is stopping. Then ends the inspector, too, because co_run() waits for
// all coroutines.
static void first_main(void *arg)
{
    const struct first *first = arg;
    co_set_name("main");
    first->fn(first->arg);
    co_inspect_end();
}

void co_net_run(void (*fn)(void *arg), void *arg)
{
    struct first first = {fn, arg};
    co_set_stack_size((size_t)stack_kib * 1024);
    if (watchdog_ms > 0)
        server_require(co_set_watchdog(watchdog_ms) == 0, "--watchdog");
    if (watchdog_ms > 0 || inspect != NULL)
        open_names();
    server_require(co_go(first_main, &first) == 0, "co_go");
    if (inspect != NULL)
        start_inspector();
    server_require(co_run() == 0, "co_run");
    close_names();
}

struct server {
    void (*serve_clients)(void);
};

// Runs in the first coroutine of a server with one loop. At this point co_run()
// has opened everything, so server_ready() can announce the server.
static void serve(void *arg)
{
    const struct server *server = arg;
    server_ready();
    server->serve_clients();
}

void co_net_serve(int listener, void (*serve_clients)(void))
{
    struct server server = {serve_clients};
    server_require(net_set_nonblocking(listener) == 0, "fcntl");
    co_net_run(serve, &server);
}

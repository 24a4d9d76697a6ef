// co_net.c - the calls of net.h that block, for coroutines.
//
// For what they guard against, read their twins in net.c.

#include "co_net.h"

#include <errno.h>
#include <sys/socket.h>

#include "../coro/co.h"
#include "net.h"
#include "server.h"

int co_net_accept(int listener)
{
    int fd = -1;
    while (!stop_requested() && (fd = co_accept(listener)) < 0)
        if (stop_requested() || !co_net_backoff("accept"))
            break;
    net_accepted(fd);
    return fd;
}

bool co_net_backoff(const char *what)
{
    report_exhausted(what);
    co_sleep(NET_BACKOFF_MS);
    return !stop_requested();
}

bool co_net_receive(int fd, struct session *s)
{
    if (session_over(s))
        return false;
    co_limit_waits(stop_requested() ? -1 : net_idle_timeout_ms());
    ssize_t n;
    do
        n = co_recv(fd, session_space(s), session_space_len(s));
    while (n < 0 && errno == ENOMEM && co_net_backoff("recv"));
    if (n < 0)
        return false;
    net_received(fd, s, (size_t)n);
    return true;
}

// Sends, for NET_CHECK_MS at most. Returns how many bytes the kernel took.
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
    while (net_must_linger(fd, &progress))
        co_sleep(NET_CLOSE_MS);
    co_close(fd);
}

enum { STACK_KIB_MIN = 16, STACK_KIB_MAX = 65536 };

static int stack_kib = CO_STACK_KIB;
static bool trap;

// clang-format off
const struct option_rule co_net_options[] = {
    {"stack-kib", "N", "stack per client, in KiB",
     .number = &stack_kib, .min = STACK_KIB_MIN, .max = STACK_KIB_MAX},
    {"trap", NULL, "block the thread in the simulated backend", .flag = &trap},
    {0},
};
// clang-format on

// LESSON blocking-trap: a call that blocks the thread blocks all coroutines.
// Try it: --delay 100 and ten clients, with and without --trap.
void co_sleep_ms(int ms)
{
    if (trap)
        sleep_ms(ms);
    else
        co_sleep(ms);
}

struct start {
    void (*serve_clients)(void);
};

// In a coroutine, as co_run() must have opened what it needs before the server
// says that it is ready.
static void start(void *arg)
{
    struct start *start = arg;
    server_ready();
    start->serve_clients();
}

void co_net_prepare(void)
{
    co_set_stack_size((size_t)stack_kib * 1024);
}

void co_net_run(int listener, void (*serve_clients)(void))
{
    struct start first = {serve_clients};
    co_net_prepare();
    server_require(net_set_nonblocking(listener) == 0, "fcntl");
    server_require(co_go(start, &first) == 0, "co_go");
    server_require(co_run() == 0, "co_run");
}

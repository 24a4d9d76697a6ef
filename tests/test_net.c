// test_net.c - tests how net.c handles errors and limits.
//
// The linker's --wrap option replaces some calls of net.c by the functions
// below, so the tested code has no hooks and no #ifdef. A script sets the
// results of the next calls. Without a script, the real call is made. The clock
// can be set, so no test has to wait.

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../servers/common/net.h"
#include "../servers/common/server.h"
#include "tap.h"

enum { REPEAT = -1 };  // At a script's end: repeat the last result.

static const int *script;  // Errnos of the next calls; 0: 1 byte is moved.
static char sent_bytes[64];
static size_t sent_len;
static bool pipe_signal_possible;
static int64_t fake_now_ns;  // 0: the real clock.
static int64_t fake_step_ns;

ssize_t __real_send(int fd, const void *buf, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags);
ssize_t __real_recv(int fd, void *buf, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags);
int __real_accept4(int fd, struct sockaddr *a, socklen_t *n, int flags);
int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *n, int flags);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __real_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found);

// Gives the host "both" two addresses, ::1 and then 127.0.0.1, as "localhost"
// has on many machines.
int __wrap_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found)
{
    if (strcmp(host, "both") != 0)
        return __real_getaddrinfo(host, service, hints, found);
    struct addrinfo *second;
    int error = __real_getaddrinfo("::1", service, hints, found);
    if (error == 0 &&
        __real_getaddrinfo("127.0.0.1", service, hints, &second) == 0)
        (*found)->ai_next = second;
    return error;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (fake_now_ns == 0)
        return __real_clock_gettime(clock, now);
    fake_now_ns += fake_step_ns;
    now->tv_sec = fake_now_ns / NS_PER_S;
    now->tv_nsec = fake_now_ns % NS_PER_S;
    return 0;
}

// Makes the clock advance by `s` seconds with each reading. Returns the time
// now, in ns.
static int64_t start_fake_clock(int64_t s)
{
    fake_now_ns = 0;
    fake_step_ns = s * NS_PER_S;
    fake_now_ns = clock_now_ns();
    return fake_now_ns;
}

// Returns the errno of the next call, from the script.
static int next_errno(void)
{
    int result = *script;
    if (script[1] != REPEAT)
        script++;
    return result;
}

ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags)
{
    pipe_signal_possible = pipe_signal_possible || !(flags & MSG_NOSIGNAL);
    if (script == NULL)
        return __real_send(fd, buf, len, flags);
    if ((errno = next_errno()) != 0)
        return -1;
    sent_bytes[sent_len++] = *(const char *)buf;  // Sends a single byte.
    return 1;
}

ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags)
{
    if (script == NULL)
        return __real_recv(fd, buf, size, flags);
    if ((errno = next_errno()) != 0)
        return -1;
    *(char *)buf = 'x';
    return 1;
}

int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *n, int flags)
{
    if (script == NULL)
        return __real_accept4(fd, a, n, flags);
    return (errno = next_errno()) != 0 ? -1 : 42;
}

static const struct session_rules rules = {.n_max = 45};

static void test_receive_errors(void)
{
    struct session s;
    session_start(&s, &rules);
    script = (int[]){EINTR, EINTR, 0, REPEAT};
    ok(net_receive(-1, &s) && s.end == 1, "recv() starts again after signals");
    script = (int[]){ECONNRESET, REPEAT};
    ok(!net_receive(-1, &s), "a reset ends the conversation");
    script = NULL;
}

static void test_send_errors(void)
{
    script = (int[]){0, EINTR, 0, EINTR, EINTR, 0, REPEAT};
    ok(net_send_all(-1, "abc", 3) == 0 && sent_len == 3 &&
           memcmp(sent_bytes, "abc", 3) == 0,
       "send() one byte at a time, with signals: nothing lost, nothing twice");
    sent_len = 0;
    script = (int[]){EAGAIN, EAGAIN, EAGAIN, EAGAIN, 0, REPEAT};
    ok(net_send_all(-1, "ab", 2) == 0 && memcmp(sent_bytes, "ab", 2) == 0,
       "send() is repeated for a slow reader");
    script = (int[]){0, EPIPE, REPEAT};
    ok(net_send_all(-1, "ab", 2) == -1 && errno == EPIPE,
       "if the client is gone, the result is -1");
    ok(!pipe_signal_possible, "send() never raises SIGPIPE");
    script = NULL;
}

static void test_accept_errors(void)
{
    script = (int[]){EINTR, ECONNABORTED, 0, REPEAT};
    ok(net_accept(-1) == 42,
       "accept() starts again after signals and aborted connections");
    script = (int[]){EAGAIN, REPEAT};
    ok(net_accept(-1) == -1 && net_would_block(),
       "if no client is there, accept() fails with EAGAIN");

    int64_t begin_ns = clock_now_ns();
    script = (int[]){EMFILE, ENFILE, ENOBUFS, ENOMEM, 0, REPEAT};
    ok(net_accept(-1) == 42, "accept() starts again after full tables");
    ok(clock_now_ns() - begin_ns >= 4LL * NET_BACKOFF_MS * NS_PER_MS,
       "accept() backs off after each full table");
    script = NULL;
}

static void test_nonblocking(void)
{
    struct session s;
    struct net_progress progress = {0};
    session_start(&s, &rules);
    script = (int[]){EAGAIN, REPEAT};
    ok(net_try_receive(-1, &s, &progress) && progress.blocked && s.end == 0,
       "without input, the conversation is not over");
    script = (int[]){0, REPEAT};
    ok(net_try_receive(-1, &s, &progress) && !progress.blocked && s.end == 1,
       "a byte is received");
    script = (int[]){ECONNRESET, REPEAT};
    ok(!net_try_receive(-1, &s, &progress), "a reset ends the conversation");

    s.reply_len = 3;
    memcpy(s.reply, "abc", 3);
    sent_len = 0;
    script = (int[]){0, EAGAIN, EINTR, 0, REPEAT};
    ok(net_try_send(-1, &s, &progress) && progress.sent == 1,
       "one byte is sent");
    ok(net_try_send(-1, &s, &progress) && progress.sent == 1 &&
           progress.blocked,
       "without space, nothing is sent");
    ok(net_try_send(-1, &s, &progress) && progress.sent == 2 &&
           memcmp(sent_bytes, "ab", 2) == 0,
       "the next send continues after the first byte");
    script = (int[]){EPIPE, REPEAT};
    ok(!net_try_send(-1, &s, &progress),
       "if the client is gone, the conversation is over");
    script = NULL;
}

static int connect_to(const char *address)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? fd : -1;
}

static int option(int fd, int level, int name)
{
    int value = 0;
    socklen_t len = sizeof value;
    return getsockopt(fd, level, name, &value, &len) == 0 ? value : -1;
}

// A listener, and both ends of a connection to it.
struct pair {
    int listener, client, served;
    char address[NET_ADDRESS_SIZE];
};

static struct pair connect_pair(void)
{
    struct pair p = {.listener = net_listen("127.0.0.1", 0, 10, 0)};
    net_address(p.listener, p.address);
    p.client = connect_to(p.address);
    p.served = net_accept(p.listener);
    return p;
}

static void close_pair(const struct pair *p)
{
    close(p->client);
    close(p->served);
    close(p->listener);
}

static void test_names(void)
{
    char address[NET_ADDRESS_SIZE] = "";
    int listener = net_listen("both", 0, 10, false);
    net_address(listener, address);
    ok(strncmp(address, "127.0.0.1:", 10) == 0,
       "of a name with two addresses, the IPv4 address is taken: %s", address);
    close(listener);
}

static void test_sockets(void)
{
    struct pair p = connect_pair();
    int port = atoi(strrchr(p.address, ':') + 1);
    ok(port > 0, "the kernel chooses a port (%s)", p.address);
    ok(net_listen("127.0.0.1", port, 10, 0) == -1 && errno == EADDRINUSE,
       "a taken port is refused");
    ok(net_listen("no.such.host.invalid", 0, 10, 0) == -1 && errno == EINVAL,
       "a name that cannot be resolved is refused");
    ok(p.served >= 0, "a client is accepted");
    ok(option(p.served, IPPROTO_TCP, TCP_NODELAY) == 1,
       "an accepted socket has TCP_NODELAY");
    struct timeval timeout = {0};
    socklen_t len = sizeof timeout;
    getsockopt(p.served, SOL_SOCKET, SO_SNDTIMEO, &timeout, &len);
    ok(timeout.tv_sec * MS_PER_S + timeout.tv_usec / 1000 == NET_CHECK_MS,
       "an accepted socket has a time limit for send()");
    net_set_nonblocking(p.listener);
    ok(net_accept_nonblocking(p.listener) == -1 && net_would_block(),
       "without a second client, accept() fails with EAGAIN");
    close_pair(&p);
}

// Checks when a connection is idle: when no byte has moved in either direction
// during the timeout. Each reading of the clock shows one second more.
static void test_idle(void)
{
    struct pair p = connect_pair();
    struct net_progress progress = {0};
    struct session s;
    session_start(&s, &rules);
    start_fake_clock(1);
    bool idle = false;
    for (int i = 0; i < 100; i++)
        idle = idle || net_end_if_idle(p.served, &progress);
    ok(!idle, "without a timeout no connection is idle");

    net_set_idle_timeout(10);
    int checks = 0;
    while (checks < 100 && !net_end_if_idle(p.served, &progress))
        checks++;
    ok(checks >= 9 && checks <= 12,
       "with a timeout of 10 s, a connection is idle after 10 s (%d)", checks);
    ok(recv(p.client, sent_bytes, 1, 0) <= 0,
       "the connection of an idle client is shut down");
    ok(net_receive(p.served, &s) && !net_receive(p.served, &s),
       "the session of an idle client ends");
    close_pair(&p);
    net_set_idle_timeout(0);
    fake_now_ns = 0;
}

// Checks that a client that makes progress is not idle, even if it is slow.
static void test_slow(void)
{
    struct pair p = connect_pair();
    struct net_progress progress = {0};
    net_set_idle_timeout(10);
    start_fake_clock(1);
    bool idle = false;
    for (int i = 0; i < 50 && !idle; i++) {
        progress.active = i % 5 == 0;
        idle = net_end_if_idle(p.served, &progress);
    }
    ok(!idle, "a client with progress every 5 s is not idle");

    script = (int[]){EAGAIN, REPEAT};
    ok(net_send_all(p.served, "a", 1) == -1 && errno == ETIMEDOUT,
       "a client that never reads is idle, too");
    script = NULL;
    close_pair(&p);
    net_set_idle_timeout(0);
    fake_now_ns = 0;
}

static int stopping_listener;

static void wake_blocked_calls(void)
{
    shutdown(stopping_listener, SHUT_RDWR);
    net_shutdown_clients(stopping_listener);
}

static void test_signals(void)
{
    ok(stop_on_signal(wake_blocked_calls) == 0 && !stop_requested(),
       "before a signal, the server is not stopping");
    ok(stop_block_signals() == 0, "signals are blocked");
    start_fake_clock(0);  // All signals come at the same moment.
    raise(SIGTERM);
    ok(!stop_requested(), "a blocked signal stays pending");
    ok(!stop_wait(-1, -1) && stop_requested(),
       "stop_wait() delivers the pending signal");
    stop_unblock_signals();
    raise(SIGTERM);
    ok(true, "a second signal at the same moment does not end the process");
    fake_now_ns = 0;
}

// Checks what a stopping server still does. From here on, stop_requested() is
// true.
static void test_stop(void)
{
    struct pair p = connect_pair();
    struct session s;
    stopping_listener = p.listener;
    ok(p.served >= 0 && send(p.client, "1\n2", 3, 0) == 3 &&
           recv(p.served, sent_bytes, 3, MSG_PEEK | MSG_WAITALL) == 3,
       "three bytes have arrived");
    session_start(&s, &rules);
    test_signals();
    ok(net_accept(p.listener) == -1,
       "in a stopping server, accept() does not block");
    ok(net_receive(p.served, &s) && s.end == 3,
       "in a stopping server, bytes that had arrived are received");
    send(p.client, "3\n", 2, 0);
    ok(!net_receive(p.served, &s),
       "in a stopping server, later bytes are not received");

    sent_len = 0;
    script = (int[]){EAGAIN, EAGAIN, 0, REPEAT};
    ok(net_send_all(-1, "a", 1) == 0,
       "a stopping server waits for a slow reader");
    script = (int[]){EAGAIN, REPEAT};
    start_fake_clock(NET_STALL_MS / MS_PER_S / 4);
    ok(net_send_all(-1, "a", 1) == -1,
       "a stopping server gives up a client that does not read");
    script = NULL;
    close_pair(&p);
}

// Checks how long a server keeps a connection whose client does not read. The
// send buffer is full, so the connection cannot be closed gracefully.
static void test_close(void)
{
    static char bytes[1 << 16];
    int ends[2];
    struct net_progress progress = {0};
    ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0 &&
           net_prepare_close(ends[0], &progress),
       "if nothing was sent, a connection can be closed");
    while (send(ends[0], bytes, sizeof bytes, 0) > 0)
        ;
    start_fake_clock(1);
    ok(!net_prepare_close(ends[0], &progress),
       "a connection stays open until the client reads");
    int checks = 0;
    while (checks < 100 && !net_prepare_close(ends[0], &progress))
        checks++;
    ok(checks >= NET_STALL_MS / MS_PER_S - 2 && checks < 100,
       "a connection does not stay open without end (%d)", checks);
    ok(net_prepare_close(ends[0], &progress),
       "a connection that was given up can be closed");
    fake_now_ns = 0;
    close(ends[0]);
    close(ends[1]);
}

static void test_time(void)
{
    int64_t now_ns = start_fake_clock(0);
    ok(clock_ms_until(INT64_MAX) == -1, "never is -1 milliseconds");
    ok(clock_ms_until(now_ns) == 0 && clock_ms_until(now_ns - NS_PER_S) == 0,
       "a time that has passed is 0 milliseconds");
    ok(clock_ms_until(now_ns + 1) == 1 &&
           clock_ms_until(now_ns + NS_PER_MS + 1) == 2,
       "the remaining time is rounded up");
    ok(clock_ms_until(now_ns + NS_PER_MS) == 1 &&
           clock_ms_until(now_ns + 90LL * NS_PER_S) == 90 * MS_PER_S,
       "whole milliseconds are not rounded up");
    fake_now_ns = 0;
}

// Checks the limit on descriptors. Does so in a child process, because the
// limit cannot be raised again.
static void test_descriptors(void)
{
    int status = -1;
    fflush(stdout);
    if (fork() == 0) {
        int end = dup(STDOUT_FILENO);
        close(end);
        bool limited = net_limit_descriptors(end) == end &&
                       dup(STDOUT_FILENO) == -1 && errno == EMFILE;
        _exit(limited && net_raise_descriptor_limit() == end ? 0 : 1);
    }
    wait(&status);
    ok(status == 0,
       "no descriptor is above a limit, which cannot be raised again");
}

int main(void)
{
    if (report_open("test", true) != 0)
        return 1;
    test_receive_errors();
    test_send_errors();
    test_accept_errors();
    test_nonblocking();
    test_names();
    test_sockets();
    test_idle();
    test_slow();
    test_descriptors();
    test_time();
    test_stop();
    test_close();
    return done_testing();
}

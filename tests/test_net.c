// test_net.c - the surprises that net.c promises to handle, made on purpose.
//
// The linker's --wrap option routes the calls in net.c through the functions
// below, so the tested code carries no hooks and no #ifdef. A script says what
// the next calls do; without one the real call is made.

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../servers/common/net.h"
#include "../servers/common/report.h"
#include "../servers/common/stop.h"
#include "tap.h"

static const int *script;  // Errnos of the next calls; 0: it works for 1 byte.
static const struct timespec *stopped_at;  // What clocks say; NULL: the time.
static char taken[64];
static size_t taken_len;
static bool pipe_signal_possible;

ssize_t __real_send(int fd, const void *buf, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags);
ssize_t __real_recv(int fd, void *buf, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags);
int __real_accept4(int fd, struct sockaddr *a, socklen_t *n, int flags);
int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *n, int flags);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags)
{
    pipe_signal_possible = pipe_signal_possible || !(flags & MSG_NOSIGNAL);
    if (script == NULL)
        return __real_send(fd, buf, len, flags);
    if ((errno = *script++) != 0)
        return -1;
    taken[taken_len++] = *(const char *)buf;  // Accepts a single byte.
    return 1;
}

ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags)
{
    if (script == NULL)
        return __real_recv(fd, buf, size, flags);
    if ((errno = *script++) != 0)
        return -1;
    *(char *)buf = 'x';
    return 1;
}

int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *n, int flags)
{
    if (script == NULL)
        return __real_accept4(fd, a, n, flags);
    return (errno = *script++) != 0 ? -1 : 42;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (stopped_at == NULL)
        return __real_clock_gettime(clock, now);
    *now = *stopped_at;
    return 0;
}

static void test_errors(void)
{
    char byte;
    script = (int[]){EINTR, EINTR, 0};
    ok(net_recv(-1, &byte, 1) == 1, "recv() starts again after signals");
    script = (int[]){ECONNRESET};
    ok(net_recv(-1, &byte, 1) == -1 && errno == ECONNRESET, "a reset is -1");

    script = (int[]){0, EINTR, 0, EINTR, EINTR, 0};
    ok(net_send_all(-1, "abc", 3) == 0 && taken_len == 3 &&
           memcmp(taken, "abc", 3) == 0,
       "send() one byte at a time, with signals: nothing lost, nothing twice");
    taken_len = 0;
    script = (int[]){EAGAIN, EAGAIN, EAGAIN, 0, 0};
    ok(net_send_all(-1, "ab", 2) == 0 && memcmp(taken, "ab", 2) == 0,
       "a slow reader is waited for");
    script = (int[]){0, EPIPE};
    ok(net_send_all(-1, "ab", 2) == -1 && errno == EPIPE, "a gone peer is -1");
    ok(!pipe_signal_possible, "send() never raises SIGPIPE");

    script = (int[]){EINTR, ECONNABORTED, 0};
    ok(net_accept(-1) == 42, "accept() outlives signals and quitters");
    script = (int[]){EINTR, ECONNABORTED, 0};
    ok(net_accept_now(-1, 0) == 42, "and needs no pause after them");
    script = (int[]){EAGAIN};
    ok(net_accept(-1) == -1 && net_would_block(), "nobody there is no trouble");

    int64_t begin_ns = net_now_ns();
    script = (int[]){EMFILE, ENFILE, ENOBUFS, ENOMEM, 0};
    ok(net_accept(-1) == 42, "accept() outlives full tables");
    ok(net_now_ns() - begin_ns >= 4LL * NET_RETRY_MS * NET_NS_PER_MS,
       "and does not spin meanwhile");
    script = NULL;
}

static int connect_to(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
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

static void test_sockets(void)
{
    int listener = net_listen("127.0.0.1", 0, 10, NET_ALONE);
    ok(listener >= 0 && net_port(listener) > 0, "the kernel picks a port");
    ok(net_listen("127.0.0.1", net_port(listener), 10, NET_ALONE) == -1 &&
           errno == EADDRINUSE,
       "a taken port is refused");
    ok(net_listen("no.such.host.invalid", 0, 10, NET_ALONE) == -1 &&
           errno == EINVAL,
       "a host that is none is refused");

    int first = net_listen("127.0.0.1", 0, 10, NET_FIRST);
    int joined = net_listen("127.0.0.1", net_port(first), 10, NET_JOINING);
    ok(joined >= 0 && net_port(joined) == net_port(first),
       "a second listener may share the port");
    ok(net_listen("127.0.0.1", net_port(first), 10, NET_FIRST) == -1 &&
           errno == EADDRINUSE,
       "but not be the first for it");
    close(first);
    close(joined);

    int client = connect_to(net_port(listener));
    int served = net_accept(listener);
    ok(served >= 0, "a client is accepted");
    ok(option(served, IPPROTO_TCP, TCP_NODELAY) == 1, "with TCP_NODELAY");
    struct timeval timeout = {0};
    socklen_t len = sizeof timeout;
    getsockopt(served, SOL_SOCKET, SO_SNDTIMEO, &timeout, &len);
    ok(timeout.tv_sec * NET_MS_PER_S == NET_STALL_MS, "and a limit on send()");

    ok(net_unread(served) == 0, "nothing is unread at first");
    ok(send(client, "hello", 5, 0) == 5, "five bytes are sent");
    char buf[8];
    ok(recv(served, buf, 1, MSG_PEEK) == 1 && net_unread(served) == 5,
       "then five are unread");
    close(client);
    close(served);
    close(listener);
}

static int stopping_listener;

static void on_stop(void)
{
    shutdown(stopping_listener, SHUT_RDWR);
}

static void test_stop(void)
{
    stopping_listener = net_listen("127.0.0.1", 0, 10, NET_ALONE);
    ok(stop_on_signal(on_stop) == 0 && !stop_requested(), "not yet stopping");
    ok(stop_hold_signals() == 0, "signals are held");
    raise(SIGTERM);
    ok(!stop_requested(), "held signals wait");
    ok(!stop_wait(-1, -1) && stop_requested(), "for stop_wait()");
    stop_release_signals();
    ok(net_accept(stopping_listener) == -1, "a stopped accept() does not wait");

    script = (int[]){EAGAIN, 0};
    ok(net_send_all(-1, "a", 1) == 0,
       "a stopping server waits for a reader who made any room at all");
    script = (int[]){EAGAIN, EAGAIN};
    ok(net_send_all(-1, "a", 1) == -1, "but not for one who made none");
    script = NULL;
    close(stopping_listener);
}

static void test_time(void)
{
    stopped_at = &(struct timespec){.tv_sec = 1000, .tv_nsec = 5};
    int64_t now_ns = net_now_ns();
    ok(now_ns == 1000LL * NET_NS_PER_S + 5, "a time is in nanoseconds");
    ok(net_ms_until(INT64_MAX) == -1, "for ever is -1 milliseconds");
    ok(net_ms_until(now_ns) == 0 && net_ms_until(now_ns - NET_NS_PER_S) == 0,
       "what is over takes 0");
    ok(net_ms_until(now_ns + 1) == 1 &&
           net_ms_until(now_ns + NET_NS_PER_MS + 1) == 2,
       "the rest is rounded up");
    ok(net_ms_until(now_ns + NET_NS_PER_MS) == 1 &&
           net_ms_until(now_ns + 90LL * NET_NS_PER_S) == 90 * NET_MS_PER_S,
       "and not more than that");
    stopped_at = NULL;
}

// In a child, as it is for good.
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
    ok(status == 0, "no descriptor beyond a limit that cannot be raised again");
}

int main(void)
{
    static const struct options opt = {.model = "test", .quiet = true};
    if (report_open(&opt) != 0)
        return 1;
    test_errors();
    test_sockets();
    test_stop();
    test_time();
    test_descriptors();
    return done_testing();
}

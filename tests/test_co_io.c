// test_co_io.c - tests the calls of coroutines that wait for descriptors.
//
// The linker's --wrap option replaces epoll_ctl() by a function below that can
// fail, and recv() and recvmsg() by functions that count the calls.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/un.h>

#include "co_test.h"
#include "virtual_clock.h"

// ---- Faults

static int epoll_ctl_error, failures;
static int receive_calls;

int __real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    if (epoll_ctl_error == 0)
        return __real_epoll_ctl(epoll, op, fd, event);
    failures++;
    errno = epoll_ctl_error;
    return -1;
}

ssize_t __real_recv(int fd, void *buf, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags);

ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags)
{
    receive_calls++;
    return __real_recv(fd, buf, size, flags);
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    receive_calls++;
    return __real_recvmsg(fd, message, flags);
}

// ---- Waiting for data

enum { BIG = 1 << 20, UNUSED_FD = 1000 };

static void send_big(void *arg)
{
    (void)arg;
    static char data[BIG];
    for (int i = 0; i < BIG; i++)
        data[i] = (char)(i * 7 % 251);
    append_result(co_send_all(ends[0], data, BIG));
    shutdown(ends[0], SHUT_WR);
}

static void receive_big(void *arg)
{
    static char data[BIG + 1];
    size_t len = 0;
    ssize_t n = 1;
    while (n > 0) {
        n = co_recv(ends[1], data + len, sizeof data - len);
        len += n > 0 ? (size_t)n : 0;
    }
    bool *right = arg;
    *right = n == 0 && len == BIG;
    for (int i = 0; i < BIG; i++)
        *right = *right && data[i] == (char)(i * 7 % 251);
}

static int receive(void)
{
    char byte;
    return co_recv(ends[1], &byte, 1) == 1 ? 0 : -1;
}

static void receive_limited(void *arg)
{
    (void)arg;
    co_limit_waits(20);
    append_result(receive());
    if (co_limit_waits(-1) != 20)
        append("? ");
    append_result(receive());
}

static void send_late(void *arg)
{
    co_sleep((int)value_of(arg));
    co_send(ends[0], "x", 1);
}

static struct co *victim;

static void receive_once(void *arg)
{
    (void)arg;
    victim = co_self();
    append_result(receive());
}

static void send_and_compute(void *arg)
{
    (void)arg;
    co_send(ends[0], "x", 1);
    clock_advance_ms(30);  // Now the limit of receive_limited() is over.
}

static void receive_without_wait(void *arg)
{
    (void)arg;
    co_limit_waits(0);
    append_result(receive());
    co_send(ends[0], "x", 1);
    append_result(receive());
}

static void *receive_in_generator(void *arg)
{
    append_result(receive());
    return arg;
}

static void limit_generator(void *arg)
{
    (void)arg;
    int64_t begin_ms = clock_ms();
    co_limit_waits(20);
    struct co *c = co_new(receive_in_generator, NULL);
    co_resume(c, NULL);
    co_free(c);
    append(clock_ms() == begin_ms + 20 ? "at 20 " : "? ");
}

static void poll_then_append(void *arg)
{
    if (co_poll(ends[1], EPOLLIN) == 0)
        append(arg);
}

static void misuse(void *arg)
{
    char byte;
    (void)arg;
    append_result((int)co_recv(-1, &byte, 1));
    append_result(co_poll(-1, EPOLLIN));
    append_result(co_poll(UNUSED_FD, EPOLLIN));
}

static void test_waiting(void)
{
    bool right = false;
    make_pair();
    co_go(receive_big, &right);
    co_go(send_big, NULL);
    ok(run_traced("fine ") && right,
       "a megabyte passes through a small buffer");
    close_pair();
    make_pair();
    go(poll_then_append, "readable ");
    co_go(send_late, number(5));
    ok(run_traced("readable "), "co_poll() waits without reading");
    co_go(misuse, NULL);
    close_pair();
    ok(run_traced("closed closed closed "), "a bad descriptor is EBADF");
}

static void test_limits(void)
{
    make_pair();
    co_go(receive_limited, NULL);
    co_go(send_late, number(40));
    ok(run_traced("late fine "),
       "a wait ends at its limit; the next wait succeeds");
    co_go(receive_limited, NULL);
    co_go(receive_once, NULL);
    co_go(send_late, number(40));
    ok(run_traced("busy late fine "),
       "the second coroutine that reads from a descriptor is refused");
    co_go(receive_limited, NULL);
    co_go(send_and_compute, NULL);
    co_go(send_late, number(1));
    ok(run_traced("fine fine "),
       "data that came in time counts, even if the limit is over when the loop"
       " finds out");
    co_go(receive_without_wait, NULL);
    ok(run_traced("late fine "),
       "with a limit of 0, a call only takes data that is there");
    co_go(limit_generator, NULL);
    ok(run_traced("late at 20 "), "a limit holds for a generator, too");
    close_pair();
}

// ---- Cancellation

static void receive_twice(void *arg)
{
    (void)arg;
    victim = co_self();
    append_result(receive());
    append_result(receive());
    append_result(co_poll(ends[0], EPOLLOUT));
    append_result((int)co_send(ends[0], "x", 1));
    append_result(co_send_all(ends[0], "", 0));
}

static void send_then_cancel(void *arg)
{
    (void)arg;
    co_send(ends[0], "x", 1);
    co_reschedule();
    co_cancel(victim);
    append("cancel ");
}

static void cancel_then_send(void *arg)
{
    (void)arg;
    co_cancel(victim);
    append("cancel ");
    co_send(ends[0], "x", 1);
}

static void close_other(void *arg)
{
    (void)arg;
    co_close(ends[1]);
    co_close(ends[0]);
}

static struct co *closer;

// Closes the sockets when `victim` is ready but has not run, and opens others.
// The victim must not receive from a new socket that has the same number.
static void close_and_reuse(void *arg)
{
    (void)arg;
    int old = ends[1];
    closer = co_self();
    co_park();
    append(co_state_of(victim) == CO_READY ? "ready " : "? ");
    close_pair();
    make_pair();
    append(ends[1] == old || ends[0] == old ? "reused " : "? ");
}

static void send_then_wake_closer(void *arg)
{
    (void)arg;
    co_send(ends[0], "x", 1);
    co_wake(closer);
}

static void try_after_deadline(void *arg)
{
    (void)arg;
    co_set_deadline(1);
    co_send(ends[0], "x", 1);
    append_result(co_poll(ends[1], EPOLLIN));
    clock_advance_ms(1);
    append_result(co_poll(ends[1], EPOLLIN));
    append_result(receive());
}

static void test_cancellation(void)
{
    make_pair();
    co_go(receive_twice, NULL);
    co_go(cancel_then_send, NULL);
    ok(run_traced("cancel cancelled cancelled cancelled cancelled cancelled "),
       "a cancelled coroutine fails in all calls, even with data");
    close_pair();

    make_pair();
    co_go(receive_twice, NULL);
    co_go(send_then_cancel, NULL);
    ok(run_traced("fine cancel cancelled cancelled cancelled cancelled "),
       "data that came before the cancellation is not lost");
    close_pair();

    make_pair();
    co_go(try_after_deadline, NULL);
    ok(run_traced("fine late late "), "after a deadline calls fail, too");
    close_pair();

    make_pair();
    co_go(receive_once, NULL);
    co_go(close_other, NULL);
    ok(run_traced("closed "), "co_close() ends the wait for a descriptor");
    make_pair();
    co_go(close_and_reuse, NULL);
    co_go(receive_once, NULL);
    co_go(send_then_wake_closer, NULL);
    ok(run_traced("ready reused closed "),
       "a closed descriptor ends the wait even if its number is used again");
    close_pair();
}

// ---- Turns

static void hold_the_loop(void *arg)
{
    // The calls of a server whose client always has another request and reads
    // all replies at once.
    char bytes[64];
    int *turns = arg;
    for (int i = 0; i < 500; i++) {
        co_send(ends[0], "request", 7);
        co_recv(ends[1], bytes, sizeof bytes);
        (*turns)++;
    }
}

static int turns_seen;

static void watch_the_loop(void *arg)
{
    int *turns = arg;
    for (int i = 0; i < 5; i++)
        co_reschedule();
    turns_seen = *turns;
}

static void compute_between_calls(void *arg)
{
    char byte;
    int *calls = arg;
    for (; *calls < 4 * CO_BUDGET; (*calls)++) {
        co_send(ends[0], "x", 1);
        co_recv(ends[1], &byte, 1);
        clock_advance_ms(2);
    }
}

static void count_turns(void *arg)
{
    const int *calls = arg;
    for (turns_seen = 0; *calls < 4 * CO_BUDGET; turns_seen++)
        co_reschedule();
}

static void send_then_reschedule(void *arg)
{
    co_send(ends[0], "x", 1);
    co_reschedule();
    append(arg);
}

static void poll_until_stopped(void *arg)
{
    const bool *stop = arg;
    while (!*stop)
        co_poll(ends[0], EPOLLOUT);
}

static void stop_the_others(void *arg)
{
    co_reschedule();
    *(bool *)arg = true;
}

static void test_turns(void)
{
    int turns = 0, calls = 0;
    bool stop = false;
    make_pair();
    co_go(hold_the_loop, &turns);
    co_go(watch_the_loop, &turns);
    ok(co_run() == 0 && turns == 500 && turns_seen <= 6 * CO_BUDGET,
       "a coroutine that never has to wait does not stop the others");
    co_go(compute_between_calls, &calls);
    co_go(count_turns, &calls);
    ok(co_run() == 0 && turns_seen >= CO_BUDGET,
       "if it computes in between, others get turns earlier: %d", turns_seen);
    go(poll_then_append, "event ");
    go(send_then_reschedule, "rescheduled ");
    ok(run_traced("event rescheduled "),
       "a rescheduled coroutine comes after those whose event has happened");
    co_go(poll_until_stopped, &stop);
    co_go(stop_the_others, &stop);
    ok(co_run() == 0, "co_poll() lets others run, too");
    close_pair();
}

// ---- Edge-triggered events

static void send_when_awaited(void *arg)
{
    until(victim, CO_WAITING);
    co_send(ends[0], "x", 1);
    append(arg);
}

static void reuse_number(void *arg)
{
    bool *right = arg;
    *right = true;
    victim = co_self();
    for (int i = 0; i < 100; i++) {
        make_pair();
        go(send_when_awaited, "");
        *right = receive() == 0 && *right;
        close_pair();
    }
}

static void receive_to_the_end(void *arg)
{
    bool *right = arg;
    char bytes[16];
    static const ssize_t expected[] = {1, 2, 0, 0};
    victim = co_self();
    *right = true;
    for (int i = 0; i < 4; i++)
        *right = co_recv(ends[1], bytes, sizeof bytes) == expected[i] && *right;
}

// Sends bytes and ends the stream, so that the receiver has a short read and
// the end of the input at the same time.
static void send_and_end(void *arg)
{
    (void)arg;
    until(victim, CO_WAITING);
    co_send(ends[0], "x", 1);
    co_reschedule();
    until(victim, CO_WAITING);
    co_send(ends[0], "yz", 2);
    shutdown(ends[0], SHUT_WR);
}

// Binds a socket to a free port. Returns its address.
static struct sockaddr_in bind_to_free_port(int fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    if (bind(fd, (struct sockaddr *)&at, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        ok(false, "a bound socket: %s", strerror(errno));
    return at;
}

static struct sockaddr_in listen_on(int *listener)
{
    *listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = bind_to_free_port(*listener);
    if (listen(*listener, 1) != 0)
        ok(false, "a listener: %s", strerror(errno));
    return at;
}

static void make_tcp_pair(void)
{
    int listener;
    struct sockaddr_in to = listen_on(&listener);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(ends[0], (struct sockaddr *)&to, sizeof to) != 0)
        ok(false, "a TCP connection: %s", strerror(errno));
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    // If another core handles the last packet of the handshake, the listener
    // may receive it after connect() has returned.
    poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, -1);
    ends[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    close(listener);
}

// Sends urgent data between other data. recv() returns early at its mark,
// although more data has arrived.
static void send_urgent(void *arg)
{
    (void)arg;
    until(victim, CO_WAITING);
    send(ends[0], "abc", 3, 0);
    send(ends[0], "!", 1, MSG_OOB);
    send(ends[0], "def", 3, 0);
}

static void receive_six(void *arg)
{
    char bytes[16];
    size_t len = 0;
    victim = co_self();
    for (ssize_t n = 0; len < 6 && n >= 0; len += n > 0 ? (size_t)n : 0)
        n = co_recv(ends[1], bytes + len, sizeof bytes - len);
    *(bool *)arg = len == 6 && memcmp(bytes, "abcdef", 6) == 0;
}

static void test_edges(void)
{
    bool right = false;
    co_go(reuse_number, &right);
    ok(co_run() == 0 && right, "descriptor numbers are used again");
    make_pair();
    co_go(receive_to_the_end, &right);
    co_go(send_and_end, NULL);
    ok(co_run() == 0 && right, "the end of the input is not missed");
    close_pair();
    make_tcp_pair();
    co_go(receive_six, &right);
    co_go(send_urgent, NULL);
    ok(co_run() == 0 && right, "data after urgent data is not missed");
    close_pair();
}

// ---- Kinds of sockets

// Sends a message, together with the descriptor `fd`.
static void send_with_descriptor(int fd, const char *text)
{
    char bytes[8] = {0};
    size_t len = strlen(text);
    strncpy(bytes, text, sizeof bytes - 1);
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec data = {bytes, len};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    if (sendmsg(fd, &message, 0) != (ssize_t)len)
        ok(false, "sendmsg: %s", strerror(errno));
}

static void send_two_messages(void)
{
    send(ends[0], "ab", 2, 0);
    send(ends[0], "cd", 2, 0);
}

static void pass_a_descriptor(void)
{
    send_with_descriptor(ends[0], "abc");
    send(ends[0], "d", 1, 0);
}

static void send_one_piece(void)
{
    send(ends[0], "abcd", 4, 0);
}

static void (*send_four)(void);

static void receive_four(void *arg)
{
    char bytes[16];
    size_t len = 0;
    victim = co_self();
    co_set_deadline(1000);
    for (ssize_t n = 0; len < 4 && n >= 0; len += n > 0 ? (size_t)n : 0)
        n = co_recv(ends[1], bytes + len, sizeof bytes - len);
    *(int *)arg = (int)len;
    receive_calls = 0;
    co_set_deadline(1);
    append_result(receive());
}

static void send_four_when_awaited(void *arg)
{
    (void)arg;
    until(victim, CO_WAITING);
    send_four();
}

// Returns how many of four bytes the receiver gets when send() has sent all of
// them before it runs. Sets `calls` to the number of recv() calls for a fifth
// byte, which never comes.
static int received_of_four(int type, void (*send)(void), int *calls)
{
    int len = 0;
    make_pair_of(type);
    send_four = send;
    co_go(receive_four, &len);
    co_go(send_four_when_awaited, NULL);
    if (!run_traced("late "))
        len = -1;
    *calls = receive_calls;
    close_pair();
    return len;
}

static void test_kinds(void)
{
    int calls = 0;
    ok(received_of_four(SOCK_STREAM, send_one_piece, &calls) == 4 && calls == 0,
       "on a stream, a short read saves the next call");
    ok(received_of_four(SOCK_STREAM, pass_a_descriptor, &calls) == 4,
       "after a passed descriptor, a short read saves no call");
    ok(received_of_four(SOCK_DGRAM, send_two_messages, &calls) == 4 &&
           calls == 1,
       "two datagrams are both received");
    ok(received_of_four(SOCK_SEQPACKET, send_two_messages, &calls) == 4,
       "two packets are both received");
}

// ---- Connecting and accepting

static struct sockaddr_in server;
static int listener = -1;

static void connect_and_talk(void *arg)
{
    char byte;
    (void)arg;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    append_result(co_connect(fd, (struct sockaddr *)&server, sizeof server));
    append_result(co_send_all(fd, "x", 1));
    append(co_recv(fd, &byte, 1) == 1 && byte == 'y' ? "reply " : "? ");
    co_close(fd);
}

static void accept_and_reply(void *arg)
{
    char bytes[16];
    int fd = co_accept(listener);
    append(co_recv(fd, bytes, sizeof bytes) == 1 ? arg : "? ");
    receive_calls = 0;
    co_set_deadline(1);
    append_result((int)co_recv(fd, bytes, sizeof bytes));
    append(receive_calls == 0 ? "" : "? ");
    co_set_deadline(-1);
    co_send_all(fd, "y", 1);
    co_close(fd);
}

static void connect_only(void *arg)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (arg != NULL)
        co_cancel(co_self());
    append_result(co_connect(fd, (struct sockaddr *)&server, sizeof server));
    co_close(fd);
}

static void connect_unix(void *arg)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)arg;
    append_result(co_connect(fd, (struct sockaddr *)&at, sizeof at));
    co_close(fd);
}

static void test_connections(void)
{
    server = listen_on(&listener);
    go(accept_and_reply, "request ");
    co_go(connect_and_talk, NULL);
    ok(run_traced("fine fine request late reply "),
       "coroutines can connect, accept, receive and send");
    co_go(connect_only, number(1));
    ok(run_traced("cancelled "), "co_connect() fails when it is cancelled");
    close(listener);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    server = bind_to_free_port(listener);  // Keeps it from other programs.
    co_go(connect_only, NULL);
    ok(run_traced("refused "), "co_connect() fails if no server listens");
    close(listener);
    co_go(connect_unix, NULL);
    ok(run_traced("refused "),
       "co_connect() fails for a UNIX address that does not exist");
}

// ---- Exhaustion

// Makes epoll_ctl() fail for a number of milliseconds.
static void fill_epoll(void *arg)
{
    failures = 0;
    epoll_ctl_error = ENOSPC;
    co_sleep((int)value_of(arg));
    epoll_ctl_error = 0;
}

static void test_exhaustion(void)
{
    make_pair();
    co_go(fill_epoll, number(500));
    co_go(receive_once, NULL);
    co_go(send_late, number(5));
    ok(run_traced("fine ") && failures > 0 && failures < 5,
       "without memory for epoll, a call tries again later");
    co_go(fill_epoll, number(500));
    co_go(receive_limited, NULL);
    co_go(send_late, number(100));
    ok(run_traced("late fine "),
       "without memory for epoll, a call ends at its limit");
    co_go(fill_epoll, number(500));
    co_go(receive_once, NULL);
    co_go(cancel_then_send, NULL);
    ok(run_traced("cancel cancelled ") && failures < 5,
       "without memory for epoll, a call can be cancelled");
    close_pair();

    make_pair();
    co_go(receive_once, NULL);
    co_go(send_late, number(5));
    epoll_ctl_error = ENOSPC;
    ok(co_run() == -1 && errno == ENOSPC,
       "co_run() fails if it cannot open its epoll instance");
    epoll_ctl_error = 0;
    ok(run_traced("fine "),
       "after such a failure, co_run() can be called again");
    close_pair();
}

int main(void)
{
    alarm(TAP_HANG_S);
    test_waiting();
    test_limits();
    test_cancellation();
    test_turns();
    test_edges();
    test_kinds();
    test_connections();
    test_exhaustion();
    return done_testing();
}

// test_conn.c - tests one connection of the client: its start, requests,
// replies.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../client/clock.h"
#include "../client/conn.h"
#include "tap.h"

// Each try takes a millisecond.
enum { STAMPING_TRIES = 30000 };

static struct sockaddr_in at = {.sin_family = AF_INET};
static int epoll;

// Returns a socket that is bound to a free port of 127.0.0.1, and sets `at` to
// its address.
static int bound_socket(void)
{
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = 0;
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        return -1;
    return fd;
}

static int states[CONN_STATES];

// Connects `c` to the address in `at`. Returns 0, or the errno of the failure.
static int open_error(struct conn *c, uint16_t source)
{
    struct address to = {.len = sizeof at};
    memcpy(&to.storage, &at, sizeof at);
    int fd = conn_connect(&to, source, true);
    if (fd < 0 || conn_open(c, epoll, fd) != 0)
        return errno;
    struct epoll_event event;
    epoll_wait(epoll, &event, 1, -1);
    return event.data.ptr == c && conn_finish_opening(c) == 0 ? 0 : errno;
}

static void test_refused(void)
{
    struct conn c = {.states = states};
    int fd = bound_socket();  // Keeps the port from other programs.
    ok(open_error(&c, 0) == ECONNREFUSED,
       "connecting to a port without a server is refused");
    conn_close(&c, false);
    close(fd);
    ok(c.state == CONN_CLOSED, "a refused connection is closed");
}

// Checks that a socket that is connected to itself counts as refused. When a
// client connects to a free port, the kernel may choose that same port for the
// client: one time in 28,000.
static void test_to_itself(void)
{
    int fd = bound_socket();
    ok(connect(fd, (struct sockaddr *)&at, sizeof at) == 0,
       "TCP connects a socket to itself");
    ok(conn_check_connect(fd) == -1 && errno == ECONNREFUSED,
       "a connection to itself counts as refused");
    close(fd);
}

static void test_requests(struct conn *c, int server)
{
    static struct request request;
    char text[16] = "";
    request_make(&request, 30);
    ok(conn_send(c, &request, 1, 5) == 0 && c->in_flight == 1 &&
           c->unsent == 0 && conn_oldest(c)->due_ns == 5 &&
           conn_oldest(c)->sent_ns > 5,
       "a request is sent, and its due time and send time are stored");
    ok(recv(server, text, sizeof text, 0) == 3 && strcmp(text, "30\n") == 0,
       "the request is a line");
    ok(conn_send(c, &request, 2, 0) == 0 && !conn_has_room(c) &&
           request.in_flight == 3 && recv(server, text, sizeof text, 0) == 6 &&
           strcmp(text, "30\n30\n") == 0,
       "two more requests are sent together, and fill the pipeline");
    conn_remove_oldest(c, 1);
    ok(conn_has_room(c) && conn_send(c, &request, 1, 9) == 0 &&
           conn_oldest(c)->count == 2 &&
           conn_oldest(c)->due_ns == conn_oldest(c)->sent_ns,
       "a reply removes the oldest request, and makes room for another");
    conn_remove_oldest(c, 1);
    ok(conn_oldest(c)->count == 1,
       "of two requests that were sent together, one is left");
    conn_remove_oldest(c, 1);
    ok(conn_oldest(c)->due_ns == 9 && c->in_flight == 1 &&
           request.in_flight == 1,
       "the newest request becomes the oldest one");
}

// Waits until `c` has something to receive. If the kernel handles packets on
// another core, they may arrive after send() or close() has returned.
static void await_input(const struct conn *c)
{
    struct pollfd there = {.fd = c->fd, .events = POLLIN};
    poll(&there, 1, -1);
}

// Sends bytes from the server to `c`, which reads them a while after they have
// arrived. Returns whether `c` knows when they arrived: the time stamp must lie
// between the time before send() and the time at which poll() returned.
static bool is_stamped(struct conn *c, int server, const char *bytes)
{
    char reply[16];
    int64_t stamp_ns, sent_ns = clock_read_ns(CLOCK_REALTIME);
    ssize_t len = send(server, bytes, strlen(bytes), 0);
    await_input(c);
    int64_t arrived_ns = clock_read_ns(CLOCK_REALTIME);
    usleep(1000);
    return conn_receive(c, reply, sizeof reply, &stamp_ns) == len &&
           stamp_ns >= sent_ns && stamp_ns <= arrived_ns;
}

static void test_replies(struct conn *c, int server)
{
    char reply[16] = "";
    int64_t stamp_ns;
    ok(conn_receive(c, reply, sizeof reply, &stamp_ns) == -1 && errno == EAGAIN,
       "without a reply, conn_receive() fails with EAGAIN");
    ok(is_stamped(c, server, "55\n"),
       "the time stamp shows that a reply waited for the client");
    setsockopt(c->fd, SOL_SOCKET, SO_TIMESTAMPNS, &(int){0}, sizeof(int));
    send(server, "8\n", 2, 0);
    await_input(c);
    ok(conn_receive(c, reply, sizeof reply, &stamp_ns) == 2 && stamp_ns == 0,
       "without time stamps, the time of arrival is unknown");
    close(server);
    await_input(c);
    ok(conn_receive(c, reply, sizeof reply, &stamp_ns) == 0,
       "after the server has closed the connection, conn_receive() returns 0");
}

static void test_good(void)
{
    struct batch batches[3];
    struct conn c = {.depth = 3, .batches = batches, .states = states};
    int listener = bound_socket();
    listen(listener, 1);
    int before = states[CONN_OPEN];
    ok(open_error(&c, 0) == 0 && c.state == CONN_OPEN &&
           states[CONN_OPEN] == before + 1,
       "a connection to a server becomes open");
    int server = accept(listener, NULL, NULL);
    test_requests(&c, server);
    (void)!recv(server, (char[16]){0}, 16, 0);
    test_replies(&c, server);
    const struct request *request = c.request;
    conn_close(&c, false);
    ok(c.in_flight == 0 && request->in_flight == 0 &&
           states[CONN_OPEN] == before,
       "a closed connection has no outstanding requests");
    close(listener);
}

static void test_source(void)
{
    struct conn c = {.states = states};
    struct sockaddr_in from = {0};
    socklen_t len = sizeof from;
    int listener = bound_socket();
    listen(listener, 1);
    ok(open_error(&c, 3) == 0 &&
           getsockname(c.fd, (struct sockaddr *)&from, &len) == 0 &&
           ntohl(from.sin_addr.s_addr) == 0x7f010003U && from.sin_port != 0,
       "a connection can have a source address of its own, 127.1.0.3");
    conn_close(&c, false);
    close(listener);
}

// Waits until the kernel puts time stamps on packets. The kernel starts some
// time after the first socket has asked for them, and stops when the last such
// socket is closed. So this connection stays open.
static void begin_stamping(void)
{
    struct conn c = {.states = states};
    int listener = bound_socket(), tries = 0;
    listen(listener, 1);
    open_error(&c, 0);
    // Later tests must not get events of this connection.
    epoll_ctl(epoll, EPOLL_CTL_DEL, c.fd, NULL);
    int server = accept(listener, NULL, NULL);
    while (!is_stamped(&c, server, "x") && tries++ < STAMPING_TRIES)
        ;
    close(listener);
}

int main(void)
{
    epoll = epoll_create1(0);
    begin_stamping();
    test_refused();
    test_to_itself();
    test_good();
    test_source();
    return done_testing();
}

// test_connection.c - one connection of the client: refused, to itself, good.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../client/clock.h"
#include "../client/connection.h"
#include "tap.h"

static struct sockaddr_in at = {.sin_family = AF_INET};
static const struct addrinfo to = {.ai_family = AF_INET,
                                   .ai_addr = (struct sockaddr *)&at,
                                   .ai_addrlen = sizeof at};

// A socket bound to a free port of the loopback, which is then in `at`.
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

// Opens `c` and returns 0, or why that failed.
static int open_error(struct connection *c, uint16_t source)
{
    if (connection_open(c, &to, source) != 0)
        return errno;
    struct pollfd done = {.fd = c->fd, .events = POLLOUT};
    poll(&done, 1, -1);
    return connection_opened(c) == 0 ? 0 : errno;
}

static void test_refused(void)
{
    struct connection c = {0};
    close(bound_socket());  // Nobody listens there.
    ok(open_error(&c, 0) == ECONNREFUSED, "nobody there: refused");
    connection_close(&c);
}

// The kernel may do this with an unbound socket as well, one time in 28,000.
static void test_to_itself(void)
{
    struct connection c = {.fd = bound_socket(), .state = CONNECTION_OPENING};
    ok(connect(c.fd, (struct sockaddr *)&at, sizeof at) == 0,
       "TCP connects a socket to itself");
    ok(connection_opened(&c) == -1 && errno == ECONNREFUSED,
       "which is no server: refused");
    connection_close(&c);
}

static void test_good(void)
{
    struct pending pending[3];
    struct connection c = {.depth = 3, .pending = pending, .stamps = true};
    struct request request;
    char text[16] = "", reply[16] = "";
    int64_t stamp_ns;
    request_make(&request, 30);
    int listener = bound_socket();
    listen(listener, 1);

    ok(open_error(&c, 0) == 0 && c.state == CONNECTION_OPEN, "a server: open");
    int server = accept(listener, NULL, NULL);
    ok(connection_ask(&c, &request, 1, 5) == 0 && c.under_way == 1 &&
           c.unsent == 0 && connection_oldest(&c)->due_ns == 5 &&
           connection_oldest(&c)->sent_ns > 5,
       "a request is sent, and its times are known");
    ok(recv(server, text, sizeof text, 0) == 3 && strcmp(text, "30\n") == 0,
       "it is a line");
    ok(connection_ask(&c, &request, 2, 0) == 0 && !connection_has_room(&c) &&
           recv(server, text, sizeof text, 0) == 6 &&
           strcmp(text, "30\n30\n") == 0,
       "two more at once, and there is no more room");
    connection_answered(&c);
    ok(connection_has_room(&c) && connection_ask(&c, &request, 1, 9) == 0 &&
           pending[0].due_ns == 9 &&
           connection_oldest(&c)->due_ns == connection_oldest(&c)->sent_ns,
       "replies are for the oldest, which make room for the newest");
    (void)!recv(server, text, sizeof text, 0);
    ok(connection_receive(&c, reply, sizeof reply, &stamp_ns) == -1 &&
           errno == EAGAIN,
       "no reply yet");
    send(server, "55\n", 3, 0);
    struct pollfd there = {.fd = c.fd, .events = POLLIN};
    poll(&there, 1, -1);
    usleep(20000);
    int64_t read_ns = clock_now_ns() + clock_wall_offset_ns();
    ok(connection_receive(&c, reply, sizeof reply, &stamp_ns) == 3 &&
           stamp_ns < read_ns - 15000000 &&
           stamp_ns > read_ns - 5 * (int64_t)CLOCK_NS_PER_S,
       "a reply that waited for us is known to have");
    c.stamps = false;
    send(server, "8\n", 2, 0);
    poll(&there, 1, -1);
    ok(connection_receive(&c, reply, sizeof reply, &stamp_ns) == 2 &&
           stamp_ns == 0,
       "without stamps it is not");
    close(server);
    ok(connection_receive(&c, reply, sizeof reply, &stamp_ns) == 0,
       "then the server closes");
    connection_close(&c);
    close(listener);
}

static void test_source(void)
{
    struct connection c = {0};
    struct sockaddr_in from = {0};
    socklen_t len = sizeof from;
    int listener = bound_socket();
    listen(listener, 1);
    ok(open_error(&c, 3) == 0 &&
           getsockname(c.fd, (struct sockaddr *)&from, &len) == 0 &&
           ntohl(from.sin_addr.s_addr) == 0x7f010003U && from.sin_port != 0,
       "from an address of its own, 127.1.0.3");
    connection_close(&c);
    close(listener);
}

// The kernel begins to stamp some time after the first socket asks for it, and
// ends with the last: this one stays.
static void begin_stamping(void)
{
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    usleep(100000);
}

int main(void)
{
    begin_stamping();
    test_refused();
    test_to_itself();
    test_good();
    test_source();
    return done_testing();
}

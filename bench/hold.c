// hold.c - holds many connections to a server, and asks on each of them.
//
//     bin/hold PORT COUNT
//
// Connects and asks once on each connection; then, for every line on standard
// input, once more on all of them. At the end of the input it closes them all.
// After every batch it prints how many have been answered, in this round. Ends
// with status 1 at the first reply that is missing or wrong.
//
// One thread and blocking calls are enough here: a connection on this machine
// is open at once, and a batch of requests is on its way before the first reply
// is received. As no batch begins before the last one is answered, the server
// never has more than one to accept.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum {
    BATCH = 256,
    // An address has one port for each connection to the same server. Of the
    // usual 28,232 the kernel tries the even half first; once that is full, it
    // searches all of it in vain for every further connection.
    PER_ADDRESS = 8000,
    N_MAX = 20,  // largest n asked for: little work, and many different replies
    REPLY_SIZE = 32,
};

static uint16_t port;
static int count;
static int *connections;
static char replies[N_MAX + 1][REPLY_SIZE];  // what the server has to answer

__attribute__((format(printf, 1, 2))) _Noreturn static void
fail(const char *format, ...)
{
    va_list arguments;
    fputs("hold: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

static void compute_replies(void)
{
    uint64_t fib = 1, before = 0;
    for (int n = 1; n <= N_MAX; n++) {
        snprintf(replies[n], REPLY_SIZE, "fib: %llu\n",
                 (unsigned long long)fib);
        uint64_t next = fib + before;
        before = fib;
        fib = next;
    }
}

static int n_of(int i)
{
    return i % N_MAX + 1;
}

static struct sockaddr_in loopback(int host, int number)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr =
                                    htonl(INADDR_LOOPBACK + (uint32_t)host),
                                .sin_port = htons((uint16_t)number)};
}

static int set(int fd, int level, int option, const void *value, socklen_t size)
{
    return setsockopt(fd, level, option, value, size);
}

// Returns connection `i`.
static int dial(int i)
{
    struct sockaddr_in here = loopback(1 + i / PER_ADDRESS, 0);
    struct sockaddr_in server = loopback(0, port);
    // bind() would look for a port without any connection; connect() takes one
    // that is free for this server.
    int later = 1;
    // close() is to reset the connection: in order, each would keep its port
    // for a minute (TIME_WAIT), and the next run would not find enough.
    struct linger reset = {.l_onoff = 1, .l_linger = 0};

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &later, sizeof later) ||
        set(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) ||
        bind(fd, (struct sockaddr *)&here, sizeof here) ||
        connect(fd, (struct sockaddr *)&server, sizeof server))
        fail("connection %d: %s", i + 1, strerror(errno));
    return fd;
}

static void send_request(int i)
{
    char line[REPLY_SIZE];
    int len = snprintf(line, sizeof line, "%d\n", n_of(i));
    if (send(connections[i], line, (size_t)len, MSG_NOSIGNAL) != len)
        fail("send on connection %d: %s", i + 1, strerror(errno));
}

static void check_reply(int i)
{
    const char *wanted = replies[n_of(i)];
    size_t len = strlen(wanted);
    char reply[REPLY_SIZE];
    ssize_t got = recv(connections[i], reply, len, MSG_WAITALL);
    if (got < 0)
        fail("recv on connection %d: %s", i + 1, strerror(errno));
    if ((size_t)got < len)
        fail("connection %d: the server hung up", i + 1);
    if (memcmp(reply, wanted, len) != 0)
        fail("connection %d: asked for fib(%d), got '%.*s'", i + 1, n_of(i),
             (int)strcspn(reply, "\n"), reply);
}

static void ask_all(void (*begin)(int i))
{
    for (int first = 0; first < count; first += BATCH) {
        int end = first + BATCH < count ? first + BATCH : count;
        for (int i = first; i < end; i++)
            begin(i);
        for (int i = first; i < end; i++)
            check_reply(i);
        printf("%d\n", end);
        fflush(stdout);
    }
}

static void connect_and_ask(int i)
{
    connections[i] = dial(i);
    send_request(i);
}

static int number(const char *text, int max)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end != '\0' || value < 1 || value > max)
        fail("a number from 1 to %d, not '%s'", max, text);
    return (int)value;
}

static void allow_many_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        fail("usage: hold PORT COUNT");
    port = (uint16_t)number(argv[1], UINT16_MAX);
    count = number(argv[2], 100 * 1000 * 1000);
    connections = calloc((size_t)count, sizeof *connections);
    if (connections == NULL)
        fail("no memory for %d connections", count);
    allow_many_descriptors();
    compute_replies();

    ask_all(connect_and_ask);
    for (int c; (c = getchar()) != EOF;)
        if (c == '\n')
            ask_all(send_request);
    free(connections);
    return EXIT_SUCCESS;  // Whereby all connections are closed.
}

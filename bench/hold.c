// hold.c - holds many connections to a server, and sends requests on them.
//
//     bin/hold PORT COUNT
//
// Opens COUNT connections, and sends one request on each: this is the first
// round. Each line on standard input starts another round, with one more
// request on each connection. Closes all connections at the end of the input. A
// round consists of batches. After each batch, prints how many connections have
// got their reply in this round. Exits with status 1 at the first reply that is
// missing or wrong.
//
// One thread and blocking calls are enough here. On the same machine, connect()
// returns at once. All requests of a batch are in flight before the program
// waits for the first reply. A batch begins only when the previous one has been
// answered, so at most BATCH connections are in the accept queue of the server.

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
    // Connections from one address of ours. Each needs its own port, and an
    // address usually has 28,232. The kernel tries the even ports first. Once
    // all these are taken, it searches through them again for every further
    // connection.
    PER_ADDRESS = 8000,
    N_MAX = 20,  // largest n: little work, but many different replies
    REPLY_SIZE = 32,
};

static uint16_t port;
static int count;
static int *connections;
static char replies[N_MAX + 1][REPLY_SIZE];  // the correct replies, by n

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
    uint64_t fib = 1, previous = 0;
    for (int n = 1; n <= N_MAX; n++) {
        snprintf(replies[n], REPLY_SIZE, "fib: %llu\n",
                 (unsigned long long)fib);
        uint64_t next = fib + previous;
        previous = fib;
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

// Opens connection number `i`. Returns its descriptor.
static int open_connection(int i)
{
    struct sockaddr_in here = loopback(1 + i / PER_ADDRESS, 0);
    struct sockaddr_in server = loopback(0, port);
    // Leaves the choice of our port to connect(). bind() would choose only a
    // port that no connection uses, but connect() may also choose one that is
    // connected to another server.
    int later = 1;
    // Makes close() reset the connection. After an orderly close, the port
    // would be in TIME_WAIT for a minute, and the next run would not find
    // enough ports.
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
    const char *expected = replies[n_of(i)];
    size_t len = strlen(expected);
    char reply[REPLY_SIZE];
    ssize_t n = recv(connections[i], reply, len, MSG_WAITALL);
    if (n < 0)
        fail("recv on connection %d: %s", i + 1, strerror(errno));
    if ((size_t)n < len)
        fail("connection %d: the server has closed it", i + 1);
    if (memcmp(reply, expected, len) != 0)
        fail("connection %d: asked for fib(%d), got '%.*s'", i + 1, n_of(i),
             (int)strcspn(reply, "\n"), reply);
}

// Calls begin(i) for each connection, which sends a request on it, and checks
// the replies. Does this in batches, and prints the number of replies after
// each.
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
    connections[i] = open_connection(i);
    send_request(i);
}

static int parse_number(const char *text, int max)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end != '\0' || value < 1 || value > max)
        fail("need a number from 1 to %d, not '%s'", max, text);
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
    port = (uint16_t)parse_number(argv[1], UINT16_MAX);
    count = parse_number(argv[2], 100 * 1000 * 1000);
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
    return EXIT_SUCCESS;  // The kernel closes all connections now.
}

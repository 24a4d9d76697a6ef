// net.c - listening and accepting. net_client.c receives, sends and closes.
//
// Only net_listen(), net_accept() and the functions that back off may block.

#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"
#include "report.h"
#include "stop.h"
#include "trace.h"

// ---- Descriptors

int net_raise_descriptor_limit(void)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur < INT_MAX ? (int)limit.rlim_cur : INT_MAX;
}

int net_limit_descriptors(int end)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return end;
    if (limit.rlim_max > (rlim_t)end)
        limit.rlim_max = (rlim_t)end;
    if (limit.rlim_cur > limit.rlim_max)
        limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return end;
}

int net_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

bool net_would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

// ---- Listening and accepting

// Opens a listening socket, and sets the options that accepted sockets inherit.
static int listen_on(const struct addrinfo *address, int backlog,
                     unsigned flags)
{
    int type = SOCK_STREAM | SOCK_CLOEXEC;
    if (flags & NET_NONBLOCKING)
        type |= SOCK_NONBLOCK;
    int fd = socket(address->ai_family, type, 0);
    if (fd < 0)
        return -1;

    // Without SO_REUSEADDR, a restarted server could not bind to its port while
    // old connections are in TIME_WAIT. Without TCP_NODELAY, Nagle's algorithm
    // would delay a small reply until the previous one is acknowledged.
    const int on = 1, shared = (flags & NET_REUSEPORT) != 0;
    const struct timeval check = {.tv_usec = NET_CHECK_MS * 1000L};
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &check, sizeof check) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, sizeof shared) == 0 &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 &&
        listen(fd, backlog) == 0)
        return fd;

    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

// Returns the first IPv4 address of a host name, or its first address if none
// is IPv4. Some clients can use only IPv4. All others try every address of the
// name, so they find the IPv4 address, too.
static const struct addrinfo *preferred(const struct addrinfo *addresses)
{
    const struct addrinfo *a = addresses;
    while (a != NULL && a->ai_family != AF_INET)
        a = a->ai_next;
    return a != NULL ? a : addresses;
}

int net_listen(const char *host, int port, int backlog, unsigned flags)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses;
    char service[sizeof "65535"];
    snprintf(service, sizeof service, "%d", port);
    if (getaddrinfo(host, service, &hints, &addresses) != 0) {
        errno = EINVAL;
        return -1;
    }
    int fd = listen_on(preferred(addresses), backlog, flags);
    int saved = errno;
    freeaddrinfo(addresses);
    errno = saved;
    return fd;
}

static int write_address(const struct sockaddr_storage *address, socklen_t len,
                         char text[NET_ADDRESS_SIZE])
{
    char host[NET_ADDRESS_SIZE - 8], port[6];
    if (getnameinfo((const struct sockaddr *)address, len, host, sizeof host,
                    port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        errno = EINVAL;
        return -1;
    }
    bool v6 = address->ss_family == AF_INET6;
    snprintf(text, NET_ADDRESS_SIZE, v6 ? "[%s]:%s" : "%s:%s", host, port);
    return 0;
}

int net_address(int listener, char text[NET_ADDRESS_SIZE])
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &len) != 0)
        return -1;
    return write_address(&address, len, text);
}

int net_client_address(int fd, char text[NET_ADDRESS_SIZE])
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    if (getpeername(fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    return write_address(&address, len, text);
}

static int idle_timeout_s;  // Set before the first client is accepted.

void net_set_idle_timeout(int timeout_s)
{
    idle_timeout_s = timeout_s;
}

int net_idle_timeout_ms(void)
{
    return idle_timeout_s > 0 ? idle_timeout_s * MS_PER_S : -1;
}

static atomic_int highest_client;  // The highest descriptor of a client so far.

// Shuts the client down if the signal to stop has come after accept() and
// before this call: the handler of the signal did not know this client yet.
void net_accepted(int fd)
{
    if (fd > highest_client)
        highest_client = fd;
    if (fd >= 0 && stop_requested())
        shutdown(fd, SHUT_RD);
    trace_accepted(fd);
}

// Calls accept4(), and again if a signal interrupts it or the client gave up.
// Returns a descriptor, or -1 with errno set.
static int accept_client(int listener, int flags)
{
    int fd;
    do
        fd = accept4(listener, NULL, NULL, flags | SOCK_CLOEXEC);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    net_accepted(fd);
    return fd;
}

void net_shutdown_clients(int listener)
{
    for (int fd = listener + 1; fd <= highest_client; fd++)
        shutdown(fd, SHUT_RD);
}

int net_accept_nonblocking(int listener)
{
    int fd = accept_client(listener, SOCK_NONBLOCK);
    if (fd < 0 && !net_would_block() && !stop_requested())
        report_exhausted("accept");  // The client stays in the queue.
    return fd;
}

int net_accept(int listener)
{
    int fd = -1;
    while (!stop_requested() && (fd = accept_client(listener, 0)) < 0)
        if (net_would_block() || stop_requested() || !net_backoff("accept"))
            break;
    if (fd < 0)
        return -1;

    // The timeout of recv() is longer than the idle timeout, because the kernel
    // measures it less exactly than net_end_if_idle() does. If recv() failed
    // too early, the client would not be idle yet, and recv() would be called
    // for a whole timeout again. SO_RCVTIMEO is set for each client: on the
    // listener, it would make accept() time out.
    const struct timeval timeout = {.tv_sec = idle_timeout_s,
                                    .tv_usec = NET_CHECK_MS * 1000L};
    if (idle_timeout_s > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return fd;
}

// LESSON out-of-descriptors: a server must not exit because it has no free
// descriptor. But the client stays in the accept queue, so the next accept()
// would fail at once, and the loop would use a whole core. So back off: wait
// for a moment, then try again. Another connection may have been closed by
// then.
bool net_backoff(const char *what)
{
    report_exhausted(what);
    stop_wait(-1, NET_BACKOFF_MS);
    return !stop_requested();
}

int64_t net_backoff_until_ns(void)
{
    return clock_now_ns() + (int64_t)NET_BACKOFF_MS * NS_PER_MS;
}

void net_backoff_if_failed(int result)
{
    if (result < 0 && errno != EINTR)
        sleep_ms(NET_BACKOFF_MS);
}

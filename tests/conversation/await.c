// await.c - waits for what a server does with a connection.

#include "await.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

// TCP states of a socket, with the numbers that the kernel gives them.
enum { ESTABLISHED = 1, SYN_RECEIVED = 3, CLOSE_WAIT = 8 };

// What the kernel says about the server's end of a connection.
struct far_end {
    bool accepted;  // accept() has returned it, and it is still open
    bool closed;    // the server has closed it, or never had it
    bool finished;  // the client's end of input has arrived
    struct flow flow;
};

// A request to the kernel for one socket, in the format of sock_diag(7).
struct question {
    struct nlmsghdr header;
    struct inet_diag_req_v2 socket;
};

union answer {
    struct nlmsghdr header;
    char bytes[4096];
};

// Asks the kernel about the server's end of the connection. Returns whether the
// kernel has sent an answer.
static bool ask_kernel(const struct peer *p, union answer *answer)
{
    struct question question = {
        .header = {.nlmsg_len = sizeof question,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .socket = {
            .sdiag_family = AF_INET,
            .sdiag_protocol = IPPROTO_TCP,
            .idiag_ext = 1 << (INET_DIAG_INFO - 1),
            .idiag_states = ~0U,
            .id = {.idiag_sport = htons((uint16_t)p->server_port),
                   .idiag_dport = htons((uint16_t)p->own_port),
                   .idiag_src = {htonl(INADDR_LOOPBACK)},
                   .idiag_dst = {htonl(INADDR_LOOPBACK)},
                   .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}}};
    int kernel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    bool answered =
        send(kernel, &question, sizeof question, 0) == sizeof question &&
        recv(kernel, answer, sizeof *answer, 0) > 0;
    close(kernel);
    return answered;
}

// Ends the test program with an error message: without sock_diag(7), no part
// that waits for a server can be tested.
_Noreturn static void give_up(int error)
{
    printf("# the kernel does not tell about sockets (sock_diag): %s\n",
           strerror(error));
    fflush(stdout);
    exit(EXIT_FAILURE);
}

// Returns the TCP counters of the connection: the attribute INET_DIAG_INFO of
// the kernel's answer.
static struct tcp_info info_of(struct nlmsghdr *answer)
{
    char *body = NLMSG_DATA(answer);
    const size_t head_len = NLMSG_ALIGN(sizeof(struct inet_diag_msg));
    struct rtattr *attribute = (void *)(body + head_len);
    size_t len = NLMSG_PAYLOAD(answer, 0) - head_len;
    struct tcp_info info = {0};
    for (; RTA_OK(attribute, len); attribute = RTA_NEXT(attribute, len)) {
        size_t known = RTA_PAYLOAD(attribute);
        if (attribute->rta_type == INET_DIAG_INFO)
            memcpy(&info, RTA_DATA(attribute),
                   known < sizeof info ? known : sizeof info);
    }
    return info;
}

static struct far_end query(const struct peer *p)
{
    struct far_end far_end = {0};
    union answer answer;
    if (!ask_kernel(p, &answer))
        give_up(errno);
    if (answer.header.nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *failure = NLMSG_DATA(&answer.header);
        if (failure->error != -ENOENT)
            give_up(-failure->error);
        far_end.closed = true;
        return far_end;
    }
    const struct inet_diag_msg *end = NLMSG_DATA(&answer.header);
    far_end.finished = end->idiag_state == CLOSE_WAIT;
    if (far_end.finished || end->idiag_state == ESTABLISHED) {
        // Only a socket that accept() has returned has an inode.
        far_end.accepted = end->idiag_inode != 0;
        struct tcp_info info = info_of(&answer.header);
        far_end.flow.arrived = info.tcpi_bytes_received;
        far_end.flow.not_received = end->idiag_rqueue;
        far_end.flow.sent = info.tcpi_bytes_acked + end->idiag_wqueue;
        far_end.flow.not_sent = info.tcpi_notsent_bytes;
    } else {
        far_end.closed = end->idiag_state != SYN_RECEIVED;
    }
    return far_end;
}

// ---- Events

static bool is_accepted(const struct far_end *f, const struct peer *p)
{
    (void)p;
    return f->accepted;
}

static bool has_arrived(const struct far_end *f, const struct peer *p)
{
    return f->accepted && f->flow.arrived >= p->sent &&
           (f->finished || !p->finished);
}

static bool is_received(const struct far_end *f, const struct peer *p)
{
    return has_arrived(f, p) && f->flow.not_received == 0;
}

static bool is_closed(const struct far_end *f, const struct peer *p)
{
    (void)p;
    return f->closed;
}

// Prints the state of a connection at the server's end, after an event that has
// not come. Returns false.
static bool report(const struct far_end *f, const struct peer *p)
{
    if (f->closed)
        printf("# the server has closed the connection\n");
    else if (!f->accepted)
        printf("# the server has not accepted the connection\n");
    else
        printf("# of %zu bytes sent, %zu have arrived, and the server has not "
               "received %zu of these\n",
               p->sent, f->flow.arrived, f->flow.not_received);
    return false;
}

static bool await(const struct peer *p,
                  bool (*event)(const struct far_end *f, const struct peer *p))
{
    int64_t until_ms = now_ms() + patience_ms();
    struct far_end f = query(p);
    while (!event(&f, p) && !f.closed && now_ms() < until_ms) {
        sleep_ms(CHECK_PAUSE_MS);
        f = query(p);
    }
    return event(&f, p) || report(&f, p);
}

bool await_accepted(const struct peer *p)
{
    return await(p, is_accepted);
}

bool await_arrived(const struct peer *p)
{
    return await(p, has_arrived);
}

bool await_received(const struct peer *p)
{
    return await(p, is_received);
}

bool await_closed(const struct peer *p)
{
    return await(p, is_closed);
}

struct flow peer_flow(const struct peer *p)
{
    return query(p).flow;
}

bool peer_is_accepted(const struct peer *p)
{
    return query(p).accepted;
}

size_t peer_arrived(const struct peer *p)
{
    return peer_flow(p).arrived;
}

size_t peer_unreceived(const struct peer *p)
{
    struct flow flow = peer_flow(p);
    size_t received = flow.arrived - flow.not_received;
    return p->sent > received ? p->sent - received : 0;
}

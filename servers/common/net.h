// net.h - the socket calls, with their everyday surprises handled once.
//
// Nothing here exits. Functions that return an int or ssize_t give -1 and set
// errno on failure; the caller decides what a failure means.
//
// Every client that the server has accepted gets its replies. Clients still in
// the accept queue may not: a server that stops closes its listener, and then
// the kernel resets their connections, as it does with most servers.

#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../fib/session.h"

enum {
    NET_BACKOFF_MS = 100,   // pause after a resource was found exhausted
    NET_CHECK_MS = 500,     // how often the progress of a client is checked
    NET_STALL_MS = 10000,   // how long a client may stall a server that stops
    NET_CLOSE_MS = 10,      // how often a stopping server checks connections
    NET_ADDRESS_SIZE = 64,  // the longest is "[IPv6 address]:port"
};

// ---- Descriptors

// Raises the soft limit on open files to the hard one. Returns how many files
// this process may open now.
int net_raise_descriptor_limit(void);

// Lowers the soft and the hard limit on open files to `end`, if they are
// higher. From now on, every new descriptor is below `end`. Returns `end`.
int net_limit_descriptors(int end);

// Makes `fd` non-blocking: a call that would block fails with EAGAIN instead.
int net_set_nonblocking(int fd);

// Returns true if the last call failed only because it would have blocked.
bool net_would_block(void);

// ---- Listening and accepting

enum {
    NET_NONBLOCKING = 1,  // accepting from the listener never blocks
    NET_REUSEPORT = 2,  // other listeners with this flag may share its address
};

// Opens a TCP socket that listens on `host`:`port`; for port 0 the kernel
// chooses one. If `host` is a name, blocks until it is resolved. If the name
// has several addresses, listens on one of them, the first IPv4 address if
// there is one; net_address() says which. Accepted sockets inherit two options:
// TCP_NODELAY, and SO_SNDTIMEO, so that a blocking send() returns after
// NET_CHECK_MS and its caller can check the client's progress. `flags` is a sum
// of the flags above. Returns a descriptor that the caller closes, or -1: with
// EINVAL if `host` is no address.
int net_listen(const char *host, int port, int backlog, unsigned flags);

// Writes the address on which `listener` listens, as "127.0.0.1:9999".
int net_address(int listener, char text[NET_ADDRESS_SIZE]);

// Writes the address of a client in the same way. Returns 0, or -1.
int net_client_address(int fd, char text[NET_ADDRESS_SIZE]);

// Sets the idle timeout: if a client makes no progress in either direction for
// `timeout_s` seconds, its connection is closed. 0, the default: never. Call it
// before the first client is accepted.
void net_set_idle_timeout(int timeout_s);

// Returns the idle timeout in milliseconds, -1 for never.
int net_idle_timeout_ms(void);

// Accepts one client. Blocks until one connects, if the listener is a blocking
// socket. Skips clients that gave up in the queue. When the system is out of
// descriptors or memory, backs off (net_backoff()) and tries again: the clients
// stay in the queue. Returns a blocking descriptor, to be closed by
// net_close(), or -1 when the server is stopping or no client is there.
int net_accept(int listener);

// Accepts one client of a non-blocking listener. Skips clients that gave up in
// the queue. Never blocks. Returns a non-blocking descriptor, or -1: with
// EAGAIN if no client is there. Reports every other failure by
// report_exhausted(), unless the server is stopping.
int net_accept_nonblocking(int listener);

// Shuts down the receiving side of all clients: a blocked recv() returns what
// has arrived, and then 0. All descriptors above `listener` must be clients.
// Safe in a signal handler.
void net_shutdown_clients(int listener);

// Backs off after a call has failed because a resource is exhausted
// (descriptors, memory, processes): reports that the call `what` failed, with
// the reason in errno, and blocks for NET_BACKOFF_MS or until a signal comes.
// Returns false once the server is stopping.
bool net_backoff(const char *what);

// Returns when to try again after a resource was exhausted, for a server that
// must not block in net_backoff().
int64_t net_backoff_until_ns(void);

// Checks `result`, which a call that waits for events has returned, such as
// poll(2). If that call has failed because the kernel had no memory, blocks for
// NET_BACKOFF_MS, so that the server does not spin.
void net_check_wait(int result);

// Call it for each client that is accepted in another way (co_accept(),
// io_uring): net_shutdown_clients() then shuts down `fd`, too. If the server is
// already stopping, shuts down the receiving side of `fd` at once. Ignores -1.
void net_accepted(int fd);

// ---- Conversations on a blocking socket

// Receives bytes for the session. Blocks until the client sends something. Once
// the server is stopping, receives only what has arrived, and does not block.
// Returns false once the conversation is over: the client will send no more,
// the connection broke, or it was idle for too long.
bool net_receive(int fd, struct session *s);

// Sends all `len` bytes, however slowly the client takes them. Fails with
// ETIMEDOUT if the client makes no progress for too long: see net_idle() below.
// Returns 0, or -1: then part of the data may have been sent.
int net_send_all(int fd, const void *buf, size_t len);

// Closes a client's connection gracefully. Once the server is stopping, blocks
// until the client has acknowledged all replies, or makes no progress for too
// long: see net_must_linger() below.
void net_close(int fd);

// ---- Conversations on a non-blocking socket

// The progress of a conversation. Starts as {0}. The fields below `blocked` are
// for net_idle(), which tells a slow client from an idle one.
struct net_progress {
    size_t sent;       // bytes of the session's reply that the kernel has taken
    bool blocked;      // the last call found nothing to do: EAGAIN
    bool active;       // something was sent or received since the last check
    int64_t last_ns;   // when a check last found progress
    int64_t check_ns;  // when net_idle() checks again
    size_t unacked;    // bytes not yet acknowledged at the last check
};

// Receives the bytes that have arrived, if any, for the session. Never blocks.
// Returns false once the conversation is over: see net_receive().
bool net_try_receive(int fd, struct session *s, struct net_progress *progress);

// Sends what is left of the session's reply, as much as the kernel takes. Never
// blocks. Returns false if the connection broke or was idle for too long.
bool net_try_send(int fd, const struct session *s,
                  struct net_progress *progress);

// Returns true, and shuts down the connection, once the client has made no
// progress in either direction for the idle timeout, or for NET_STALL_MS while
// the server is stopping. Never blocks. Call it at least once a second.
bool net_idle(int fd, struct net_progress *progress);

// Returns true while `fd` has to stay open: the server is stopping, and the
// client has not acknowledged all replies, but makes progress. Drops what the
// client sends. Never blocks: call it every NET_CLOSE_MS until it returns
// false, then close(2).
bool net_must_linger(int fd, struct net_progress *progress);

// ---- For servers that send or receive by calls of their own

// Does the same as net_send_all(), but calls `send_some` instead of send(2).
// `send_some` sends for NET_CHECK_MS at most, and returns how many bytes were
// sent, or -1.
int net_send_all_with(ssize_t (*send_some)(int fd, const char *data,
                                           size_t len),
                      int fd, const void *buf, size_t len);

// Tells the session that `len` bytes were received. Once the server is
// stopping, also limits the session to the bytes that have arrived by now.
void net_received(int fd, struct session *s, size_t len);

// Notes, for --trace, that the last byte of a reply was sent.
void net_sent(int fd);

#endif

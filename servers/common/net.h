// net.h - the socket calls, with their common failures handled in one place.
//
// No function here exits. Functions that return an int or ssize_t return -1 on
// failure and set errno. The caller decides what to do then. A function blocks
// only if its comment says so. A name in the past tense, such as
// net_accepted(), tells this module what its caller has done.
//
// Every client that the server has accepted gets its replies. A client that is
// still in the accept queue may get none: when the server stops, it closes its
// listener, and the kernel resets all connections in the queue. Most servers do
// so.

#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../fib/session.h"

enum {
    NET_BACKOFF_MS = 100,   // how long to wait after a resource was exhausted
    NET_CHECK_MS = 500,     // how often the progress of a client is checked
    NET_STALL_MS = 10000,   // the idle timeout while the server is stopping
    NET_CLOSE_MS = 10,      // how often a stopping server retries to close
    NET_ADDRESS_SIZE = 64,  // the longest is "[IPv6 address]:port"
    // In each round, an event loop accepts at most this many new clients, plus
    // as many as it already has. Clients may connect as fast as the loop
    // accepts them: without a limit, the loop would serve no client, and never
    // stop. With a fixed limit, thousands would wait for many rounds.
    NET_ACCEPTS_IN_A_ROW = 16,
};

// ---- Descriptors

// Raises the soft limit on open files to the hard limit. Returns how many files
// this process may have open now. Never fails: if the limit cannot be raised,
// returns the present one.
int net_raise_descriptor_limit(void);

// Lowers the soft and the hard limit on open files to `end`, if they are
// higher. From then on, the kernel gives this process only descriptors below
// `end`. Returns `end`.
int net_limit_descriptors(int end);

// Makes `fd` non-blocking: a call that would have to wait fails with EAGAIN.
// Returns 0, or -1.
int net_set_nonblocking(int fd);

// Returns true if the last call failed with EAGAIN: it would have had to wait.
bool net_would_block(void);

// ---- Listening and accepting

enum {
    NET_NONBLOCKING = 1,  // accept() on the listener never blocks
    NET_REUSEPORT = 2,  // several listeners with this flag may share an address
};

// Opens a TCP socket that listens on `host`:`port`. For port 0, the kernel
// chooses a port. `flags` is a sum of the flags above. If `host` is a name,
// blocks until it is resolved. If the name has several addresses, listens on
// the first IPv4 address, or on the first address if none is IPv4.
// net_address() returns the address and the port. Accepted sockets inherit
// TCP_NODELAY and SO_SNDTIMEO: a blocking send() returns after NET_CHECK_MS, so
// that its caller can check the client's progress. Returns a descriptor that
// the caller closes, or -1: with EINVAL if `host` cannot be resolved.
int net_listen(const char *host, int port, int backlog, unsigned flags);

// Writes the address on which `listener` listens, such as "127.0.0.1:9999".
// Returns 0, or -1.
int net_address(int listener, char text[NET_ADDRESS_SIZE]);

// Writes the address of a client in the same way. Returns 0, or -1.
int net_client_address(int fd, char text[NET_ADDRESS_SIZE]);

// Sets the idle timeout: a connection is closed if its client makes no progress
// for `timeout_s` seconds, neither in sending nor in receiving. 0, the default,
// means never. Call it before the first client is accepted.
void net_set_idle_timeout(int timeout_s);

// Returns the idle timeout in milliseconds, -1 for never.
int net_idle_timeout_ms(void);

// Accepts one client. If `listener` is a blocking socket, blocks until one
// connects. Skips clients that gave up in the accept queue. If the system has
// no free descriptor or memory, backs off (net_backoff()) and tries again; the
// clients stay in the queue. Returns a blocking descriptor, to be closed by
// net_close(). Returns -1 if the server is stopping, or if a non-blocking
// listener has no client.
int net_accept(int listener);

// Accepts one client from a non-blocking listener. Skips clients that gave up
// in the accept queue. Never blocks. Returns a non-blocking descriptor, or -1:
// with EAGAIN if no client is in the queue. Reports any other failure with
// report_exhausted(), unless the server is stopping.
int net_accept_nonblocking(int listener);

// Shuts down the receiving side of all clients: from then on, recv() returns
// what has arrived, and then 0. This also ends a recv() that is blocked. Every
// socket whose descriptor is above `listener` must be a client's. Safe in a
// signal handler.
void net_shutdown_clients(int listener);

// Backs off after the call `what` has failed because a resource (descriptors,
// memory, processes) is exhausted: reports this, with the reason in errno, and
// blocks for NET_BACKOFF_MS or until a signal comes. Returns true if the caller
// should try again, false if the server is stopping.
bool net_backoff(const char *what);

// Returns the time at which to try again after a resource was exhausted. A
// server that must not block uses this function in place of net_backoff().
int64_t net_backoff_until_ns(void);

// Checks `result`, the result of a call that waits for events, such as poll(2).
// If the call has failed, but not because of a signal, the kernel had no memory
// for it. Then blocks for NET_BACKOFF_MS. Otherwise the server would call
// poll(2) again at once, and use a whole core.
void net_backoff_if_failed(int result);

// Registers a client that was accepted as `fd` by other calls than those above:
// by co_accept() or io_uring. From then on, net_shutdown_clients() also shuts
// down `fd`. If the server is already stopping, shuts down the receiving side
// of `fd` at once. Does nothing if `fd` is -1.
void net_accepted(int fd);

// ---- Conversations on a blocking socket

// Receives bytes for the session. Blocks until the client sends something. Once
// the server is stopping, does not block, and receives only what has arrived.
// Returns false once the conversation is over: the client will send no more,
// the connection broke, or it was idle for too long.
bool net_receive(int fd, struct session *s);

// Sends all `len` bytes. Blocks until the kernel has taken them. Fails with
// ETIMEDOUT if the client makes no progress for too long: see net_end_if_idle()
// below. Returns 0, or -1: then it may have sent a part of the data.
int net_send_all(int fd, const void *buf, size_t len);

// Closes a client's connection. Once the server is stopping, first blocks until
// the client has acknowledged all replies, or has made no progress for too
// long: see net_prepare_close() below.
void net_close(int fd);

// ---- Conversations on a non-blocking socket

// The progress of a conversation. Starts as {0}. Only net_end_if_idle() uses
// the fields after `active`, to tell a slow client from an idle one.
struct net_progress {
    size_t sent;       // bytes of the session's reply that the kernel has taken
    bool blocked;      // the last call failed with EAGAIN
    bool active;       // something was sent or received since the last check
    int64_t last_ns;   // when a check last found progress
    int64_t check_ns;  // when net_end_if_idle() checks again
    size_t unacked;    // bytes not yet acknowledged at the last check
};

// Receives for the session the bytes that have arrived, if any. Never blocks.
// Returns false once the conversation is over: see net_receive().
bool net_try_receive(int fd, struct session *s, struct net_progress *progress);

// Sends as much of the rest of the session's reply as the kernel takes. Never
// blocks. Returns false if the connection broke or was idle for too long.
bool net_try_send(int fd, const struct session *s,
                  struct net_progress *progress);

// Shuts down the connection if its client is idle: it has made no progress,
// neither in sending nor in receiving, for the idle timeout, or for
// NET_STALL_MS while the server is stopping. Returns true if so. Never blocks.
// Call it at least once a second. The first call for `progress` always returns
// false: it only notes how many bytes are not acknowledged.
bool net_end_if_idle(int fd, struct net_progress *progress);

// Prepares to close a connection gracefully. Returns true if the caller may
// call close(2) now. Returns false while `fd` must stay open: the server is
// stopping, and the client has not acknowledged all replies, but makes
// progress. While the server is stopping, drops what the client sends. Never
// blocks. Call it every NET_CLOSE_MS until it returns true.
bool net_prepare_close(int fd, struct net_progress *progress);

// ---- For servers that send or receive by calls of their own

// Does the same as net_send_all(), but by `send_some` instead of send(2).
// `send_some` returns after NET_CHECK_MS at the latest. Its result is the
// number of bytes that it has sent, or -1.
int net_send_all_with(ssize_t (*send_some)(int fd, const char *data,
                                           size_t len),
                      int fd, const void *buf, size_t len);

// Tells the session that `len` bytes were received; 0: the client will send no
// more. If the server is stopping, also limits the session to the bytes that
// have arrived so far.
void net_received(int fd, struct session *s, size_t len);

// Records for --trace that the last byte of a reply was sent.
void net_sent(int fd);

#endif

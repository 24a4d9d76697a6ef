// net.h - the socket calls, with their everyday surprises handled once.
//
// Nothing here exits. Functions returning an int or ssize_t give -1 and set
// errno on failure; the caller decides what a failure means.

#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum {
    NET_MS_PER_S = 1000,
    NET_NS_PER_MS = 1000000,
    NET_NS_PER_S = 1000000000,
    NET_RETRY_MS = 100,   // pause before asking an exhausted system again
    NET_STALL_MS = 1000,  // how long a stopping server waits for a reader
    NET_LINGER_MS = 10,   // how often it looks whether replies have arrived
};

// Raises the soft limit on open files to the hard one. Returns how many this
// process may open now.
int net_raise_descriptor_limit(void);

// Lowers the limits on open files, if they are higher, for good: from now on,
// the kernel hands out no descriptor from `end` up. Returns `end`.
int net_limit_descriptors(int end);

// Whether several listeners may have the same port, and share what comes: the
// first must find it free, and then others of this process may join.
enum net_sharing { NET_ALONE, NET_FIRST, NET_JOINING };

// Opens a TCP socket listening on `host`:`port`; port 0 lets the kernel pick.
// What it accepts has TCP_NODELAY set, and a blocking send() on it gives up
// after NET_STALL_MS without progress: on Linux an accepted socket inherits
// both. Returns a descriptor the caller closes; EINVAL if host is no address.
int net_listen(const char *host, int port, int backlog,
               enum net_sharing sharing);

// The port a listener really has.
int net_port(int listener);

// Accepts one client, waiting for one if the listener is a blocking socket.
// Skips clients that gave up in the queue. When the system is out of
// descriptors or memory, reports it (report.h) and tries again every
// NET_RETRY_MS: the clients stay in the queue. Returns a blocking descriptor
// the caller closes, or -1 when the server is stopping or there is nobody.
int net_accept(int listener);

// Accepts one client, as accept4(2) with `flags` does, and never waits if the
// listener is a non-blocking socket. Skips clients that gave up in the queue.
int net_accept_now(int listener, int flags);

// From now on, net_recv() on who was accepted by net_accept() gives up after
// `timeout_s` without a byte, with EAGAIN. 0: never, as at first.
void net_limit_silence(int timeout_s);

// For who must not wait: true when a silence of `ns` is as long as that.
bool net_too_silent(int64_t ns);

// To be told what poll(2) or select(2) has returned. When the kernel has no
// memory to wait with, they fail at once: then it pauses NET_RETRY_MS, so that
// nobody asks again and again.
void net_waited(int result);

// Makes every call on `fd` return at once instead of waiting.
int net_set_nonblocking(int fd);

// True when the last call failed only because it would have had to wait.
bool net_would_block(void);

// To be called after a call that found the system out of descriptors, memory,
// processes or the like: reports that `what` failed (report.h), errno being the
// reason, and waits NET_RETRY_MS or until a signal comes. Returns false when
// the server is stopping.
bool net_retry_later(const char *what);

// recv(2) and send(2) that start again after a signal. net_send() reports a
// vanished peer as EPIPE instead of raising SIGPIPE. On a blocking socket both
// wait, net_send() not if `flags` say so (MSG_DONTWAIT).
ssize_t net_recv(int fd, void *buf, size_t size);
ssize_t net_send(int fd, const void *buf, size_t len, int flags);

// Sends all `len` bytes on a blocking socket, however slowly they are taken;
// but once the server is stopping (stop.h), a client that takes nothing for
// NET_STALL_MS is given up. Returns 0, or -1; part of the data may be out then.
int net_send_all(int fd, const void *buf, size_t len);

// How many bytes have arrived on `fd` and were not received yet.
size_t net_unread(int fd);

// True when the client has said that it will send no more, and so there will be
// an end to what arrives.
bool net_half_closed(int fd);

// Closes a client's connection, for good and in order. If the server is
// stopping it first waits until the replies have arrived, but not longer than
// NET_STALL_MS without progress.
void net_hang_up(int fd);

// How far the sending of a client's replies has come; all zero at first.
struct net_progress {
    size_t left;       // bytes that have not arrived yet
    int64_t since_ns;  // when they were last seen to become fewer
};

// For a server that is stopping: true when what was sent has not come any
// further for NET_STALL_MS.
bool net_stalled(int fd, struct net_progress *progress);

// net_hang_up() for who must not wait: drops what has arrived, and returns true
// when `fd` should stay open a while longer.
bool net_lingers(int fd, struct net_progress *progress);

// Stands for a request to a backend that takes `delay_ms`: waits in
// nanosleep(), also through signals. Returns at once for a delay of 0.
void net_backend(int delay_ms);

// `ms` milliseconds as the kernel wants them.
struct timespec net_timespec(int ms);

// The monotonic clock, which nobody can set.
int64_t net_now_ns(void);

// How long from now until `until_ns`, in whole milliseconds, rounded up, as
// poll(2) wants it: -1, for ever, if `until_ns` is INT64_MAX.
int net_ms_until(int64_t until_ns);

#endif

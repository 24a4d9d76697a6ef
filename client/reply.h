// reply.h - checks what a server sends, byte for byte.
//
// The client does not share code with the servers: a bug in both would cancel
// out, and the check would prove nothing. No function here does I/O or fails.

#ifndef REPLY_H
#define REPLY_H

#include <stddef.h>
#include <stdint.h>

enum {
    REPLY_SIZE = 64,          // no right reply is longer than 26 bytes
    REPLY_LINES_SIZE = 4096,  // bytes that are compared at once, at most
};

// The right reply to one n, many times, so that one comparison checks many.
struct reply_expected {
    char lines[REPLY_LINES_SIZE];  // "fib: 832040\nfib: 832040\n..."
    size_t line_len, line_count;
};

// The received part of the next reply. All zero: nothing has arrived.
struct reply {
    uint8_t len;
    char text[REPLY_SIZE];
};

enum reply_verdict {
    REPLY_INCOMPLETE,  // the end of the line has not arrived
    REPLY_RIGHT,
    REPLY_WRONG,    // some other line
    REPLY_ERROR,    // "error: ..."
    REPLY_ENDLESS,  // too long for a reply: the caller closes the connection
};

// The result of reply_take(): a verdict, and how many replies have it. If a
// reply is not right, `reply` still has its first `len` bytes.
struct reply_found {
    enum reply_verdict verdict;
    int count;
    size_t len;
};

// Prepares the check of replies to `n`, 1..93.
void reply_expect(struct reply_expected *expected, int n);

// Checks the first replies in `bytes`: up to `count_max` right ones, or one of
// another kind. Keeps a reply that has arrived in part in `reply`. Returns how
// many of the `len` bytes it has used, at least 1.
size_t reply_take(struct reply *reply, const struct reply_expected *expected,
                  const char *bytes, size_t len, int count_max,
                  struct reply_found *found);

#endif

// reply.h - checks what a server sends, byte for byte.
//
// The client does not share the servers' parser: one bug in it would cancel
// out, and the check would prove nothing. No I/O here, and nothing fails.

#ifndef REPLY_H
#define REPLY_H

#include <stddef.h>
#include <stdint.h>

enum {
    REPLY_SIZE = 64,          // no right reply is longer than 26 bytes
    REPLY_LINES_SIZE = 4096,  // as much is compared at once
};

// The right reply to one n, ready to be compared.
struct reply_expected {
    char lines[REPLY_LINES_SIZE];  // "fib: 832040\n", over and over
    size_t line_len, line_count;
};

// A reply that has arrived in part. All zero when nothing has.
struct reply {
    uint8_t len;
    char text[REPLY_SIZE];
};

enum reply_verdict {
    REPLY_INCOMPLETE,  // the end of the line has not arrived
    REPLY_RIGHT,
    REPLY_WRONG,    // some other line
    REPLY_ERROR,    // "error: ..."
    REPLY_ENDLESS,  // too long to be any reply: the connection is useless
};

// What one call of reply_take() found: a verdict, and on how many replies. One
// that is not right is still in `reply`: its first `len` bytes.
struct reply_found {
    enum reply_verdict verdict;
    int count;
    size_t len;
};

// Prepares the check of replies to `n`, 1..93.
void reply_expect(struct reply_expected *expected, int n);

// Judges received bytes: up to `count_max` right replies in a row, or a single
// reply of another kind, or a part of one, which is kept in `reply`. Returns
// how many of the `len` bytes it has used, at least 1.
size_t reply_take(struct reply *reply, const struct reply_expected *expected,
                  const char *bytes, size_t len, int count_max,
                  struct reply_found *found);

#endif

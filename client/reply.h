// reply.h - checks what a server sends, byte for byte.
//
// The client does not share the servers' parser: one bug in it would cancel
// out, and the check would prove nothing.

#ifndef REPLY_H
#define REPLY_H

#include <stddef.h>
#include <stdint.h>

enum { REPLY_SIZE = 64 };  // No right reply is longer than 26 bytes.

// What the right reply to one n looks like, ready to be compared.
struct reply_wanted {
    char line[REPLY_SIZE];  // "fib: 832040\n"
    size_t line_len;
    size_t number_at;  // where the bare number begins, also a right reply
};

// A reply that has arrived in part. All zero when nothing has.
struct reply {
    uint8_t len;
    char text[REPLY_SIZE];
};

enum reply_verdict {
    REPLY_INCOMPLETE,  // more bytes are wanted
    REPLY_RIGHT,
    REPLY_WRONG,    // some other line
    REPLY_ERROR,    // "error: ..."
    REPLY_ENDLESS,  // too long to be any reply: not worth listening on
};

// Prepares the check of replies to `n`, 1..93.
void reply_expect(struct reply_wanted *wanted, int n);

// Adds received bytes to `reply`, up to the end of its line, and judges it when
// it is whole; then `reply` is empty again. Returns how many of the `len` bytes
// were used.
size_t reply_take(struct reply *reply, const struct reply_wanted *wanted,
                  const char *bytes, size_t len, enum reply_verdict *verdict);

#endif

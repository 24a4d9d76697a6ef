// reply.c - checks what a server sends, byte for byte.

#include "reply.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static uint64_t fib_by_adding(int n)
{
    uint64_t value = 1, previous = 0;
    for (int i = 1; i < n; i++) {
        uint64_t next = value + previous;
        previous = value;
        value = next;
    }
    return value;
}

void reply_expect(struct reply_expected *expected, int n)
{
    char *lines = expected->lines;
    size_t len = (size_t)snprintf(lines, REPLY_SIZE, "fib: %" PRIu64 "\n",
                                  fib_by_adding(n));
    expected->line_len = len;
    expected->line_count = REPLY_LINES_SIZE / len;
    for (size_t i = 1; i < expected->line_count; i++)
        memcpy(lines + i * len, lines, len);
}

// Returns how many right replies the bytes begin with, at most `count_max`; 0
// if one of so many is not right. All are the same line, so one comparison is
// enough.
static size_t right_in_a_row(const struct reply_expected *expected,
                             const char *bytes, size_t len, size_t count_max)
{
    size_t count = len / expected->line_len;
    if (count > count_max)
        count = count_max;
    if (count > expected->line_count)
        count = expected->line_count;
    bool all_right =
        memcmp(bytes, expected->lines, count * expected->line_len) == 0;
    return all_right ? count : 0;
}

// Judges a whole line. The number without "fib: " is a right reply, too.
static enum reply_verdict judge(const char *line, size_t len,
                                const struct reply_expected *expected)
{
    static const char error[] = "error: ";
    size_t skipped = len == expected->line_len ? 0 : strlen("fib: ");
    if (len + skipped == expected->line_len &&
        memcmp(line, expected->lines + skipped, len) == 0)
        return REPLY_RIGHT;
    bool is_error =
        len >= strlen(error) && memcmp(line, error, strlen(error)) == 0;
    return is_error ? REPLY_ERROR : REPLY_WRONG;
}

// Takes one reply, or as much of it as has arrived.
static size_t take_one(struct reply *reply,
                       const struct reply_expected *expected, const char *bytes,
                       size_t len, struct reply_found *found)
{
    const char *newline = memchr(bytes, '\n', len);
    size_t used = newline != NULL ? (size_t)(newline + 1 - bytes) : len;
    size_t space = sizeof reply->text - reply->len;
    size_t kept = used < space ? used : space;

    memcpy(reply->text + reply->len, bytes, kept);
    found->len = reply->len + kept;
    found->verdict = REPLY_INCOMPLETE;
    if (kept < used)
        found->verdict = REPLY_ENDLESS;
    else if (newline != NULL)
        found->verdict = judge(reply->text, found->len, expected);
    bool is_over = found->verdict != REPLY_INCOMPLETE;
    reply->len = is_over ? 0 : (uint8_t)found->len;
    return used;
}

size_t reply_take(struct reply *reply, const struct reply_expected *expected,
                  const char *bytes, size_t len, int count_max,
                  struct reply_found *found)
{
    size_t count = 0;
    if (reply->len == 0)
        count = right_in_a_row(expected, bytes, len, (size_t)count_max);
    if (count > 0) {
        *found = (struct reply_found){REPLY_RIGHT, (int)count, 0};
        return count * expected->line_len;
    }
    found->count = 1;
    return take_one(reply, expected, bytes, len, found);
}

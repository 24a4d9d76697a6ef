// reply.c - checks what a server sends, byte for byte.

#include "reply.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static uint64_t fib_by_adding(int n)
{
    uint64_t value = 1, before = 0;
    for (int i = 1; i < n; i++) {
        uint64_t next = value + before;
        before = value;
        value = next;
    }
    return value;
}

void reply_expect(struct reply_wanted *wanted, int n)
{
    wanted->line_len = (size_t)snprintf(wanted->line, sizeof wanted->line,
                                        "fib: %" PRIu64 "\n", fib_by_adding(n));
    wanted->number_at = strlen("fib: ");
}

static enum reply_verdict judge(const char *line, size_t len,
                                const struct reply_wanted *wanted)
{
    size_t without = len == wanted->line_len ? 0 : wanted->number_at;
    if (len + without == wanted->line_len &&
        memcmp(line, wanted->line + without, len) == 0)
        return REPLY_RIGHT;
    bool error = len >= strlen("error: ") && memcmp(line, "error: ", 7) == 0;
    return error ? REPLY_ERROR : REPLY_WRONG;
}

size_t reply_take(struct reply *reply, const struct reply_wanted *wanted,
                  const char *bytes, size_t len, enum reply_verdict *verdict)
{
    const char *newline = memchr(bytes, '\n', len);
    size_t used = newline != NULL ? (size_t)(newline + 1 - bytes) : len;

    if (reply->len + used > sizeof reply->text) {
        reply->len = 0;
        *verdict = REPLY_ENDLESS;
        return used;
    }
    if (reply->len == 0 && newline != NULL) {  // Nearly always: no copy.
        *verdict = judge(bytes, used, wanted);
        return used;
    }
    memcpy(reply->text + reply->len, bytes, used);
    reply->len = (uint8_t)(reply->len + used);
    *verdict = REPLY_INCOMPLETE;
    if (newline != NULL) {
        *verdict = judge(reply->text, reply->len, wanted);
        reply->len = 0;
    }
    return used;
}

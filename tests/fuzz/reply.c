// reply.c - the client's reading of replies, compared with another one.
//
// The same bytes are given to it whole and in random pieces; the verdicts must
// be those of the lines below, which see each reply at once.
//
// The first two bytes of the input say which n was asked for, and how to cut.

#include "../../client/reply.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"

enum { HOW_LEN = 2, SENT_MAX = 4096, N_MAX = 93 };

struct verdicts {
    enum reply_verdict list[SENT_MAX];
    size_t count;
};

static void add(struct verdicts *v, enum reply_verdict verdict)
{
    v->list[v->count++] = verdict;
}

static enum reply_verdict expect_one(const char *line, size_t len, int n)
{
    char number[32], reply[40];
    uint64_t value = 0, next = 1;
    for (; n > 0; n--) {
        uint64_t sum = value + next;
        value = next;
        next = sum;
    }
    size_t number_len =
        (size_t)snprintf(number, sizeof number, "%" PRIu64 "\n", value);
    size_t reply_len = (size_t)snprintf(reply, sizeof reply, "fib: %s", number);
    if ((len == number_len && memcmp(line, number, len) == 0) ||
        (len == reply_len && memcmp(line, reply, len) == 0))
        return REPLY_RIGHT;
    return len > 7 && memcmp(line, "error: ", 7) == 0 ? REPLY_ERROR
                                                      : REPLY_WRONG;
}

static void expect(struct verdicts *v, const char *sent, size_t len, int n)
{
    while (len > 0) {
        const char *newline = memchr(sent, '\n', len);
        size_t line_len = newline != NULL ? (size_t)(newline - sent) + 1 : len;
        if (line_len > REPLY_SIZE) {
            add(v, REPLY_ENDLESS);
            return;
        }
        if (newline != NULL)
            add(v, expect_one(sent, line_len, n));
        sent += line_len;
        len -= line_len;
    }
}

// Adds the verdicts on a piece. Returns whether the connection is kept.
static bool take(struct verdicts *v, struct reply *reply,
                 const struct reply_expected *expected, const char *piece,
                 size_t len)
{
    while (len > 0) {
        struct reply_found found;
        size_t used = reply_take(reply, expected, piece, len, 3, &found);
        MUST(used > 0 && used <= len);
        MUST(found.count == 1 ||
             (found.verdict == REPLY_RIGHT && found.count <= 3));
        for (int i = 0; i < found.count; i++)
            if (found.verdict != REPLY_INCOMPLETE)
                add(v, found.verdict);
        if (found.verdict == REPLY_ENDLESS)
            return false;
        piece += used;
        len -= used;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct verdicts whole, pieces, want;
    struct reply_expected expected;
    if (len < HOW_LEN || len > SENT_MAX)
        return 0;
    int n = data[0] % N_MAX + 1;
    struct cutter cutter = cutter_make(data[1]);
    const char *sent = (const char *)data + HOW_LEN;
    len -= HOW_LEN;
    whole.count = pieces.count = want.count = 0;
    reply_expect(&expected, n);

    expect(&want, sent, len, n);
    take(&whole, &(struct reply){0}, &expected, sent, len);
    struct reply reply = {0};
    for (size_t at = 0; at < len;) {
        size_t piece = cutter_next(&cutter);
        piece = piece < len - at ? piece : len - at;
        if (!take(&pieces, &reply, &expected, sent + at, piece))
            break;
        at += piece;
    }
    MUST(whole.count == want.count && pieces.count == want.count);
    MUST(memcmp(whole.list, want.list, want.count * sizeof *want.list) == 0);
    MUST(memcmp(pieces.list, want.list, want.count * sizeof *want.list) == 0);
    return 0;
}

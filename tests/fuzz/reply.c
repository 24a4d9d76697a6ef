// reply.c - fuzzes how the client checks replies, with a second implementation.
//
// The client's code gets the input as a whole and in random pieces. The second
// implementation gets whole lines only. All verdicts must be equal.
//
// The first two bytes of the input set n and the cuts.

#include "../../client/reply.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"

enum { SETTINGS_LEN = 2, SENT_MAX = 4096, N_MAX = 93 };

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

// Gives a piece to the client's code and adds its verdicts to `v`. Returns
// whether the client would keep the connection.
static bool add_verdicts(struct verdicts *v, struct reply *reply,
                         const struct reply_expected *expected,
                         const char *piece, size_t len)
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
    if (len < SETTINGS_LEN || len > SENT_MAX)
        return 0;
    int n = data[0] % N_MAX + 1;
    struct cutter cutter = cutter_make(data[1]);
    const char *sent = (const char *)data + SETTINGS_LEN;
    len -= SETTINGS_LEN;
    whole.count = pieces.count = want.count = 0;
    reply_expect(&expected, n);

    expect(&want, sent, len, n);
    add_verdicts(&whole, &(struct reply){0}, &expected, sent, len);
    struct reply reply = {0};
    for (size_t at = 0; at < len;) {
        size_t piece = cutter_next(&cutter);
        piece = piece < len - at ? piece : len - at;
        if (!add_verdicts(&pieces, &reply, &expected, sent + at, piece))
            break;
        at += piece;
    }
    MUST(whole.count == want.count && pieces.count == want.count);
    MUST(memcmp(whole.list, want.list, want.count * sizeof *want.list) == 0);
    MUST(memcmp(pieces.list, want.list, want.count * sizeof *want.list) == 0);
    return 0;
}

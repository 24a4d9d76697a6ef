// session.c - fuzzes the protocol, with a second implementation to compare.
//
// A session gets the input as a whole and in random pieces. The second
// implementation gets whole lines, so it needs no buffers. All replies must be
// equal. With --framing recv, each piece is a request. At the end either the
// client ends its input, or the server stops before it has received everything.
//
// The first three bytes of the input set the rules, the cuts and the end. The
// rest is what a client sends.

#include <stdbool.h>
#include <string.h>

#include "../../fib/fib.h"
#include "../../fib/session.h"
#include "fuzz.h"

enum {
    SETTINGS_LEN = 3,
    SENT_MAX = 4096,
    OUT_SIZE = SENT_MAX * SESSION_REPLY_SIZE
};

struct output {
    char text[OUT_SIZE];
    size_t len;
    uint64_t requests, errors;
};

// ---- The expected replies

uint64_t __wrap_fib(unsigned n);

// Replaces fib(), which is slow. This test is about the protocol.
uint64_t __wrap_fib(unsigned n)
{
    uint64_t value = 0, next = 1;
    MUST(n >= 1 && n <= FIB_N_MAX);
    for (; n > 0; n--) {
        uint64_t sum = value + next;
        value = next;
        next = sum;
    }
    return value;
}

// Reads the number in `text`, which has no blanks. Returns NULL, or the error
// that the reply must name.
static const char *read_number(const char *text, size_t len, int n_max, int *n)
{
    if (len == 0)
        return "empty line";
    for (size_t i = 0; i < len; i++)
        if (text[i] < '0' || text[i] > '9')
            return "not a number";
    for (; len > 0 && *text == '0'; len--)
        text++;
    *n = len == 1 ? text[0] - '0' : 0;
    *n = len == 2 ? (text[0] - '0') * 10 + text[1] - '0' : *n;
    return *n >= 1 && *n <= n_max ? NULL : "out of range";
}

static void expect_reply(struct output *want, const char *line, size_t len,
                         int n_max)
{
    int n = 0;
    char *to = want->text + want->len;
    len -= len > 0 && line[len - 1] == '\r';
    const char *wrong = len > SESSION_LINE_LEN_MAX ? "line too long" : NULL;
    for (; len > 0 && (*line == ' ' || *line == '\t'); len--)
        line++;
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
        len--;
    if (wrong == NULL)
        wrong = read_number(line, len, n_max, &n);
    want->requests++;
    want->errors += wrong != NULL;
    want->len +=
        (size_t)(wrong != NULL
                     ? sprintf(to, "error: %s (want 1 to %d)\n", wrong, n_max)
                     : sprintf(to, "fib: %llu\n",
                               (unsigned long long)__wrap_fib((unsigned)n)));
}

// Adds the replies to all lines in `len` bytes. If the client has `finished`,
// the last line needs no newline.
static void expect_lines(struct output *want, const char *sent, size_t len,
                         bool finished, int n_max)
{
    while (len > 0) {
        const char *newline = memchr(sent, '\n', len);
        size_t line_len = newline != NULL ? (size_t)(newline - sent) : len;
        if (newline == NULL && !finished)
            return;
        expect_reply(want, sent, line_len, n_max);
        line_len += newline != NULL;
        sent += line_len;
        len -= line_len;
    }
}

// ---- A server without a network

// A conversation to play: what the client sends, and where the server stops.
struct play {
    struct session_rules rules;
    const char *sent;
    size_t len;        // the length of `sent`
    bool stops;        // the server stops before the end of `sent`
    size_t finish_at;  // bytes it has received by then
    size_t unread;     // bytes that have arrived but are not yet received
};

// Answers one request, as session_answer() does. Checks that
// session_may_compute() was true before, unless the reply is an error.
static bool answer(struct session *s)
{
    bool may_compute = session_may_compute(s);
    uint64_t errors = s->errors;
    bool answered = session_answer(s);
    MUST(!answered || may_compute || s->errors > errors);
    return answered;
}

static void take_replies(struct session *s, struct output *got)
{
    while (answer(s)) {
        MUST(s->reply_len > 0 && s->reply_len <= SESSION_REPLY_SIZE);
        MUST(s->reply[s->reply_len - 1] == '\n');
        memcpy(got->text + got->len, s->reply, s->reply_len);
        got->len += s->reply_len;
    }
    got->requests = s->requests;
    got->errors = s->errors;
}

// Plays the conversation in pieces of the sizes that `cutter` gives, or as
// large as possible if it is NULL. With --framing recv, adds the expected reply
// to each piece to `want`.
static void perform(const struct play *play, struct cutter *cutter,
                    struct output *got, struct output *want)
{
    struct session s;
    size_t at = 0;
    session_start(&s, &play->rules);
    for (take_replies(&s, got); !session_over(&s); take_replies(&s, got)) {
        size_t left = play->len - at;
        if (play->stops && at < play->finish_at)
            left = play->finish_at - at;
        if (play->stops && at == play->finish_at)
            session_limit(&s, play->unread);
        if (session_over(&s))
            break;
        size_t piece = cutter != NULL ? cutter_next(cutter) : SENT_MAX;
        size_t space = session_space_len(&s);
        MUST(space > 0);
        piece = piece < space ? piece : space;
        piece = piece < left ? piece : left;
        memcpy(session_space(&s), play->sent + at, piece);
        session_received(&s, piece);
        if (want != NULL && piece > 0)
            expect_reply(want, play->sent + at,
                         piece - (play->sent[at + piece - 1] == '\n'),
                         play->rules.n_max);
        at += piece;
    }
    MUST(!session_answer(&s));
}

static void must_be_equal(const struct output *a, const struct output *b)
{
    MUST(a->len == b->len && memcmp(a->text, b->text, a->len) == 0);
    MUST(a->requests == b->requests && a->errors == b->errors);
}

static void clear(struct output *o)
{
    o->len = o->requests = o->errors = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct output whole, pieces, want;
    static const int n_maxima[] = {1, 9, 45, FIB_N_MAX};
    if (len < SETTINGS_LEN || len > SENT_MAX)
        return 0;
    bool by_line = (data[0] & 1) == 0;
    struct play play = {.rules = {.n_max = n_maxima[data[0] / 4 % 4],
                                  .framing = by_line ? SESSION_FRAMING_LINE
                                                     : SESSION_FRAMING_RECV},
                        .sent = (const char *)data + SETTINGS_LEN,
                        .len = len - SETTINGS_LEN,
                        .stops = (data[0] & 2) != 0,
                        .finish_at = (len - SETTINGS_LEN) * data[2] / 256};
    play.unread = (play.len - play.finish_at) * (data[0] / 16) / 16;
    size_t taken = play.stops ? play.finish_at + play.unread : play.len;
    struct cutter cutter = cutter_make(data[1]);
    clear(&whole), clear(&pieces), clear(&want);

    perform(&play, NULL, &whole, by_line ? NULL : &want);
    if (by_line)
        expect_lines(&want, play.sent, taken, !play.stops, play.rules.n_max);
    must_be_equal(&whole, &want);
    if (!by_line)
        clear(&want);
    perform(&play, &cutter, &pieces, by_line ? NULL : &want);
    must_be_equal(&pieces, &want);
    return 0;
}

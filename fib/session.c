// session.c - finds a line, parses it, computes, and formats the reply.
//
// Only lines_append_reply() takes long, because it computes.

#include "session.h"

#include <assert.h>
#include <string.h>

#include "fib.h"
#include "lines.h"

_Static_assert(SESSION_INPUT_SIZE > SESSION_LINE_LEN_MAX + 2,
               "the input must hold the longest line and its \\r\\n");

void session_start(struct session *s, const struct session_rules *rules)
{
    // The last two fields, `reply` and `input`, need no zeros. Leaving them out
    // saves writing 416 bytes for every client.
    memset(s, 0, offsetof(struct session, reply));
    s->rules = rules;
}

char *session_space(struct session *s)
{
    return s->input + s->end;
}

size_t session_space_len(const struct session *s)
{
    size_t len = sizeof s->input - s->end;
    return s->limited && s->bytes_left < len ? s->bytes_left : len;
}

void session_received(struct session *s, size_t len)
{
    assert(len <= session_space_len(s));
    s->end += len;
    if (s->limited)
        s->bytes_left = len > 0 ? s->bytes_left - len : 0;
    else if (len == 0)
        s->client_finished = true;
}

void session_limit(struct session *s, size_t len)
{
    if (s->limited)
        return;
    s->limited = true;
    s->bytes_left = len;
}

void session_end(struct session *s)
{
    s->begin = s->end;
    s->skipping = false;
    s->client_finished = true;
}

// Only checks `begin`, which is fast: when no complete line is left,
// make_space() moves the rest of the input to the start, and sets `begin` to 0.
// So if `begin` is above 0, the rest may contain a complete request.
bool session_pending(const struct session *s)
{
    return s->begin > 0 && s->begin < s->end;
}

bool session_over(const struct session *s)
{
    return s->client_finished || (s->limited && s->bytes_left == 0);
}

// Takes the next `len` bytes of the input as a line. A '\r' at their end does
// not belong to the line. `ending_len` is 1 if a newline follows, which is then
// skipped, and 0 if the line has no newline.
static struct line cut_line(struct session *s, size_t len, size_t ending_len)
{
    struct line line = {.text = s->input + s->begin, .len = len};

    if (line.len > 0 && line.text[line.len - 1] == '\r')
        line.len--;
    line.too_long = s->skipping || line.len > SESSION_LINE_LEN_MAX;
    s->skipping = false;
    s->begin += len + ending_len;
    return line;
}

// Moves an incomplete line to the start of the input, so that the rest of the
// line fits behind it. If the line is already too long to be a request, drops
// what has arrived of it. So even a line that never ends needs only constant
// memory.
static void make_space(struct session *s)
{
    size_t len = s->end - s->begin;

    if (len > SESSION_LINE_LEN_MAX + 1)  // The last byte may be a '\r'.
        s->skipping = true;
    if (s->skipping)
        len = 0;
    memmove(s->input, s->input + s->begin, len);
    s->begin = 0;
    s->end = len;
}

// LESSON bytes-are-not-lines: TCP delivers a stream of bytes. One recv() may
// return half a request, or three requests at once. So this function searches
// for the newline, and keeps the bytes after it for the next call.
bool lines_take(struct session *s, struct line *line)
{
    size_t len = s->end - s->begin;
    const char *start = s->input + s->begin;
    const char *newline = memchr(start, '\n', len);

    if (newline != NULL) {
        *line = cut_line(s, (size_t)(newline - start), 1);
        return true;
    }
    if (s->client_finished && (len > 0 || s->skipping)) {
        *line = cut_line(s, len, 0);
        return true;
    }
    make_space(s);
    return false;
}

// LESSON framing-by-recv: like many first network programs, this function
// treats the bytes of one recv() as one request. This is correct only while
// requests are small and come one at a time. Try it: with --framing recv, send
// "30\n31\n" in one send().
static bool take_recv(struct session *s, struct line *line)
{
    size_t len = s->end - s->begin;

    if (len == 0) {
        make_space(s);
        return false;
    }
    size_t ending_len = s->input[s->end - 1] == '\n';
    *line = cut_line(s, len - ending_len, ending_len);
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// Reads the digits itself. strtoul() would be shorter, but it accepts "-1" and
// "+7", skips newlines, and stops at a NUL byte that a client may have sent.
const char *lines_parse_n(struct line line, unsigned max, unsigned *n)
{
    const char *at = line.text;
    const char *end = line.text + line.len;

    while (at < end && is_blank(*at))
        at++;
    while (end > at && is_blank(end[-1]))
        end--;
    if (at == end)
        return "empty line";

    *n = 0;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return "not a number";
        if (*n <= max)  // Once above `max`, *n stays: no overflow.
            *n = *n * 10 + (unsigned)(*at - '0');
    }
    return *n >= 1 && *n <= max ? NULL : "out of range";
}

void lines_append(struct session *s, const char *text)
{
    size_t len = strlen(text);
    assert(s->reply_len + len <= sizeof s->reply);
    memcpy(s->reply + s->reply_len, text, len);
    s->reply_len += len;
}

// Does not call snprintf(), which would take longer than fib(10), and 3 KB of
// stack. Nothing else that a coroutine calls needs so much stack.
void lines_append_number(struct session *s, uint64_t value)
{
    char digits[sizeof "18446744073709551615"];
    char *at = digits + sizeof digits - 1;

    *at = '\0';
    do
        *--at = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    lines_append(s, at);
}

static void reply_error(struct session *s, const char *reason)
{
    s->errors++;
    lines_append(s, "error: ");
    lines_append(s, reason);
    lines_append(s, " (want 1 to ");
    lines_append_number(s, (uint64_t)s->rules->n_max);
    lines_append(s, ")\n");
}

static void reply_value(struct session *s, uint64_t value)
{
    lines_append(s, "fib: ");
    lines_append_number(s, value);
    lines_append(s, "\n");
}

static void call_on_answer(const struct session *s, unsigned n, bool done)
{
    if (s->rules->on_answer != NULL)
        s->rules->on_answer(s, n, done);
}

void lines_append_reply(struct session *s, unsigned n, const char *wrong)
{
    s->requests++;
    n = wrong == NULL ? n : 0;
    call_on_answer(s, n, false);
    if (wrong != NULL)
        reply_error(s, wrong);
    else
        reply_value(s, s->rules->fib != NULL ? s->rules->fib(n) : fib(n));
    call_on_answer(s, n, true);
}

bool session_answer(struct session *s)
{
    struct line line;
    if (s->rules->framing == SESSION_FRAMING_HTTP)
        return http_answer(s);
    bool by_line = s->rules->framing == SESSION_FRAMING_LINE;
    if (!(by_line ? lines_take(s, &line) : take_recv(s, &line)))
        return false;

    unsigned n = 0;
    const char *wrong =
        line.too_long ? "line too long"
                      : lines_parse_n(line, (unsigned)s->rules->n_max, &n);
    s->reply_len = 0;
    lines_append_reply(s, n, wrong);
    return true;
}

bool session_may_compute(const struct session *s)
{
    size_t len = s->end - s->begin;
    if (s->rules->framing == SESSION_FRAMING_RECV || s->client_finished)
        return len > 0;
    return memchr(s->input + s->begin, '\n', len) != NULL;
}

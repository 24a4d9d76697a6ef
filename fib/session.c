// session.c - find a line, parse it, compute, format the reply.

#include "session.h"

#include <assert.h>
#include <string.h>

#include "fib.h"

_Static_assert(SESSION_INPUT_SIZE > SESSION_LINE_LEN_MAX + 2,
               "the input must hold the longest line and its \\r\\n");

void session_start(struct session *s, const struct session_rules *rules)
{
    // Not the two arrays: 320 bytes of zeros for every client buy nothing.
    memset(s, 0, offsetof(struct session, reply));
    s->rules = rules;
}

char *session_space(struct session *s)
{
    return s->input + s->end;
}

size_t session_room(const struct session *s)
{
    size_t room = sizeof s->input - s->end;
    return s->finishing && s->final_bytes < room ? s->final_bytes : room;
}

void session_received(struct session *s, size_t len)
{
    assert(len <= session_room(s));
    s->end += len;
    if (s->finishing)
        s->final_bytes = len > 0 ? s->final_bytes - len : 0;
    else if (len == 0)
        s->client_finished = true;
}

void session_finish(struct session *s, size_t len)
{
    if (s->finishing)
        return;
    s->finishing = true;
    s->final_bytes = len;
}

// What next_line() has looked at in vain begins at 0.
bool session_pending(const struct session *s)
{
    return s->begin > 0 && s->begin < s->end;
}

bool session_over(const struct session *s)
{
    return s->client_finished || (s->finishing && s->final_bytes == 0);
}

// A line cut out of the input: `len` bytes without the ending.
struct line {
    const char *text;
    size_t len;
    bool too_long;  // the text is not what was sent: most of it was skipped
};

// Takes `len` bytes off the input as a line, and `ending_len` after them.
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

// No line is complete: makes room for the rest of one. What has grown too long
// to be a request is dropped, so that an endless line costs no memory.
static void make_room(struct session *s)
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
// bring half a request, or three at once, so we look for the newline ourselves
// and keep whatever follows it for the next call.
static bool next_line(struct session *s, struct line *line)
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
    make_room(s);
    return false;
}

// LESSON framing-by-recv: takes whatever one recv() returned for one request,
// as many a first network program does. It works while requests are small and
// sent one at a time. Try it: send "30\n31\n" in one piece.
static bool next_recv(struct session *s, struct line *line)
{
    size_t len = s->end - s->begin;

    if (len == 0) {
        make_room(s);
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

// Parses a decimal number from 1 to `max` with blanks around it. Returns NULL,
// or what is wrong. strtoul() would be shorter, but it takes "-1" and "+7" and
// skips newlines, and a client may send a NUL byte in the middle.
static const char *parse_n(struct line line, unsigned max, unsigned *n)
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
        if (*n <= max)  // Beyond it stays beyond: no wrap-around.
            *n = *n * 10 + (unsigned)(*at - '0');
    }
    return *n >= 1 && *n <= max ? NULL : "out of range";
}

static void append_text(struct session *s, const char *text)
{
    size_t len = strlen(text);
    assert(s->reply_len + len <= sizeof s->reply);
    memcpy(s->reply + s->reply_len, text, len);
    s->reply_len += len;
}

// Written out because snprintf() uses 3 KB of stack, most of what a coroutine
// has touched otherwise, and takes longer than fib(10).
static void append_number(struct session *s, uint64_t value)
{
    char digits[sizeof "18446744073709551615"];
    char *at = digits + sizeof digits - 1;

    *at = '\0';
    do
        *--at = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    append_text(s, at);
}

static void reply_error(struct session *s, const char *reason)
{
    s->errors++;
    append_text(s, "error: ");
    append_text(s, reason);
    append_text(s, " (want 1 to ");
    append_number(s, (uint64_t)s->rules->n_max);
    append_text(s, ")\n");
}

static void reply_value(struct session *s, uint64_t value)
{
    append_text(s, "fib: ");
    append_number(s, value);
    append_text(s, "\n");
}

bool session_answer(struct session *s)
{
    struct line line;
    bool by_line = s->rules->framing == SESSION_FRAMING_LINE;
    if (!(by_line ? next_line(s, &line) : next_recv(s, &line)))
        return false;

    unsigned n = 0;
    const char *wrong = line.too_long
                            ? "line too long"
                            : parse_n(line, (unsigned)s->rules->n_max, &n);
    s->requests++;
    s->reply_len = 0;
    if (wrong != NULL)
        reply_error(s, wrong);
    else
        reply_value(s, fib(n));
    return true;
}

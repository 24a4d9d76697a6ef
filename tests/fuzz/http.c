// http.c - fuzzes HTTP, with a second implementation to compare.
//
// A session gets the input in random pieces. The second implementation gets it
// as a whole, so it needs no buffers. Both must give the same replies.
//
// The first two bytes of the input set the limit of n and the cuts. The rest is
// what a client sends.

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "../../fib/fib.h"
#include "../../fib/session.h"
#include "fuzz.h"

enum {
    SETTINGS_LEN = 2,
    SENT_MAX = 4096,
    OUT_SIZE = SENT_MAX * SESSION_REPLY_SIZE
};

struct output {
    char text[OUT_SIZE];
    size_t len;
};

uint64_t __wrap_fib(unsigned n);

// Replaces fib(), which is slow. For this test, any function of n will do.
uint64_t __wrap_fib(unsigned n)
{
    MUST(n >= 1 && n <= FIB_N_MAX);
    return UINT64_MAX - n;
}

// Reads the number in a path. Returns NULL, or the error that the reply must
// name.
static const char *read_path(const char *path, size_t len, int n_max, int *n)
{
    for (; len > 0 && (*path == ' ' || *path == '\t'); len--)
        path++;
    while (len > 0 && (path[len - 1] == ' ' || path[len - 1] == '\t'))
        len--;
    if (len == 0)
        return "empty line";
    *n = 0;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)path[i]))
            return "not a number";
        *n = *n > 1000 ? *n : 10 * *n + path[i] - '0';
    }
    return *n >= 1 && *n <= n_max ? NULL : "out of range";
}

static void expect(struct output *want, const char *status, const char *wrong,
                   int n, int n_max, bool keep)
{
    char body[100];
    int len = wrong != NULL
                  ? sprintf(body, "error: %s (want 1 to %d)\n", wrong, n_max)
                  : sprintf(body, "fib: %llu\n",
                            (unsigned long long)__wrap_fib((unsigned)n));
    want->len += (size_t)sprintf(
        want->text + want->len,
        "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
        "Connection: %s\r\n\r\n%s",
        status, len, keep ? "keep-alive" : "close", body);
}

// Returns whether the header line is "Connection:", blanks, and a value that
// begins with `value`.
static bool connection_is(const char *line, size_t len, const char *value)
{
    static const char name[] = "connection:";
    size_t at = sizeof name - 1;
    if (len < at || strncasecmp(line, name, at) != 0)
        return false;
    while (at < len && (line[at] == ' ' || line[at] == '\t'))
        at++;
    return len - at >= strlen(value) &&
           strncasecmp(line + at, value, strlen(value)) == 0;
}

// The request that is being read.
struct reading {
    bool started, keep;
    int n;
    const char *wrong;
};

// Reads one line, and adds the reply that it causes. Returns false if the
// server must then close the connection.
static bool read_line(struct reading *r, struct output *want, const char *line,
                      size_t len, int n_max)
{
    len -= len > 0 && line[len - 1] == '\r';
    if (r->started && len == 0) {
        r->started = false;
        expect(want, r->wrong == NULL ? "200 OK" : "404 Not Found", r->wrong,
               r->n, n_max, r->keep);
        return r->keep;
    }
    if (r->started && len <= SESSION_LINE_LEN_MAX) {
        if (connection_is(line, len, "close"))
            r->keep = false;
        else if (connection_is(line, len, "keep-alive"))
            r->keep = true;
    }
    if (r->started || len == 0)
        return true;
    if (len > SESSION_LINE_LEN_MAX || len < strlen("GET / HTTP/1.1") ||
        memcmp(line, "GET /", 5) != 0 ||
        memcmp(line + len - 9, " HTTP/1.", 8) != 0 ||
        !isdigit((unsigned char)line[len - 1])) {
        expect(want, "400 Bad Request", "expected GET /N HTTP/1.1", 0, n_max,
               false);
        return false;
    }
    r->started = true;
    r->keep = line[len - 1] != '0';
    r->wrong =
        read_path(line + 5, len - strlen("GET / HTTP/1.1"), n_max, &r->n);
    return true;
}

static void read_all(struct output *want, const char *sent, size_t len,
                     int n_max)
{
    struct reading r = {0};
    bool open = true;
    while (open && len > 0) {
        const char *newline = memchr(sent, '\n', len);
        size_t line_len = newline != NULL ? (size_t)(newline - sent) : len;
        open = read_line(&r, want, sent, line_len, n_max);
        line_len += newline != NULL;
        sent += line_len;
        len -= line_len;
    }
}

static void perform(const struct session_rules *rules, const char *sent,
                    size_t len, struct cutter *cutter, struct output *got)
{
    struct session s;
    session_start(&s, rules);
    while (true) {
        while (session_answer(&s)) {
            MUST(s.reply_len > 0 && s.reply_len <= SESSION_REPLY_SIZE);
            memcpy(got->text + got->len, s.reply, s.reply_len);
            got->len += s.reply_len;
        }
        if (session_over(&s))
            return;
        size_t piece = cutter_next(cutter), space = session_space_len(&s);
        MUST(space > 0);
        piece = piece < space ? piece : space;
        piece = piece < len ? piece : len;
        memcpy(session_space(&s), sent, piece);
        session_received(&s, piece);
        sent += piece;
        len -= piece;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct output got, want;
    if (len < SETTINGS_LEN || len > SENT_MAX)
        return 0;
    const struct session_rules rules = {.n_max =
                                            data[0] % 2 == 0 ? 45 : FIB_N_MAX,
                                        .framing = SESSION_FRAMING_HTTP};
    struct cutter cutter = cutter_make(data[1]);
    const char *sent = (const char *)data + SETTINGS_LEN;
    got.len = want.len = 0;
    read_all(&want, sent, len - SETTINGS_LEN, rules.n_max);
    perform(&rules, sent, len - SETTINGS_LEN, &cutter, &got);
    MUST(got.len == want.len && memcmp(got.text, want.text, got.len) == 0);
    return 0;
}

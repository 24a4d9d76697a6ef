// http.c - parses the lines of an HTTP request, and builds the reply.

#include "http.h"

#include <string.h>
#include <strings.h>

#include "lines.h"

enum { OK = 200, BAD_REQUEST = 400, NOT_FOUND = 404 };

// Removes `text`, in upper or lower case, from the start of a line. Returns
// false if the line does not start with it.
static bool skip(struct line *line, const char *text)
{
    size_t len = strlen(text);
    if (line->len < len || strncasecmp(line->text, text, len) != 0)
        return false;
    line->text += len;
    line->len -= len;
    return true;
}

// Removes " HTTP/1.x" from the end of a line. Returns x, or -1 if the line does
// not end with it.
static int cut_version(struct line *line)
{
    static const char version[] = " HTTP/1.";
    size_t len = sizeof version;  // The digit x takes the place of the NUL.
    if (line->len < len)
        return -1;
    const char *at = line->text + line->len - len;
    if (memcmp(at, version, len - 1) != 0 || at[len - 1] < '0' ||
        at[len - 1] > '9')
        return -1;
    line->len -= len;
    return at[len - 1] - '0';
}

// LESSON request-line: the first line of a request contains the method, the
// path and the version. With HTTP/1.1, the connection stays open after the
// reply. With HTTP/1.0, the server closes it. The header Connection can ask for
// the opposite.
static void start_request(struct session *s, struct line line)
{
    struct http_request *r = &s->http;
    *r = (struct http_request){.started = true, .status = BAD_REQUEST};
    bool is_get = line.len >= 4 && memcmp(line.text, "GET ", 4) == 0;
    int version = cut_version(&line);
    if (line.too_long || !is_get || version < 0 || !skip(&line, "GET /")) {
        r->wrong = "expected GET /N HTTP/1.1";
        return;
    }
    r->wrong = lines_parse_n(line, (unsigned)s->rules->n_max, &r->n);
    r->status = r->wrong == NULL ? OK : NOT_FOUND;
    r->keep = version > 0;
}

// LESSON skipped-headers: a request may have any number of headers, of any
// length. This server needs only the header Connection, and stores none.
static void take_header(struct http_request *r, struct line line)
{
    if (line.too_long || !skip(&line, "Connection:"))
        return;
    while (skip(&line, " ") || skip(&line, "\t"))
        ;
    if (skip(&line, "close"))
        r->keep = false;
    else if (skip(&line, "keep-alive") && r->status != BAD_REQUEST)
        r->keep = true;
}

static const char *reason(int status)
{
    return status == OK          ? " OK"
           : status == NOT_FOUND ? " Not Found"
                                 : " Bad Request";
}

// Builds the reply: the head, then the body. The head contains the length of
// the body, so the body is built first.
static void build_reply(struct session *s)
{
    struct http_request *r = &s->http;
    char body[SESSION_REPLY_SIZE];
    s->reply_len = 0;
    lines_append_reply(s, r->n, r->wrong);
    size_t len = s->reply_len;
    memcpy(body, s->reply, len);
    body[len] = '\0';

    s->reply_len = 0;
    lines_append(s, "HTTP/1.1 ");
    lines_append_number(s, (uint64_t)r->status);
    lines_append(s, reason(r->status));
    lines_append(s, "\r\nContent-Type: text/plain\r\nContent-Length: ");
    lines_append_number(s, len);
    lines_append(s, r->keep ? "\r\nConnection: keep-alive\r\n\r\n"
                            : "\r\nConnection: close\r\n\r\n");
    lines_append(s, body);
}

bool http_answer(struct session *s)
{
    struct line line;
    while (lines_take(s, &line)) {
        bool empty = line.len == 0 && !line.too_long;
        if (!s->http.started && !empty)
            start_request(s, line);
        else if (s->http.started && !empty)
            take_header(&s->http, line);
        if (!s->http.started || (!empty && s->http.status != BAD_REQUEST))
            continue;
        build_reply(s);
        s->http.started = false;
        if (!s->http.keep)
            session_end(s);
        return true;
    }
    return false;
}

// test_session.c - tests the line protocol without a network, for all ways in
// which the bytes can arrive.

#include <stdlib.h>
#include <string.h>

#include "../fib/session.h"
#include "tap.h"

static struct session_rules rules = {.n_max = 45};

enum { OUT_SIZE = 1 << 16 };

static void answer_all(struct session *s, char *out)
{
    while (session_answer(s))
        strncat(out, s->reply, s->reply_len);
}

// Passes `len` bytes to a session, in as many pieces as its buffer requires,
// and appends the replies to `out`.
static void feed(struct session *s, const char *text, size_t len, char *out)
{
    while (len > 0) {
        size_t piece = len < session_space_len(s) ? len : session_space_len(s);
        memcpy(session_space(s), text, piece);
        session_received(s, piece);
        answer_all(s, out);
        text += piece;
        len -= piece;
    }
}

static void end_input(struct session *s, char *out)
{
    session_received(s, 0);
    answer_all(s, out);
}

static bool same(const char *output, const char *expected, const char *how,
                 size_t at)
{
    if (strcmp(output, expected) == 0)
        return true;
    printf("# %s %zu: got \"%s\", want \"%s\"\n", how, at, output, expected);
    return false;
}

// Returns whether `text` of `len` bytes, then the end of the input, gets the
// replies `expected`. Tries pieces of every size, and a cut at every place.
static bool replies_to(const char *text, size_t len, const char *expected)
{
    static char out[OUT_SIZE];
    bool right = true;

    for (size_t piece = 1; piece <= len && right; piece++) {
        struct session s;
        session_start(&s, &rules);
        out[0] = '\0';
        for (size_t at = 0; at < len; at += piece)
            feed(&s, text + at, piece < len - at ? piece : len - at, out);
        end_input(&s, out);
        right = same(out, expected, "pieces of", piece) && session_over(&s);
    }
    for (size_t at = 0; at <= len && right; at++) {
        struct session s;
        session_start(&s, &rules);
        out[0] = '\0';
        feed(&s, text, at, out);
        feed(&s, text + at, len - at, out);
        end_input(&s, out);
        right = same(out, expected, "split at", at);
    }
    return right;
}

static bool replies(const char *text, const char *expected)
{
    return replies_to(text, strlen(text), expected);
}

#define NOT_A_NUMBER "error: not a number (want 1 to 45)\n"
#define OUT_OF_RANGE "error: out of range (want 1 to 45)\n"
#define EMPTY_LINE "error: empty line (want 1 to 45)\n"
#define TOO_LONG "error: line too long (want 1 to 45)\n"

static void test_numbers(void)
{
    ok(replies("30\n", "fib: 832040\n"), "one request");
    ok(replies("1\n2\n3\n10\n", "fib: 1\nfib: 1\nfib: 2\nfib: 55\n"),
       "pipelined requests, in order");
    ok(replies("10\r\n7\r\n", "fib: 55\nfib: 13\n"), "CRLF");
    ok(replies(" 10\n\t10\t\n  10  \r\n", "fib: 55\nfib: 55\nfib: 55\n"),
       "blanks around the number");
    ok(replies("0000000000000000000000000000000010\n", "fib: 55\n"),
       "leading zeros");
    ok(replies("10\n7", "fib: 55\nfib: 13\n"), "a last line without newline");
    ok(replies("", ""), "no request gets no reply");
}

static void test_bad_lines(void)
{
    ok(replies("x\n7\n", NOT_A_NUMBER "fib: 13\n"),
       "an error does not end the conversation");
    ok(replies("\n\r\n  \n", EMPTY_LINE EMPTY_LINE EMPTY_LINE), "empty lines");
    ok(replies("-1\n+1\n", NOT_A_NUMBER NOT_A_NUMBER), "signs");
    ok(replies("1.5\n1e3\n0x10\n1 2\n",
               NOT_A_NUMBER NOT_A_NUMBER NOT_A_NUMBER NOT_A_NUMBER),
       "fractions, exponents, hexadecimal, two numbers");
    ok(replies_to("1\0\n\0\n7\n", 7, NOT_A_NUMBER NOT_A_NUMBER "fib: 13\n"),
       "NUL bytes");
    ok(replies("\xff\xfe\n\xc3\xa9\n", NOT_A_NUMBER NOT_A_NUMBER),
       "bytes beyond ASCII");
    ok(replies("10\r7\n", NOT_A_NUMBER), "a lone CR ends no line");
    ok(replies("0\n00\n46\n", OUT_OF_RANGE OUT_OF_RANGE OUT_OF_RANGE),
       "just out of range");
    ok(replies("4294967297\n18446744073709551617\n", OUT_OF_RANGE OUT_OF_RANGE),
       "2^32 + 1 and 2^64 + 1 do not wrap around to 1");
    ok(replies("99999999999999999999999999999999999999999999\n", OUT_OF_RANGE),
       "any number of digits");
}

// Returns a line of `len` bytes, zeros and then a 7, followed by `ending`.
static const char *long_line(size_t len, const char *ending)
{
    static char line[4096];
    memset(line, '0', len);
    line[len - 1] = '7';
    memcpy(line + len, ending, strlen(ending) + 1);
    return line;
}

static void test_long_lines(void)
{
    ok(replies(long_line(100, "\n"), "fib: 13\n"), "a line of 100 bytes");
    ok(replies(long_line(100, "\r\n"), "fib: 13\n"),
       "a line of 100 bytes and CR");
    ok(replies(long_line(100, ""), "fib: 13\n"),
       "a line of 100 bytes without a newline");
    ok(replies(long_line(101, "\n7\n"), TOO_LONG "fib: 13\n"),
       "a line of 101 bytes is too long");
    ok(replies(long_line(101, "\r\n7\n"), TOO_LONG "fib: 13\n"),
       "a line of 101 bytes and CR is too long");
    ok(replies(long_line(300, "\n7\n"), TOO_LONG "fib: 13\n"),
       "a line of 300 bytes is too long");
    ok(replies(long_line(1000, "\n"), TOO_LONG),
       "a line of 1000 bytes is too long");
    ok(replies(long_line(1000, ""), TOO_LONG),
       "a line of 1000 bytes without a newline is too long");
}

static void test_limits(void)
{
    rules.n_max = 93;
    ok(replies("94\n", "error: out of range (want 1 to 93)\n"),
       "the error message names the range of --max-n");
    rules.n_max = 9;
    ok(replies("9\n10\n", "fib: 34\nerror: out of range (want 1 to 9)\n"),
       "--max-n is the largest n that is answered");
    rules.n_max = 45;
}

static void test_counts(void)
{
    char out[OUT_SIZE] = "";
    struct session s;
    session_start(&s, &rules);
    feed(&s, "1\nx\n3\n", 6, out);
    ok(s.requests == 3 && s.errors == 1, "requests and errors are counted");
    ok(!session_over(&s), "the conversation continues");
    end_input(&s, out);
    ok(session_over(&s),
       "the conversation is over when the client has finished");
}

// Returns whether a stopping server sends the replies `expected`. The session
// has received `received`; `left` bytes of `unread` have arrived but are not
// received.
static bool finishes(const char *received, size_t left, const char *unread,
                     const char *expected)
{
    char out[OUT_SIZE] = "";
    struct session s;
    session_start(&s, &rules);
    feed(&s, received, strlen(received), out);
    session_limit(&s, left);
    if (!session_over(&s))
        feed(&s, unread, left, out);
    answer_all(&s, out);
    return same(out, expected, "finishing with", left) && session_over(&s);
}

static void test_stop(void)
{
    ok(finishes("1\n", 0, "", "fib: 1\n"),
       "stopped with nothing unread: the request is answered");
    ok(finishes("1\n3", 0, "", "fib: 1\n"),
       "stopped with half of a line: it is not a request");
    ok(finishes("1\n3", 3, "0\n7", "fib: 1\nfib: 832040\n"),
       "stopped with input unread: its complete lines are answered");

    char out[OUT_SIZE] = "";
    struct session s;
    session_start(&s, &rules);
    feed(&s, "3", 1, out);
    session_limit(&s, 0);
    session_received(&s, 0);
    answer_all(&s, out);
    ok(out[0] == '\0', "the end of a limited input does not end its last line");

    session_start(&s, &rules);
    session_limit(&s, 4);
    ok(session_space_len(&s) == 4, "no more is received than had arrived");
    feed(&s, "1\n2\n", 4, out);
    session_limit(&s, 4);
    ok(session_over(&s), "a second limit has no effect");
}

static void test_framing_recv(void)
{
    char out[OUT_SIZE] = "";
    struct session s;
    rules.framing = SESSION_FRAMING_RECV;

    session_start(&s, &rules);
    feed(&s, "30", 2, out);
    ok(same(out, "fib: 832040\n", "recv", 0), "a request needs no newline");
    feed(&s, "7\n", 2, out);
    ok(same(out, "fib: 832040\nfib: 13\n", "recv", 1),
       "a request may have a newline");
    out[0] = '\0';
    feed(&s, "1", 1, out);
    feed(&s, "0", 1, out);
    ok(same(out, "fib: 1\n" OUT_OF_RANGE, "recv", 2),
       "10 in two pieces is taken for 1 and 0");
    out[0] = '\0';
    feed(&s, "7\n7\n", 4, out);
    ok(same(out, NOT_A_NUMBER, "recv", 3),
       "7 and 7 in one piece is not a number");
    out[0] = '\0';
    feed(&s, long_line(200, ""), 200, out);
    ok(same(out, TOO_LONG, "recv", 4), "200 bytes in one piece is too long");
    end_input(&s, out);
    ok(session_over(&s), "the end of the input ends the conversation");
    rules.framing = SESSION_FRAMING_LINE;
}

static void test_pending(void)
{
    struct session s;
    session_start(&s, &rules);
    ok(!session_pending(&s), "nothing is pending at first");
    memcpy(session_space(&s), "1\n2\n3", 5);
    session_received(&s, 5);
    ok(session_answer(&s) && session_pending(&s), "after 1 of 2, 2 is pending");
    ok(session_answer(&s) && session_pending(&s),
       "after 2, half of 3 is pending");
    ok(!session_answer(&s) && !session_pending(&s),
       "half of 3 is not pending after a search for its end");
    memcpy(session_space(&s), "\n", 1);
    session_received(&s, 1);
    ok(session_answer(&s) && !session_pending(&s),
       "after 3, nothing is pending");
}

static void test_may_compute(void)
{
    struct session s;
    session_start(&s, &rules);
    ok(!session_may_compute(&s), "without input, there is nothing to compute");
    memcpy(session_space(&s), "1\n2", 3);
    session_received(&s, 3);
    ok(session_may_compute(&s),
       "for a complete line, there is something to compute");
    ok(session_answer(&s) && !session_may_compute(&s),
       "for half of a line, there is nothing to compute");
    session_received(&s, 0);
    ok(session_may_compute(&s),
       "for a last line that the client has ended, there is");
    ok(session_answer(&s) && !session_may_compute(&s),
       "after the last line, there is nothing to compute");
}

// Checks random bytes in random pieces: there must be as many replies as lines.
// The sanitizers check that the session stays within its buffer. A small n_max
// keeps fib() fast.
static void test_garbage(void)
{
    struct session s;
    rules.n_max = 20;
    session_start(&s, &rules);
    uint64_t lines = 0;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        size_t len = 1 + (size_t)rand() % session_space_len(&s);
        char *space = session_space(&s);
        for (size_t i = 0; i < len; i++) {
            // Often digits and newlines, so that all branches are reached.
            space[i] =
                (char)(rand() % 4 == 0 ? "\n\r 15x"[rand() % 6] : rand() % 256);
            lines += space[i] == '\n';
        }
        session_received(&s, len);
        while (session_answer(&s))
            if (s.reply[s.reply_len - 1] != '\n' ||
                s.reply_len > sizeof s.reply)
                ok(false, "a reply is a line");
    }
    ok(s.requests == lines, "%d lines of garbage, as many replies", (int)lines);
}

int main(void)
{
    test_numbers();
    test_bad_lines();
    test_long_lines();
    test_limits();
    test_counts();
    test_stop();
    test_framing_recv();
    test_pending();
    test_may_compute();
    test_garbage();
    return done_testing();
}

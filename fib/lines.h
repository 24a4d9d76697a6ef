// lines.h - taking lines from the input of a session, and building its reply.
//
// Only session.c and http.c use these functions. Only lines_append_reply()
// takes long, because it computes. No function here blocks or allocates memory.

#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"

// A line of the input, without its "\n" or "\r\n". `text` points into the
// input, and is valid until the next line is taken.
struct line {
    const char *text;
    size_t len;
    bool too_long;  // longer than SESSION_LINE_LEN_MAX: `text` may be cut
};

// Takes the next complete line of the input. Returns false if there is none.
bool lines_take(struct session *s, struct line *line);

// Parses a line, which must be a decimal number from 1 to `max`. Blanks around
// the number are allowed. Returns NULL and sets `n` to the number, or returns
// what is wrong with the line: a constant text.
const char *lines_parse_n(struct line line, unsigned max, unsigned *n);

// Append a text that ends with a NUL byte, or a decimal number, to the reply,
// which must have space for it.
void lines_append(struct session *s, const char *text);
void lines_append_number(struct session *s, uint64_t value);

// Computes fib(n) and appends the reply. If `wrong` is not NULL, computes
// nothing, and appends an error message with this reason instead.
void lines_append_reply(struct session *s, unsigned n, const char *wrong);

#endif

// lines.h - finding lines in the input of a session, and building its reply.

#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"

// A line of the input, without its "\n" or "\r\n".
struct line {
    const char *text;
    size_t len;
    bool too_long;  // longer than SESSION_LINE_LEN_MAX: `text` may be cut
};

// Takes the next complete line of the input. Returns false if there is none.
bool lines_next(struct session *s, struct line *line);

// Parses a line, which must be a decimal number from 1 to `max`. Blanks around
// the number are allowed. Sets `n`. Returns NULL, or what is wrong with the
// line.
const char *lines_parse_n(struct line line, unsigned max, unsigned *n);

// Appends text to the reply.
void lines_append(struct session *s, const char *text);
void lines_append_number(struct session *s, uint64_t value);

// Computes fib(n) and appends the reply. If `wrong` is not NULL, computes
// nothing, and appends an error message with this reason instead.
void lines_append_reply(struct session *s, unsigned n, const char *wrong);

#endif

// text.h - numbers as people read them.
//
// Each function returns a small structure by value, so that several can stand
// in one printf().

#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>

#include "histogram.h"

enum { TEXT_SIZE = 64 };

struct text {
    char s[TEXT_SIZE];
};

// "1,234,567".
struct text text_number(uint64_t value);

// "1 reply" or "1,234 replies".
struct text text_count(uint64_t count, const char *one, const char *many);

// Three significant digits and a fitting unit: "157 us", "4.12 ms".
struct text text_duration(double ns);

// In the unit that fits `scale_kib`, so that several amounts can be compared.
struct text text_memory(uint64_t kib, uint64_t scale_kib);

// A percentile of latencies in ns, "too few" unless at least ten samples lie
// beyond it: with fewer it would be one of them, and chance which.
struct text text_percentile(const struct histogram *h, double percent);

// The name of an error, "ECONNRESET"; "other" for those that no socket has.
const char *text_errno(int error);

// What it means for a connection, in a few words.
const char *text_meaning(int error);

#endif

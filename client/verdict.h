// verdict.h - whether the figures of a run can be taken for the server's.

#ifndef VERDICT_H
#define VERDICT_H

#include "options.h"
#include "result.h"

// The numbers are those of the column `marked`.
enum verdict {
    VERDICT_OK,
    VERDICT_CLIENT_LIMITED,  // we were the limit, or late
    VERDICT_NOISY,           // others were in the way
    VERDICT_INCOMPLETE,      // not every request had a right reply
};

// A verdict and, in a sentence, why.
struct judgement {
    enum verdict verdict;
    const char *because;
};

// Judges a run. The worst that is true of it counts.
struct judgement verdict_of(const struct options *opt, const struct result *r);

// "ok", "client-limited", "noisy" or "incomplete".
const char *verdict_name(enum verdict verdict);

#endif

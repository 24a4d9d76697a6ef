// figures.h - every figure of a run: its name, unit, value and meaning; and the
// verdict on the run.
//
// The summary, the CSV, the JSON and --columns show the figures of one table.

#ifndef FIGURES_H
#define FIGURES_H

#include <stddef.h>
#include <stdio.h>

#include "stats.h"

enum unit {
    UNIT_COUNT,
    UNIT_PER_S,
    UNIT_S,
    UNIT_US,
    UNIT_KIB,
    UNIT_SHARE,  // from 0 to 1, or a number of cores
    UNIT_RATIO,
};

// Where the value of a figure comes from.
enum source {
    FROM_COUNTER,     // a counter: `which` is an enum counter
    FROM_SAMPLES,     // the number of samples: `which` is an enum timing
    FROM_PERCENTILE,  // a percentile: `which` is an enum timing
    FROM_RESULT,      // a double in struct result: `which` is its offset
    FROM_OPTIONS,     // an int64_t in struct options: `which` is its offset
};

// How --merge combines a figure of several clients.
enum sum {
    DERIVED,  // computes it from the sums of counts and histograms
    LARGEST,
    SMALLEST,
    SUM,
    SUM_OR_NONE,  // the sum; it must be 0 for all clients or for none
    SAME,         // it must be equal for all clients
};

struct figure {
    const char *name;  // the name of its column and key
    enum unit unit;
    enum source source;
    enum sum sum;
    size_t which;
    double percent;       // of a percentile; 100: the maximum
    const char *meaning;  // for people who have not read the source
};

// The table, in the order of the columns.
extern const struct figure figures[];
extern const size_t figure_count;

// The names of verdicts; of histograms, NULL for the one that is a sum; and of
// errnos, NULL for those that are reported as "other".
extern const char *const verdict_names[], *const timing_names[TIMINGS];
extern const char *const error_names[STATS_ERRNO_MAX];

// Returns the figure of this name, or NULL.
const struct figure *figures_find(const char *name);

// Returns the value of a figure, or NAN if it is unknown.
double figures_value(const struct figure *f, const struct result *r);

// Sets a figure, except those from histograms. The value may be NAN if the
// source is FROM_RESULT.
void figures_set(const struct figure *f, struct options *opt, struct result *r,
                 double value);

// Computes the figures that are DERIVED.
void figures_derive_rates(struct result *r);

// Computes all fields of a result that follow from others, and the verdict.
void figures_derive(struct result *r);

// Returns a percentile in us, or NAN if there are too few samples beyond it:
// its value would then depend on chance.
double figures_sure_us(const struct histogram *h, double percent);

// Returns the same as figures_value(), but NAN for a percentile that has too
// few samples.
double figures_sure_value(const struct figure *f, const struct result *r);

// Returns whether every request had a right reply, on every connection.
bool figures_are_good(const struct result *r);

// Checks a list of limits like "p99=10ms,errors=0". Returns NULL, or the first
// one that is not a limit. It is valid until the next call.
const char *figures_bad_limit(const char *limits);

enum kept {
    LIMITS_KEPT,
    LIMITS_BROKEN,
    LIMITS_UNSURE,  // a percentile has too few samples
};

// Checks whether a run has kept its limits, and prints each one that it has not
// kept to `file`, unless that is NULL. The limit of an unknown figure is not
// kept. LIMITS_UNSURE: a longer run might keep them.
enum kept figures_check_limits(FILE *file, const char *limits,
                               const struct result *r);

#endif

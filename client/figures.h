// figures.h - every figure of a run: its name, unit, value and meaning; and the
// verdict on them.
//
// The summary, the CSV, the JSON and --columns show what is in one table.

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
    UNIT_SHARE,  // 0..1, or of a core
    UNIT_RATIO,
};

// Where the value of a figure comes from.
enum source {
    FROM_COUNTER,     // `which` of enum counter
    FROM_SAMPLES,     // how many are in `which` of enum timing
    FROM_PERCENTILE,  // one of `which` of enum timing
    FROM_RESULT,      // a double at this offset
    FROM_OPTIONS,     // an int64_t at this offset
};

// What the results of several clients have in common, added by --merge.
enum sum {
    DERIVED,  // it follows from counts, histograms and other figures
    LARGEST,
    SMALLEST,
    SUM,
    SUM_OR_NONE,  // the same, but all must have it, or none
    SAME,         // all must have the same
};

struct figure {
    const char *name;  // as columns and keys have it
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

// Names by number: of verdicts; of histograms, NULL for one that is the sum of
// others; and of what may happen to a connection, NULL for other errors.
extern const char *const verdict_names[], *const timing_names[TIMINGS];
extern const char *const error_names[STATS_ERRNO_MAX];

// Returns the figure of this name, or NULL.
const struct figure *figures_find(const char *name);

// Returns a value; NAN: unknown.
double figures_value(const struct figure *f, const struct result *r);

// Sets a figure that is not of a histogram, to a value that may be NAN if it is
// one of the result.
void figures_set(const struct figure *f, struct options *opt, struct result *r,
                 double value);

// Fills in the figures that are DERIVED.
void figures_derive_rates(struct result *r);

// Fills in all fields of a result that follow from others, and judges it: the
// worst verdict for which there is a reason counts.
void figures_derive(struct result *r);

// Returns a percentile in us; NAN if there are too few samples beyond it: it
// would be one of these, and chance which.
double figures_sure_us(const struct histogram *h, double percent);

// Returns a value as the report shows it: as figures_value(), but NAN for a
// percentile that has too few samples.
double figures_sure_value(const struct figure *f, const struct result *r);

// Returns whether every request had a right reply, on every connection.
bool figures_are_good(const struct result *r);

// Checks the text of --require or --find-rate, "p99=10ms,errors=0". Returns
// NULL, or the first of its limits that is none, which is valid until the next
// call.
const char *figures_bad_limit(const char *limits);

enum kept {
    LIMITS_KEPT,
    LIMITS_BROKEN,
    LIMITS_UNSURE,  // not kept yet: percentiles have too few samples
};

// Prints each limit that a run has not kept to `file`, unless that is NULL.
// What is unknown is not kept. Returns whether all were kept, and if not,
// whether a longer run might show that they are.
enum kept figures_check_limits(FILE *file, const char *limits,
                               const struct result *r);

#endif

// limits.h - limits on the figures of a run, and the highest rate within them.

#ifndef LIMITS_H
#define LIMITS_H

#include "run.h"

// Checks the text of --require or --find-rate, "p99=10ms,errors=0". Returns
// NULL, or the first of its limits that is none, which is valid until the next
// call.
const char *limits_refused(const char *text);

// Prints each limit that a run has not kept to `file`, unless that is NULL.
// What is unknown is not kept. Returns whether all were kept.
bool limits_kept(FILE *file, const char *text, const struct result *r);

// Makes runs (open loop) at rates from opt->rate up and down, until the highest
// one that keeps opt->find_rate without an error is known to 5 %. A run that
// does not is made once more. Prints a line for each on standard error. Sets
// `best` to the result at that rate, and opt->rate to the rate. Returns 0; or
// -1, and why in best->failure, if a run could not be made or no rate keeps the
// limits.
int limits_find_rate(struct options *opt, struct target *target,
                     struct result *best);

#endif

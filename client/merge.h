// merge.h - adds the results of several clients, from their --json files.
//
// Several machines can load one server at the same time, each with a fibload of
// its own. Counts and histograms are added exactly, so that percentiles are
// those of all requests; rates and the rest follow from them as in any run.
// What cannot be added is the largest of all runs: how long the window was, the
// server's CPU time and memory, the worst verdict.

#ifndef MERGE_H
#define MERGE_H

#include "stats.h"

// Reads the files of opt->files and sets `result`, with the figures that
// follow, to their sum, and in `opt` the load to that of all. Blocks on the
// disk. Returns 0; or -1, and in result->failure which file is why, and where
// in it, if one cannot be read, is not whole, was not written by --json, or had
// another kind of load than the first.
int merge_files(struct options *opt, struct result *result);

#endif

// json.h - a result as JSON: written by --json, read and added by --merge.
//
// Several machines can load one server at the same time, each with a fibload of
// its own. Counts and histograms are added exactly, so that percentiles are
// those of all requests; rates and the rest follow from them as in any run.
// What cannot be added is the largest of all runs: how long the window was, the
// server's CPU time and memory, the worst verdict.

#ifndef JSON_H
#define JSON_H

#include <stdio.h>

#include "stats.h"

// Writes all figures as one object, and closes the file. May block on the disk.
// Returns 0, or -1 with errno.
int json_write(FILE *file, const struct result *r);

// Reads the files of opt->files and sets `result`, with the figures that
// follow, to their sum, and in `opt` the load to that of all. Blocks on the
// disk. Returns 0; or -1, and in result->failure which file is why, and where
// in it, if one cannot be read, is not whole, has other lines than json_write()
// makes, or had another kind of load than the first.
int json_merge(struct options *opt, struct result *result);

#endif

// export.h - what programs read: CSV, JSON, a table of percentiles.
//
// The first two hold the same figures under the same names. Functions fail with
// -1 or NULL, and errno.

#ifndef EXPORT_H
#define EXPORT_H

#include <stdio.h>

#include "options.h"
#include "result.h"

// Whether a figure has this name already.
bool export_has(const char *name);

// Opens a file that rows are to be appended to: before the run, so that a bad
// path does not cost one. Fails with EINVAL if a regular file has other columns
// than `opt` makes.
FILE *export_open_csv(const char *path, const struct options *opt);

// Appends a row, after a header if the file is empty, and closes it. It may
// wait for the disk.
int export_csv(FILE *file, const struct options *opt, const struct result *r);

// Writes everything as one object, and closes the file. It may wait for the
// disk.
int export_json(FILE *file, const struct options *opt, const struct result *r);

// Writes a table of latencies, which are in ns, and closes the file. It is that
// of HdrHistogram (Gil Tene), whose plotter takes it, in milliseconds:
// hdrhistogram.github.io/HdrHistogram/plotFiles.html. It may wait for the disk.
int export_percentiles(FILE *file, const struct histogram *h);

// Closes a file that was written. Returns -1 if not all of it could be.
int export_close(FILE *file);

#endif

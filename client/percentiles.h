// percentiles.h - a whole distribution of latencies, as other tools read it.
//
// The table is that of HdrHistogram (Gil Tene), whose plotter takes it:
// hdrhistogram.github.io/HdrHistogram/plotFiles.html. Values are milliseconds.

#ifndef PERCENTILES_H
#define PERCENTILES_H

#include <stdio.h>

#include "histogram.h"

// Writes the table of latencies that are in ns. It may wait for the disk.
void percentiles_print(FILE *file, const struct histogram *h);

#endif

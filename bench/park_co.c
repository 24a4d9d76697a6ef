// park_co.c - what parked coroutines cost: memory, and CPU time to get there.
//
//     park_co COUNT
//
// They are the scheduler's, as in a server whose clients are all silent. What
// the kernel says of this process before and after gives the memory of each:
// its resident pages, and its share of the tables that find them.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../servers/coro/co.h"
#include "measure.h"

struct usage {
    double cpu_s, pages_bytes, tables_bytes;
};

static size_t count;
static struct usage before;

// The figure in KiB that stands after `name` in a file, in bytes.
static double bytes_in(const char *path, const char *name)
{
    FILE *file = fopen(path, "r");
    char line[256];
    double kib = 0;
    if (file == NULL)
        measure_failed(path);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtod(line + strlen(name), NULL);
    fclose(file);
    return kib * 1024;
}

static struct usage usage(void)
{
    return (struct usage){
        .cpu_s = measure_cpu_s(),  // First: looking takes time, too.
        .pages_bytes = bytes_in("/proc/self/smaps_rollup", "Pss:"),
        .tables_bytes = bytes_in("/proc/self/status", "VmPTE:"),
    };
}

static void park(void *arg)
{
    (void)arg;
    co_park();
}

// Started last, this runs when all others have parked. No one will wake them.
static void compare(void *arg)
{
    (void)arg;
    struct usage now = usage();
    double coroutines = (double)count;
    measure_print("create", now.cpu_s - before.cpu_s, "s");
    measure_print("pages", (now.pages_bytes - before.pages_bytes) / coroutines,
                  "bytes");
    measure_print("tables",
                  (now.tables_bytes - before.tables_bytes) / coroutines,
                  "bytes");
    fflush(stdout);
    _exit(EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
    count = measure_argument(argc, argv, 1);
    before = usage();
    for (size_t i = 0; i < count; i++)
        if (co_go(park, NULL) != 0)
            measure_failed("co_go");
    if (co_go(compare, NULL) != 0 || co_run() != 0)
        measure_failed("co_run");
}

// park_co.c - measures the memory of a parked coroutine, and the CPU time to
// create it.
//
//     park_co COUNT
//
// The scheduler starts COUNT coroutines, and all of them park, as in a server
// with only idle clients. The program reads from /proc how much memory the
// process has before and after this. The difference gives the memory of each
// coroutine: its resident pages, and its share of the page tables.

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
static struct usage at_start;

// Returns the number after `name` in a file, converted from KiB to bytes.
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

static struct usage read_usage(void)
{
    return (struct usage){
        .cpu_s = measure_cpu_s(),  // First: reading /proc takes CPU time, too.
        .pages_bytes = bytes_in("/proc/self/smaps_rollup", "Pss:"),
        .tables_bytes = bytes_in("/proc/self/status", "VmPTE:"),
    };
}

static void park(void *arg)
{
    (void)arg;
    co_park();
}

// Prints what each coroutine costs. Runs in the coroutine that was started
// last, so all others have parked. They are never woken: the process ends here.
static void print_differences(void *arg)
{
    (void)arg;
    struct usage now = read_usage();
    double coroutines = (double)count;
    measure_print("create", now.cpu_s - at_start.cpu_s, "s");
    measure_print("pages",
                  (now.pages_bytes - at_start.pages_bytes) / coroutines,
                  "bytes");
    measure_print("tables",
                  (now.tables_bytes - at_start.tables_bytes) / coroutines,
                  "bytes");
    fflush(stdout);
    _exit(EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
    count = measure_argument(argc, argv, 1);
    at_start = read_usage();
    for (size_t i = 0; i < count; i++)
        if (co_go(park, NULL) != 0)
            measure_failed("co_go");
    if (co_go(print_differences, NULL) != 0 || co_run() != 0)
        measure_failed("co_run");
}

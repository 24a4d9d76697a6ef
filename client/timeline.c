// timeline.c - every request of a run, a line each.

#include "timeline.h"

#include <inttypes.h>

void timeline_begin(FILE *file)
{
    if (file != NULL)
        fputs("connection,kind,due_ns,sent_ns,done_ns,outcome\n", file);
}

static void print_time(FILE *file, int64_t ns)
{
    if (ns != TIMELINE_NEVER)
        fprintf(file, "%" PRId64, ns);
    fputc(',', file);
}

void timeline_add(FILE *file, const struct timeline_entry *entry)
{
    if (file == NULL)
        return;
    flockfile(file);  // A line is one thread's.
    if (entry->connection >= 0)
        fprintf(file, "%d", entry->connection);
    fprintf(file, ",%s,", entry->role == ROLE_HOG ? "hog" : "stream");
    print_time(file, entry->due_ns);
    print_time(file, entry->sent_ns);
    print_time(file, entry->done_ns);
    fprintf(file, "%s\n", entry->outcome);
    funlockfile(file);
}

// side_by_side.c - runs many cases at the same time, as most of them only wait.

#include "side_by_side.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tap.h"

enum { WORKERS = 8 };

// Memory that all worker processes share. `next` is the next case to run.
struct shared {
    atomic_int next;
    struct outcome outcomes[];
};

struct outcome *side_by_side(int count,
                             void (*try)(int i, struct outcome *outcome))
{
    size_t size =
        sizeof(struct shared) + (size_t)count * sizeof(struct outcome);
    struct shared *shared = mmap(NULL, size, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        abort();
    pid_t workers[WORKERS];
    for (int worker = 0; worker < WORKERS; worker++)
        if ((workers[worker] = tap_fork()) == 0) {
            int i;
            while ((i = atomic_fetch_add(&shared->next, 1)) < count)
                try(i, &shared->outcomes[i]);
            fflush(stdout);
            _exit(EXIT_SUCCESS);
        }
    for (int worker = 0; worker < WORKERS; worker++)
        waitpid(workers[worker], NULL, 0);
    return shared->outcomes;
}

bool fails(struct outcome *o, const char *format, ...)
{
    va_list arguments;
    if (o->said[0] != '\0')
        return false;
    va_start(arguments, format);
    vsnprintf(o->said, sizeof o->said, format, arguments);
    va_end(arguments);
    return false;
}

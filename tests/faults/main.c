// main.c - makes every system call of the servers and the client fail.
//
//     build/plain/tests/faults/run build/plain/tests/faults PROGRAM ...
//
// The directory has the programs, linked with the layer that makes calls fail
// (fault.h). First each program runs without faults, to see which calls it
// makes. Then each of these calls fails with every errno of its man page: at
// the start, while the server serves clients, and while it stops. A server may
// lose one client per failed call.
//
// ONLY=thread:recv in the environment runs only the cases whose names begin
// with "thread:recv".

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../conversation/server.h"
#include "../tap.h"
#include "client.h"
#include "crowd.h"
#include "early.h"
#include "late.h"
#include "leaps.h"
#include "second.h"
#include "storm.h"
#include "sudden.h"
#include "turns.h"

enum {
    PATH_SIZE = 4096,
    PROGRAMS_MAX = 32,
    REACHED_MIN = 180,  // faults that must happen, per program
    REACHED_MIN_PERCENT = 90,
    EFFECTS_MIN = 20,
};

static const char *const moments[] = {"start", "serving", "stopping"};

static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

static bool is_client(const struct fault_case *c)
{
    return strcmp(name_of(c->path), "fibload") == 0;
}

static void try_case(int i, struct outcome *o)
{
    static void (*const runs[])(const struct fault_case *, struct outcome *) = {
        [FAILING_CALL] = trial_run, [STORM] = storm_run,   [LEAPS] = leaps_run,
        [SUDDEN] = sudden_run,      [CROWD] = crowd_run,   [EARLY] = early_run,
        [LATE] = late_run,          [SECOND] = second_run, [TURNS] = turns_run,
        [QUEUE] = crowd_run};
    if (is_client(&cases[i]))
        client_try(&cases[i], o);
    else
        runs[cases[i].kind](&cases[i], o);
}

static bool is_selected(const struct fault_case *c)
{
    char name[PATH_SIZE];
    const char *only = getenv("ONLY");
    snprintf(name, sizeof name, "%s:%s", name_of(c->path), c->fault);
    return only == NULL || strncmp(name, only, strlen(only)) == 0;
}

static void keep_selected(void)
{
    int kept = 0;
    for (int i = 0; i < case_count; i++)
        if (is_selected(&cases[i]))
            cases[kept++] = cases[i];
    case_count = kept;
}

static void report(const struct fault_case *c, const struct outcome *o)
{
    const char *when = is_client(c) ? "at its work" : moments[c->variant];
    if (o->passed && !o->reached && c->memory_kib == 0)
        printf("# not reached: %s %s, %s\n", name_of(c->path), c->fault, when);
    else if (!ok(o->passed, "%s outlives %s, %s", name_of(c->path), c->fault,
                 when))
        printf("# %s\n", o->said);
}

// Checks that most faults of a program happened and that some had an effect.
// The order in which clients are served varies, so a few faults do not happen.
// Most faults have no effect, because the programs handle them.
static void check_reached(const char *path, const struct outcome *outcomes)
{
    int tried = 0, reached = 0, effects = 0;
    for (int i = 0; i < case_count; i++)
        if (strcmp(cases[i].path, path) == 0 && cases[i].memory_kib == 0) {
            tried++;
            reached += outcomes[i].reached;
            effects += outcomes[i].had_effect;
        }
    ok(reached >= REACHED_MIN && reached * 100 >= tried * REACHED_MIN_PERCENT,
       "%s: %d of %d faults are reached", name_of(path), reached, tried);
    ok(effects >= EFFECTS_MIN, "%s: %d of them have an effect", name_of(path),
       effects);
}

static void add_server(const char *path)
{
    struct call_counts counts;
    struct outcome o = {0};
    ok(trial_count_calls(path, &counts, &o), "%s works without faults %s",
       name_of(path), o.said);
    cases_add_server(path, &counts);
}

static void add_client(const char *path)
{
    struct outcome o = {0};
    client_add_cases(path, &o);
    ok(o.passed, "fibload works without faults %s", o.said);
}

// Runs all cases of the programs at `paths`.
static void try_all(char paths[][PATH_SIZE], int count)
{
    for (int i = 0; i < count; i++)
        strcmp(name_of(paths[i]), "fibload") == 0 ? add_client(paths[i])
                                                  : add_server(paths[i]);
    keep_selected();
    const struct outcome *outcomes = side_by_side(case_count, try_case);
    for (int i = 0; i < case_count; i++)
        report(&cases[i], &outcomes[i]);
    for (int i = 0; i < count && getenv("ONLY") == NULL; i++)
        check_reached(paths[i], outcomes);
}

int main(int argc, char **argv)
{
    static char paths[PROGRAMS_MAX][PATH_SIZE];
    const char *quiet[] = {"--quiet", NULL};
    struct server other;  // has no fault; fibload sends its requests to it
    snprintf(paths[0], PATH_SIZE, "%s/coroutine", argv[1]);
    if (!server_start(&other, COMMAND(paths[0]), quiet, NULL))
        return done_testing();
    client_port = other.port;
    for (int i = 2; i < argc; i++)
        snprintf(paths[i - 2], PATH_SIZE, "%s/%s", argv[1], argv[i]);
    try_all(paths, argc - 2);
    server_stop(&other, "the server that fibload used");
    return done_testing();
}

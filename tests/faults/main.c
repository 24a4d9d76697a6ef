// main.c - makes every system call of the servers and the client fail.
//
//     build/plain/tests/faults/run build/plain/tests/faults
//
// The folder has the programs, linked with the layer that makes calls fail
// (fault.h). First each program shows which calls it makes; each of these then
// fails in every way its man page lists, at the start, while clients are served
// and at the end. What may be lost is one client.
//
// ONLY=thread:recv in the environment picks the cases that begin like that.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../conversation/server.h"
#include "../tap.h"
#include "client.h"
#include "storm.h"

enum { PATH_SIZE = 256 };

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
    if (is_client(&cases[i]))
        client_try(&cases[i], o);
    else
        trial_run(&cases[i], o);
}

static bool is_wanted(const struct fault_case *c)
{
    char name[PATH_SIZE];
    const char *only = getenv("ONLY");
    snprintf(name, sizeof name, "%s:%s", name_of(c->path), c->fault);
    return only == NULL || strncmp(name, only, strlen(only)) == 0;
}

static void keep_wanted(void)
{
    int kept = 0;
    for (int i = 0; i < case_count; i++)
        if (is_wanted(&cases[i]))
            cases[kept++] = cases[i];
    case_count = kept;
}

static void report(const struct fault_case *c, const struct outcome *o)
{
    const char *when = is_client(c) ? "at its work" : moments[c->variant];
    if (o->never_came)
        printf("# never came: %s %s, %s\n", name_of(c->path), c->fault, when);
    else if (!ok(o->passed, "%s outlives %s, %s", name_of(c->path), c->fault,
                 when))
        printf("# %s\n", o->said);
}

static void add_server(const char *folder, const char *name)
{
    static char paths[32][PATH_SIZE];
    static int path_count;
    struct habits habits;
    struct outcome o = {0};
    char *path = paths[path_count++];
    snprintf(path, PATH_SIZE, "%s/%s", folder, name);
    ok(trial_habits(path, &habits, &o), "%s works without faults %s", name,
       o.said);
    cases_add_server(path, &habits);
    storm_test(path);
}

static void add_client(const char *folder)
{
    static char path[PATH_SIZE];
    struct outcome o = {0};
    snprintf(path, PATH_SIZE, "%s/fibload", folder);
    client_add_cases(path, &o);
    ok(o.passed, "fibload works without faults %s", o.said);
}

int main(int argc, char **argv)
{
    const char *quiet[] = {"--quiet", NULL};
    char path[PATH_SIZE];
    struct server other;  // for the client: it has no fault
    snprintf(path, sizeof path, "%s/coroutine", argv[1]);
    if (!server_start(&other, path, quiet, NULL))
        return done_testing();
    client_port = other.port;
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], "fibload") == 0)
            add_client(argv[1]);
        else
            add_server(argv[1], argv[i]);
    keep_wanted();
    const struct outcome *outcomes = side_by_side(case_count, try_case);
    for (int i = 0; i < case_count; i++)
        report(&cases[i], &outcomes[i]);
    server_stop(&other, "the server of the clients has seen much");
    return done_testing();
}

// main.c - runs the conversation with every server named on the command line.
//
//     build/plain/tests/conversation/run bin/fork "bin/coroutine --loops 2" ...
//     build/plain/tests/conversation/run --parts
//
// The second form prints the names of the parts, one a line. No part depends on
// another. In the environment, ONLY='hostile stopping' picks parts, DRAINS=50
// makes it stop each server under load that many times, PATIENCE=3 limits each
// wait to 3 s, and MODEL=thread says what a server is that has another name.

#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "conversation.h"
#include "subject.h"

enum { EXIT_USAGE = 2 };

static const struct part {
    const char *name;
    void (*test)(void);
} parts[] = {
    {"protocol", test_protocol},
    {"hostile", test_hostile_clients},
    {"limits", test_limits},
    {"leaks", test_leaks},
    {"waiting", test_waiting},
    {"stopping", test_stopping},
    {"owed", test_owed},
    {"drain", test_drain},
    {"command_line", test_command_line},
};
enum { PART_COUNT = sizeof parts / sizeof parts[0] };

static bool wanted[PART_COUNT];

static const struct part *find_part(const char *name)
{
    for (const struct part *p = parts; p < parts + PART_COUNT; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

// Picks the parts that are named in `only`, all if it is NULL. Ends the program
// if there is no such part: a typing error must not pass for a success.
static void choose_parts(const char *only)
{
    char names[256];
    for (int i = 0; i < PART_COUNT; i++)
        wanted[i] = only == NULL;
    snprintf(names, sizeof names, "%s", only != NULL ? only : "");
    for (char *name = strtok(names, " "); name != NULL;
         name = strtok(NULL, " ")) {
        const struct part *part = find_part(name);
        if (part == NULL) {
            fprintf(stderr, "ONLY: no part '%s'; see --parts\n", name);
            exit(EXIT_USAGE);
        }
        wanted[part - parts] = true;
    }
}

static void converse(const char *path)
{
    subject_choose(path);
    for (int i = 0; i < PART_COUNT; i++)
        if (wanted[i])
            parts[i].test();
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--parts") == 0) {
        for (int i = 0; i < PART_COUNT; i++)
            puts(parts[i].name);
        return EXIT_SUCCESS;
    }
    choose_parts(getenv("ONLY"));
    for (int i = 1; i < argc; i++)
        converse(argv[i]);
    return done_testing();
}

// main.c - runs the conversation with the servers on the command line.
//
//     build/plain/tests/conversation/run bin/prefork --herd
//     build/plain/tests/conversation/run bin/fork -- bin/prefork --herd -- ...
//     build/plain/tests/conversation/run --parts
//
// Servers may have options; `--` separates one server from the next. The last
// form prints the names of the parts, one a line. No part depends on another.
// These variables of the environment change a run:
//
//     ONLY='hostile stopping'  runs these parts only
//     DRAINS=50                stops each server under load 50 times
//     PATIENCE=3               limits each wait to 3 s
//     MODEL=thread             tests the program as a `thread` server

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tap.h"
#include "conversation.h"
#include "keeper.h"
#include "server.h"
#include "subject.h"

static const struct part {
    const char *name;
    void (*test)(void);
} parts[] = {
    {"protocol", test_protocol},
    {"http", test_http},
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

static bool selected[PART_COUNT];

static const struct part *find_part(const char *name)
{
    for (const struct part *p = parts; p < parts + PART_COUNT; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

// Marks the parts that are named in `only` as wanted, or all if it is NULL.
// Ends the program on an unknown name: otherwise a typing error would skip the
// tests and look like a success.
static void choose_parts(const char *only)
{
    char names[256];
    for (int i = 0; i < PART_COUNT; i++)
        selected[i] = only == NULL;
    snprintf(names, sizeof names, "%s", only != NULL ? only : "");
    for (char *name = strtok(names, " "); name != NULL;
         name = strtok(NULL, " ")) {
        const struct part *part = find_part(name);
        if (part == NULL) {
            fprintf(stderr, "ONLY: no part '%s'; see --parts\n", name);
            exit(EXIT_USAGE);
        }
        selected[part - parts] = true;
    }
}

// Ends the program if the first word of a command is not a program.
static void require_programs(int count, const char **words)
{
    for (int i = 0; i < count; i++) {
        bool is_first = i == 0 || strcmp(words[i - 1], "--") == 0;
        if (!is_first || strcmp(words[i], "--") == 0 ||
            access(words[i], X_OK) == 0)
            continue;
        perror(words[i]);
        exit(EXIT_USAGE);
    }
}

// The leak detector calls this at the end of each process of the conversation.
// It would read 20 MB of buffers and of its own tables each time, half of the
// CPU time of a part with many children. All that these allocate is closed
// where it is opened: the directories of /proc. The servers are still searched.
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

static void converse(const char **command)
{
    subject_choose(command);
    for (int i = 0; i < PART_COUNT; i++)
        if (selected[i])
            parts[i].test();
}

// Tests the server of each command. Replaces each `--` between commands by
// NULL.
static void converse_all(int count, const char **words)
{
    const char **command = words;
    for (int i = 0; i <= count; i++) {
        if (i < count && strcmp(words[i], "--") != 0)
            continue;
        words[i] = NULL;
        if (*command != NULL)
            converse(command);
        command = words + i + 1;
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--parts") == 0) {
        for (int i = 0; i < PART_COUNT; i++)
            puts(parts[i].name);
        return EXIT_SUCCESS;
    }
    const char **words = (const char **)(uintptr_t)(argv + 1);
    choose_parts(getenv("ONLY"));
    require_programs(argc - 1, words);
    keeper_begin();
    converse_all(argc - 1, words);
    return done_testing();
}

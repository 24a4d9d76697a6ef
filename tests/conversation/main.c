// main.c - runs the conversation with every server named on the command line.
//
//     build/plain/tests/conversation/run bin/fork "bin/coroutine --loops 2" ...
//
// In the environment, ONLY='hostile stopping' picks parts of it, DRAINS=50
// makes it stop each server under load that many times, PATIENCE=3 waits only
// 3 s for what should come, and MODEL=thread says what a server is that has
// another name.

#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "conversation.h"

static const struct {
    const char *name;
    void (*test)(const struct subject *subject);
} parts[] = {
    {"protocol", test_protocol}, {"hostile", test_hostile_clients},
    {"limits", test_limits},     {"leaks", test_leaks},
    {"waiting", test_waiting},   {"stopping", test_stopping},
    {"drain", test_drain},       {"command_line", test_command_line},
};

// Whether `model` is one of the `names`, which have spaces around them.
static bool is_one_of(const char *names, const char *model)
{
    char name[64];
    snprintf(name, sizeof name, " %.*s ", (int)strcspn(model, " "), model);
    return strstr(names, name) != NULL;
}

static void converse(const struct subject *subject)
{
    const char *only = getenv("ONLY");
    tap_subject(subject->model);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (only == NULL || strstr(only, parts[i].name) != NULL)
            parts[i].test(subject);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        const char *model = getenv("MODEL");
        if (model == NULL)
            model = slash != NULL ? slash + 1 : argv[i];
        const struct subject subject = {
            .path = argv[i],
            .model = model,
            .one_at_a_time = is_one_of(" blocking ", model),
            .few_at_once = is_one_of(" pool prefork ", model),
            .always_busy = is_one_of(" nonblocking ", model),
            .has_wall = is_one_of(" select ", model),
            .has_stacks = is_one_of(" thread coroutine pool ", model),
            .has_no_idle_timeout = is_one_of(" uring ", model),
        };
        converse(&subject);
    }
    return done_testing();
}

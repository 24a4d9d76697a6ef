// main.c - runs the conversation with every server named on the command line.
//
//     conversation bin/blocking bin/fork ...

#include <string.h>

#include "../tap.h"
#include "conversation.h"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        const char *model = slash != NULL ? slash + 1 : argv[i];
        const struct subject subject = {
            .path = argv[i],
            .model = model,
            .one_at_a_time = strcmp(model, "blocking") == 0,
            .always_busy = strcmp(model, "nonblocking") == 0,
        };
        tap_subject(model);
        test_protocol(&subject);
        test_hostile_clients(&subject);
        test_limits(&subject);
        test_waiting(&subject);
        test_stopping(&subject);
        test_command_line(&subject);
    }
    return done_testing();
}

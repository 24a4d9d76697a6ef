// options.h - the command line of a server.
//
// All servers have the same options; a model may add some of its own.

#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

#include "../../fib/session.h"

// One option: how it is parsed and how --help shows it. Exactly one of
// `number`, `text` and `flag` is set: it points to the variable that gets the
// value.
struct option_rule {
    const char *name;
    const char *argument;  // what the help text calls its value; NULL: no value
    const char *help;
    int *number;  // a decimal number from min to max
    int min, max;
    const char **text;  // any text
    bool *flag;         // set to true
};

// The settings of a server: those in its source and those of its command line.
// They do not change once the server accepts clients.
struct options {
    // Set in the source of the server.
    const char *model;                 // its name
    bool nonblocking;                  // accept() never blocks
    bool reuseport;                    // listeners share the address
    bool forks;                        // it has child processes
    void (*wake_blocked_calls)(void);  // see server.h; or NULL
    const struct option_rule *own[2];  // more options, ended by {0}; or NULL

    // Defaults of two options, set in the source of the server. The command
    // line may change them.
    int stack_kib;    // stack of each thread; 0: no option --stack-kib
    int clients_max;  // clients served at once; 0: the common default

    // Set by options_parse().
    bool clients_capped;  // clients_max is what the limit on open files allows
    const char *host;     // address to listen on
    int port;             // 0: the kernel chooses a free one
    int backlog;          // connections that the kernel queues
    int idle_timeout_s;   // 0: none
    int delay_ms;         // time that the simulated backend takes
    bool quiet;           // no log lines
    const char *trace;    // file for what happened (trace.h); NULL: none
    struct session_rules rules;
};

// Prints one line on standard error that says what --`name` must be, and exits
// with status 2.
_Noreturn void options_refuse(const struct options *o, const char *name,
                              const char *must_be, const char *text);

// Fills `o` from the command line. After --help, exits with status 0; after bad
// usage, with status 2 and one line on standard error that names what is wrong.
void options_parse(struct options *o, int argc, char **argv);

#endif

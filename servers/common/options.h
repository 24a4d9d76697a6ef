// options.h - the command line of a server.
//
// All servers share most options. A model may add its own. No function here
// blocks. If the command line is wrong, the server exits at once.

#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

#include "../../fib/session.h"

// One option: how to parse it and how --help shows it. Exactly one of `number`,
// `text` and `flag` is set. It points to the variable that receives the value.
struct option_rule {
    const char *name;
    const char *argument;  // its value in the help text; NULL: it has no value
    const char *help;
    int *number;  // its value is a decimal number from min to max
    int min, max;
    const char **text;  // its value is any text
    bool *flag;         // it has no value; set to true
};

// The settings of a server, from its source and from its command line. They do
// not change once the server accepts clients.
struct options {
    // Set in the source of the server.
    const char *model;                 // its name
    bool nonblocking;                  // accept() never blocks
    bool reuseport;                    // several listeners share the address
    bool forks;                        // it has child processes
    void (*wake_blocked_calls)(void);  // see server_ready(); or NULL
    const struct option_rule *own[2];  // more options, ended by {0}; or NULL

    // Defaults of two options, set in the source of the server. The command
    // line may change them.
    int stack_kib;    // stack of each thread; 0: no option --stack-kib
    int clients_max;  // clients served at once; 0: the common default

    // Set by options_parse().
    bool clients_capped;  // the limit on open files has lowered clients_max
    const char *host;     // address to listen on
    int port;             // 0: the kernel chooses a free one
    int backlog;          // connections that the kernel queues
    int idle_timeout_s;   // 0: none
    int delay_ms;         // time that the simulated backend takes
    bool quiet;           // no log lines
    const char *trace;    // file for the events (trace.h); NULL: none
    struct session_rules rules;
};

enum { EXIT_USAGE = 2 };  // exit status if the command line is wrong

// Prints one line on standard error that says that --`name` must be `must_be`,
// not `text`. Then exits with status 2.
_Noreturn void options_refuse(const struct options *o, const char *name,
                              const char *must_be, const char *text);

// Fills `o` from the command line. Exits with status 0 after --help. If the
// command line is wrong, prints one line on standard error that says what is
// wrong, and exits with status 2.
void options_parse(struct options *o, int argc, char **argv);

#endif

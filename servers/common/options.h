// options.h - the command line all servers understand.

#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

#include "../../fib/session.h"

enum { OPTIONS_LOOPS_MAX = 64 };

// A server fills in what makes it special and leaves the rest to
// options_parse(). Written once, before the first client.
struct options {
    const char *model;     // the server's name, set by the server
    int stack_kib;         // its default, set by the server; 0: no such option
    bool has_coroutines;   // whether the server knows the next three
    bool trap;             // sleep with nanosleep() where co_sleep() belongs
    int offload_threads;   // which compute fib; 0: the loop does
    int loops;             // threads with an event loop each
    bool has_edge;         // whether the server knows the next one
    bool edge;             // edge-triggered epoll
    bool has_herd;         // whether the server knows the next one
    bool herd;             // wait for clients with poll(), not in accept()
    const char *host;      // address to listen on
    int port;              // 0: the kernel picks a free one
    int backlog;           // connections the kernel queues for us
    int clients_max;       // connections served at once; the server may set its
                           // default, if that is not what descriptors allow
    bool clients_capped;   // it is what the limit on open files allows
    bool no_idle_timeout;  // whether the server does not know the next one
    int idle_timeout_s;    // how long a client may be silent; 0: for ever
    int delay_ms;          // how long the simulated backend takes per request
    bool quiet;            // no log lines
    struct session_rules rules;
};

// Prints one line on standard error that names the option and what it `wants`,
// and exits with status 2.
_Noreturn void options_refuse(const struct options *opt, const char *name,
                              const char *wants, const char *text);

// Fills `opt` from the command line. Exits: with status 2 and one line on
// standard error that names the option for bad usage, with 0 after --help.
void options_parse(struct options *opt, int argc, char **argv);

#endif

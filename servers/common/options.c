// options.c - the command line all servers understand.

#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../fib/fib.h"
#include "net.h"

enum {
    EXIT_USAGE = 2,
    CLIENTS_MAX = 1000000,
    CLIENTS_MAX_DEFAULT = 100000,
    DESCRIPTORS_OF_OUR_OWN = 16,  // stdio, listener, epoll, and some to spare
    THREADS_MAX = 64,
    DELAY_MS_MAX = 3600 * 1000,
    IDLE_TIMEOUT_S_MAX = 24 * 3600,
    STACK_KIB_MIN = 16,
    STACK_KIB_MAX = 65536,
    HELP_COLUMN = 19,
};

// An option: how to parse it and how --help shows it. One target is set.
struct rule {
    const char *name;
    const char *argument;  // its name in the help text; NULL: takes none
    const char *help;
    int *number;  // takes a decimal number from min to max
    int min, max;
    const char **text;  // takes anything
    bool *flag;         // takes nothing
    bool absent;        // this model does not have it
};

static void print_help(const struct options *opt, const struct rule *rules)
{
    printf("usage: %s [options]\n\n", opt->model);
    for (const struct rule *r = rules; r->name != NULL; r++) {
        if (r->absent)
            continue;
        const char *argument = r->argument != NULL ? r->argument : "";
        printf("  --%s %-*s %s", r->name,
               HELP_COLUMN - 1 - (int)strlen(r->name), argument, r->help);
        if (r->number != NULL)
            printf(" (%d)", *r->number);
        if (r->text != NULL)
            printf(" (%s)", *r->text);
        printf("\n");
    }
    printf("  --%-*s print this text\n", HELP_COLUMN, "help");
}

_Noreturn void options_refuse(const struct options *opt, const char *name,
                              const char *wants, const char *text)
{
    fprintf(stderr, "%s: --%s wants %s, not '%s'\n", opt->model, name, wants,
            text);
    exit(EXIT_USAGE);
}

// Parses a whole decimal number. atoi() would read "80a" as 80, "abc" as 0;
// strtol() would take " +80".
static void parse_number(const struct options *opt, const struct rule *r,
                         const char *text)
{
    char wanted[64];
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);

    snprintf(wanted, sizeof wanted, "a number from %d to %d", r->min, r->max);
    if (!isdigit((unsigned char)*text) || errno != 0 || *end != '\0' ||
        value < r->min || value > r->max)
        options_refuse(opt, r->name, wanted, text);
    *r->number = (int)value;
}

static void parse_option(const struct options *opt, const struct rule *r,
                         const char *text)
{
    if (r->number != NULL)
        parse_number(opt, r, text);
    else if (r->text != NULL)
        *r->text = text;
    else
        *r->flag = true;
}

// Runs getopt_long() over the rules. Returns after the last option.
static void parse_all(const struct options *opt, const struct rule *rules,
                      int argc, char **argv)
{
    enum { HELP = INT_MAX, OPTIONS_MAX = 32 };
    struct option known[OPTIONS_MAX] = {0};
    int count = 0;
    for (int i = 0; rules[i].name != NULL; i++)
        if (!rules[i].absent)
            known[count++] = (struct option){
                rules[i].name, rules[i].argument != NULL, NULL, i};
    known[count] = (struct option){"help", no_argument, NULL, HELP};

    int found;
    while ((found = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (found == HELP) {
            print_help(opt, rules);
            exit(EXIT_SUCCESS);
        }
        if (found == '?')
            exit(EXIT_USAGE);  // getopt_long() has said why.
        parse_option(opt, &rules[found], optarg);
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument '%s'\n", opt->model,
                argv[optind]);
        exit(EXIT_USAGE);
    }
}

// How many clients there are descriptors for.
static int room_for_clients(void)
{
    int room = net_raise_descriptor_limit() - DESCRIPTORS_OF_OUR_OWN;
    return room < 1 ? 1 : room;
}

void options_parse(struct options *opt, int argc, char **argv)
{
    opt->host = "127.0.0.1";
    opt->port = 9999;
    opt->backlog = 4096;
    opt->loops = 1;
    int room = room_for_clients();
    int usual = opt->clients_max > 0 ? opt->clients_max : CLIENTS_MAX_DEFAULT;
    opt->clients_max = room < usual ? room : usual;
    opt->rules = (struct session_rules){.n_max = 45};
    const char *framing = "line";

    // clang-format off
    const struct rule rules[] = {
        {"host", "ADDR", "address to listen on", .text = &opt->host},
        {"port", "PORT", "0 lets the kernel pick",
         .number = &opt->port, .max = UINT16_MAX},
        {"backlog", "N", "connections the kernel may queue",
         .number = &opt->backlog, .min = 1, .max = UINT16_MAX},
        {"max-clients", "N", "connections served at once",
         .number = &opt->clients_max, .min = 1, .max = CLIENTS_MAX},
        {"max-n", "N", "largest n accepted",
         .number = &opt->rules.n_max, .min = 1, .max = FIB_N_MAX},
        {"idle-timeout", "S", "close who is silent for S seconds; 0: nobody",
         .number = &opt->idle_timeout_s, .max = IDLE_TIMEOUT_S_MAX,
         .absent = opt->no_idle_timeout},
        {"delay", "MS", "simulate a backend call of MS ms per request",
         .number = &opt->delay_ms, .max = DELAY_MS_MAX},
        {"stack-kib", "N", "stack per client, in KiB",
         .number = &opt->stack_kib, .min = STACK_KIB_MIN, .max = STACK_KIB_MAX,
         .absent = opt->stack_kib == 0},
        {"trap", NULL, "sleep with nanosleep(), as one must not",
         .flag = &opt->trap, .absent = !opt->has_coroutines},
        {"offload", "N", "compute in N other threads; 0: in the loop",
         .number = &opt->offload_threads, .max = THREADS_MAX,
         .absent = !opt->has_coroutines},
        {"loops", "N", "threads, each with a loop and clients of its own",
         .number = &opt->loops, .min = 1, .max = OPTIONS_LOOPS_MAX,
         .absent = !opt->has_coroutines},
        {"edge", NULL, "be told of changes only: edge-triggered epoll",
         .flag = &opt->edge, .absent = !opt->has_edge},
        {"herd", NULL, "wait with poll(), which wakes all for one client",
         .flag = &opt->herd, .absent = !opt->has_herd},
        {"framing", "MODE", "a request is a line, or what one recv() returns: "
                            "line|recv", .text = &framing},
        {"quiet", NULL, "no log lines", .flag = &opt->quiet},
        {0},
    };
    // clang-format on
    parse_all(opt, rules, argc, argv);

    if (strcmp(framing, "recv") == 0)
        opt->rules.framing = SESSION_FRAMING_RECV;
    else if (strcmp(framing, "line") != 0)
        options_refuse(opt, "framing", "line or recv", framing);
    opt->clients_capped = room < usual && opt->clients_max == room;
}

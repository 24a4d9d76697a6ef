// options.c - the command line of a server.

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
    OPTIONS_MAX = 32,
    CLIENTS_MAX = 1000000,
    CLIENTS_MAX_DEFAULT = 100000,
    OWN_DESCRIPTORS = 16,  // standard streams, listener, epoll, and a reserve
    DELAY_MS_MAX = 3600 * 1000,
    IDLE_TIMEOUT_S_MAX = 24 * 3600,
    STACK_KIB_MIN = 16,
    STACK_KIB_MAX = 65536,
    HELP_COLUMN = 19,
};

static void print_rule(const struct option_rule *r)
{
    const char *argument = r->argument != NULL ? r->argument : "";
    printf("  --%s %-*s %s", r->name, HELP_COLUMN - 1 - (int)strlen(r->name),
           argument, r->help);
    if (r->number != NULL)
        printf(" (%d)", *r->number);
    if (r->text != NULL && *r->text != NULL)
        printf(" (%s)", *r->text);
    printf("\n");
}

_Noreturn static void print_help(const struct options *o,
                                 const struct option_rule *rules, int count)
{
    printf("usage: %s [options]\n\n", o->model);
    for (int i = 0; i < count; i++)
        print_rule(&rules[i]);
    printf("  --%-*s print this text\n", HELP_COLUMN, "help");
    exit(EXIT_SUCCESS);
}

_Noreturn void options_refuse(const struct options *o, const char *name,
                              const char *must_be, const char *text)
{
    fprintf(stderr, "%s: --%s must be %s, not '%s'\n", o->model, name, must_be,
            text);
    exit(EXIT_USAGE);
}

// Parses a whole decimal number. atoi() would read "80a" as 80, and "abc" as 0.
// strtol() accepts " +80", so this function also checks the first character.
static void parse_number(const struct options *o, const struct option_rule *r,
                         const char *text)
{
    char must_be[64];
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);

    snprintf(must_be, sizeof must_be, "a number from %d to %d", r->min, r->max);
    if (!isdigit((unsigned char)*text) || errno != 0 || *end != '\0' ||
        value < r->min || value > r->max)
        options_refuse(o, r->name, must_be, text);
    *r->number = (int)value;
}

static void parse_value(const struct options *o, const struct option_rule *r,
                        const char *text)
{
    if (r->number != NULL)
        parse_number(o, r, text);
    else if (r->text != NULL)
        *r->text = text;
    else
        *r->flag = true;
}

// Prints which option getopt_long() has refused, and exits. parse_all() keeps
// getopt_long() from printing a message, because its words depend on the C
// library. For a short option, optopt is the letter. For a long option, optopt
// is its index in `known`, or 0 if it is not there. Both are less than any
// letter.
_Noreturn static void refuse_option(const struct options *o, int refused,
                                    char **argv)
{
    const char letter[] = {'-', (char)optopt, '\0'};
    fprintf(stderr, "%s: option '%s' %s\n", o->model,
            optopt > ' ' ? letter : argv[optind - 1],
            refused == ':' ? "needs a value" : "is unknown; see --help");
    exit(EXIT_USAGE);
}

// Parses the command line: the options that the `count` rules allow, and
// --help.
static void parse_all(const struct options *o, const struct option_rule *rules,
                      int count, int argc, char **argv)
{
    struct option known[OPTIONS_MAX + 2] = {0};
    for (int i = 0; i < count; i++)
        known[i] =
            (struct option){rules[i].name, rules[i].argument != NULL, NULL, i};
    known[count] = (struct option){"help", no_argument, NULL, count};

    int i;
    while ((i = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        if (i == ':' || i == '?')
            refuse_option(o, i, argv);
        if (i == count)
            print_help(o, rules, count);
        parse_value(o, &rules[i], optarg);
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument '%s'\n", o->model,
                argv[optind]);
        exit(EXIT_USAGE);
    }
}

// Appends the rules of `more`, which ends with {0}, to the `count` rules in
// `all`. Returns the new count.
static int append_rules(struct option_rule *all, int count,
                        const struct option_rule *more)
{
    for (; more != NULL && more->name != NULL && count < OPTIONS_MAX; more++)
        all[count++] = *more;
    return count;
}

// Parses the options that all models have, and the model's own.
static void parse_rules(struct options *o, const char **framing, int argc,
                        char **argv)
{
    // clang-format off
    const struct option_rule common[] = {
        {"host", "ADDR", "address or name to listen on; IPv4 before IPv6",
         .text = &o->host},
        {"port", "PORT", "0: the kernel chooses",
         .number = &o->port, .max = UINT16_MAX},
        {"backlog", "N", "connections that the kernel queues",
         .number = &o->backlog, .min = 1, .max = UINT16_MAX},
        {"max-clients", "N", "clients served at once",
         .number = &o->clients_max, .min = 1, .max = CLIENTS_MAX},
        {"max-n", "N", "largest n that is answered",
         .number = &o->rules.n_max, .min = 1, .max = FIB_N_MAX},
        {"idle-timeout", "S", "close connections idle for S seconds; 0: never",
         .number = &o->idle_timeout_s, .max = IDLE_TIMEOUT_S_MAX},
        {"delay", "MS", "simulate a backend that takes MS ms per request",
         .number = &o->delay_ms, .max = DELAY_MS_MAX},
        {"framing", "MODE", "a request is: line, recv (one call), http",
         .text = framing},
        {"quiet", NULL, "no log lines", .flag = &o->quiet},
        {"trace", "FILE", "write what happened as Chrome trace events",
         .text = &o->trace},
        {0},
    };
    const struct option_rule stack[] = {
        {"stack-kib", "N", "stack per client, in KiB",
         .number = &o->stack_kib, .min = STACK_KIB_MIN, .max = STACK_KIB_MAX},
        {0},
    };
    // clang-format on
    struct option_rule all[OPTIONS_MAX];
    int count = append_rules(all, 0, common);
    count = append_rules(all, count, o->stack_kib > 0 ? stack : NULL);
    count = append_rules(all, count, o->own[0]);
    count = append_rules(all, count, o->own[1]);
    parse_all(o, all, count, argc, argv);
}

// Returns how many clients the limit on open files allows at once.
static int clients_allowed(void)
{
    int count = net_raise_descriptor_limit() - OWN_DESCRIPTORS;
    return count < 1 ? 1 : count;
}

void options_parse(struct options *o, int argc, char **argv)
{
    int allowed = clients_allowed();
    int usual = o->clients_max > 0 ? o->clients_max : CLIENTS_MAX_DEFAULT;
    o->clients_max = allowed < usual ? allowed : usual;
    o->host = "127.0.0.1";
    o->port = 9999;
    o->backlog = 4096;
    o->rules = (struct session_rules){.n_max = 45};

    const char *framing = "line";
    parse_rules(o, &framing, argc, argv);

    if (strcmp(framing, "recv") == 0)
        o->rules.framing = SESSION_FRAMING_RECV;
    else if (strcmp(framing, "http") == 0)
        o->rules.framing = SESSION_FRAMING_HTTP;
    else if (strcmp(framing, "line") != 0)
        options_refuse(o, "framing", "line, recv or http", framing);
    o->clients_capped = allowed < usual && o->clients_max == allowed;
}

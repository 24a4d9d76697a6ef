// options.c - the command line of fibload.

#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"

enum {
    EXIT_USAGE = 2,
    CONNECTIONS_MAX = 1000000,
    THREADS_MAX = 256,
    N_MAX = 93,
    PORT_MAX = 65535,
    RATE_MAX = 10000000,
    SLOW_MAX = 1000,
};

#define REQUESTS_MAX 1000000000000
#define TIME_MIN_NS CLOCK_NS_PER_MS
#define TIME_MAX_NS ((int64_t)CLOCK_NS_PER_S * 3600 * 24)

// What is not on the command line has these values; below 0: see fill_in().
static struct options options = {
    .host = "127.0.0.1",
    .connections = 10,
    .threads = 1,
    .n = 1,
    .hog_n = 40,
    .pipeline = 1,
    .duration_ns = -1,
    .warmup_ns = -1,
    .interval_ns = -1,
    .timeout_ns = 10 * (int64_t)CLOCK_NS_PER_S,
    .grace_ns = CLOCK_NS_PER_S,
};

// ---- Values

// How one option is called, parsed and shown by --help. A rule without a name
// is a heading there. Line breaks in `help` are indented when it is printed.
struct rule {
    const char *name;
    int letter;            // its short form; 0: none
    const char *argument;  // as --help calls it; NULL: takes none
    const char *help;
    void (*parse)(const struct rule *rule, const char *text);
    void *target;      // where the value goes; its type is that of `parse`
    int64_t min, max;  // of a number, or of a time in ns
};

_Noreturn static void fail(const struct rule *rule, const char *wanted,
                           const char *text)
{
    fprintf(stderr, "fibload: %s%s wants %s, not '%s'\n",
            rule->help != NULL ? "--" : "", rule->name, wanted, text);
    exit(EXIT_USAGE);
}

// Splits "12k" into 12 and "k". strtod() alone would take "-1", " 1", "0x1",
// "1e3" and "nan" as well.
static bool split_number(const char *text, double *value, const char **suffix)
{
    size_t len = strspn(text, "0123456789");
    if (len > 0 && text[len] == '.')
        len += 1 + strspn(text + len + 1, "0123456789");
    *value = strtod(text, NULL);
    *suffix = text + len;
    return len > 0;
}

// Parses a whole number. `units` are the suffixes it may have, each a thousand
// times the one before.
static int64_t whole_number(const struct rule *rule, const char *text,
                            const char *units)
{
    char wanted[80];
    size_t len = strspn(text, "0123456789");
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    const char *unit = text[len] != '\0' ? strchr(units, text[len]) : NULL;

    for (const char *u = units; unit != NULL && u <= unit; u++)
        value = value <= REQUESTS_MAX ? value * 1000 : value;
    if (len == 0 || text[len + (unit != NULL)] != '\0' || errno != 0 ||
        value < rule->min || value > rule->max) {
        snprintf(wanted, sizeof wanted, "a whole number from %lld to %lld",
                 (long long)rule->min, (long long)rule->max);
        fail(rule, wanted, text);
    }
    return value;
}

static void parse_int(const struct rule *rule, const char *text)
{
    *(int *)rule->target = (int)whole_number(rule, text, "");
}

static void parse_count(const struct rule *rule, const char *text)
{
    *(int *)rule->target = (int)whole_number(rule, text, "kM");
}

static void parse_large_count(const struct rule *rule, const char *text)
{
    *(int64_t *)rule->target = whole_number(rule, text, "kM");
}

static void parse_time(const struct rule *rule, const char *text)
{
    static const struct {
        const char *suffix;
        double ns;
    } units[] = {{"us", 1e3}, {"ms", 1e6},     {"s", 1e9},
                 {"", 1e9},   {"m", 60 * 1e9}, {"h", 3600 * 1e9}};
    char wanted[80];
    double value;
    const char *suffix;
    bool number = split_number(text, &value, &suffix);

    for (size_t i = 0; number && i < sizeof units / sizeof units[0]; i++) {
        double ns = value * units[i].ns;
        if (strcmp(suffix, units[i].suffix) == 0 && ns >= (double)rule->min &&
            ns <= (double)rule->max) {
            *(int64_t *)rule->target = (int64_t)ns;
            return;
        }
    }
    snprintf(wanted, sizeof wanted,
             "a time from %s to 24h, such as 500ms or 5s",
             rule->min > 0 ? "1ms" : "0");
    fail(rule, wanted, text);
}

// As a time, but a bare number is of milliseconds.
static void parse_pause(const struct rule *rule, const char *text)
{
    char with_unit[32];
    size_t len = strspn(text, "0123456789.");
    bool bare = len > 0 && text[len] == '\0' && len < sizeof with_unit - 2;
    snprintf(with_unit, sizeof with_unit, "%sms", bare ? text : "");
    parse_time(rule, bare ? with_unit : text);
}

static void parse_text(const struct rule *rule, const char *text)
{
    *(const char **)rule->target = text;
}

static void parse_flag(const struct rule *rule, const char *text)
{
    (void)text;
    *(bool *)rule->target = true;
}

static void parse_arrivals(const struct rule *rule, const char *text)
{
    options.poisson = strcmp(text, "poisson") == 0;
    if (!options.poisson && strcmp(text, "const") != 0)
        fail(rule, "const or poisson", text);
}

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if (!isprint((unsigned char)*text) || strchr(",\"", *text) != NULL)
            return false;
    return true;
}

static void parse_label(const struct rule *rule, const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || !is_plain(text) ||
        equals - text >= LABEL_NAME_SIZE)
        fail(rule, "a short NAME=VALUE in ASCII without commas and quotes",
             text);
    if (options.label_count == LABEL_COUNT_MAX)
        fail(rule, "to be given at most 16 times", text);
    struct label label = {.value = equals + 1};
    snprintf(label.name, sizeof label.name, "%.*s", (int)(equals - text), text);
    if (strcmp(label.name, "model") == 0)
        options.model = label.value;
    else
        options.labels[options.label_count++] = label;
}

// ---- The options

_Noreturn static void print_help(const struct rule *rule, const char *text);

// clang-format off
static const struct rule rules[] = {
    {.help = "how much"},
    {"connections", 'c', "N", "connections in all (10)",
     parse_count, &options.connections, 1, CONNECTIONS_MAX},
    {"threads", 't', "N", "threads that the connections are spread over (1)",
     parse_int, &options.threads, 1, THREADS_MAX},
    {"duration", 'd', "T", "measure for this long (5s)",
     parse_time, &options.duration_ns, TIME_MIN_NS, TIME_MAX_NS},
    {"requests", 'n', "N", "stop after N requests in all; without -d there is\n"
                           "then no time limit",
     parse_large_count, &options.requests, 1, REQUESTS_MAX},
    {"fib", 'f', "N", "which fib to ask for (1)",
     parse_int, &options.n, 1, N_MAX},
    {"rate", 'R', "N", "open loop: N requests per second in all, at times of\n"
                       "their own; what finds no connection free waits",
     parse_large_count, &options.rate, 1, RATE_MAX},
    {"pipeline", 'P', "N", "requests that may be under way on a connection (1)",
     parse_int, &options.pipeline, 1, PIPELINE_MAX},
    {"arrivals", 0, "HOW", "with -R: 'const', evenly spaced, or 'poisson', at\n"
                           "random (const)",
     parse_arrivals, NULL, 0, 0},
    {"churn", 0, NULL, "a new connection for each request, reset afterwards;\n"
                       "latency counts without connecting, unless with -R",
     parse_flag, &options.churn, 0, 0},
    {"think", 0, "MS", "pause between a reply and the next request, in ms or\n"
                       "with a unit (0)",
     parse_pause, &options.think_ns, 0, TIME_MAX_NS},
    {"slow", 0, "N", "send and read N bytes a second, one at a time",
     parse_int, &options.slow, 1, SLOW_MAX},
    {"spin", 0, NULL, "never sleep while waiting: takes a whole core",
     parse_flag, &options.spin, 0, 0},
    {"no-stamps", 0, NULL, "do not ask the kernel when replies arrived, which\n"
                           "saves some CPU time",
     parse_flag, &options.no_stamps, 0, 0},
    {"idle", 0, "N", "N more connections that never say anything; they\n"
                     "are opened first (0)",
     parse_count, &options.idle, 0, CONNECTIONS_MAX},
    {"hogs", 0, "N", "N more connections that ask for something longer, one\n"
                     "request after the other, in the middle third (0)",
     parse_count, &options.hogs, 0, CONNECTIONS_MAX},
    {"hog-fib", 0, "N", "which fib the hogs ask for (40)",
     parse_int, &options.hog_n, 1, N_MAX},
    {"warmup", 0, "T", "requests before the measurement (500ms; 0 with -n\n"
                       "or --each)",
     parse_time, &options.warmup_ns, 0, TIME_MAX_NS},
    {.help = "limits"},
    {"timeout", 0, "T", "give up on a reply, and its connection (10s)",
     parse_time, &options.timeout_ns, TIME_MIN_NS, TIME_MAX_NS},
    {"grace", 0, "T", "wait at the end for what is unanswered (1s)",
     parse_time, &options.grace_ns, 0, TIME_MAX_NS},
    {.help = "output"},
    {"interval", 0, "T", "print a line every T (1s on a terminal; 0: never)",
     parse_time, &options.interval_ns, 0, TIME_MAX_NS},
    {"each", 0, NULL, "print the time of every request",
     parse_flag, &options.each, 0, 0},
    {"csv", 0, "FILE", "append a row, with a header if FILE is empty",
     parse_text, &options.csv, 0, 0},
    {"json", 0, "FILE", "write everything as JSON ('-': to standard output,\n"
                        "and the summary to standard error)",
     parse_text, &options.json, 0, 0},
    {"hist", 0, "FILE", "write a table of percentiles, as HdrHistogram plots",
     parse_text, &options.hist, 0, 0},
    {"timeline", 0, "FILE", "write a CSV line per request: connection, kind,\n"
                            "when it was due, sent and done in ns",
     parse_text, &options.timeline, 0, 0},
    {"label", 0, "NAME=VALUE", "adds a column in front of the CSV's; the\n"
                               "label 'model' names the server instead",
     parse_label, NULL, 0, 0},
    {"server-pid", 0, "PID", "account CPU and memory of this process, its\n"
                             "threads and children",
     parse_int, &options.server_pid, 1, INT_MAX},
    {"calibrate", 0, NULL, "show what this machine can do, against a server\n"
                           "that does nothing; needs no target",
     parse_flag, &options.calibrate, 0, 0},
    {"strict", 0, NULL, "fail unless the verdict is ok",
     parse_flag, &options.strict, 0, 0},
    {"help", 0, NULL, "print this text", print_help, NULL, 0, 0},
};
// clang-format on

enum { RULE_COUNT = sizeof rules / sizeof rules[0], HELP_COLUMN = 27 };

static void print_rule(const struct rule *rule)
{
    if (rule->name == NULL) {
        printf("\n%s\n", rule->help);
        return;
    }
    int at =
        rule->letter != 0 ? printf("  -%c, ", rule->letter) : printf("      ");
    at += printf("--%s %s", rule->name,
                 rule->argument != NULL ? rule->argument : "");
    printf("%*s", at < HELP_COLUMN ? HELP_COLUMN - at : 1, "");
    for (const char *c = rule->help; *c != '\0'; c++) {
        putchar(*c);
        if (*c == '\n')
            printf("%*s", HELP_COLUMN, "");
    }
    putchar('\n');
}

static const char introduction[] =
    "usage: fibload [options] [HOST:]PORT\n"
    "\n"
    "Asks a fib server for fib(n) over many connections at once, checks\n"
    "every reply and reports how long they took. Each connection asks again\n"
    "as soon as it has its reply (closed loop), or requests come at a rate\n"
    "of their own (-R, open loop). Before that each connection asks for\n"
    "fib(1) once, so that the server knows them all when the load begins.\n";

static const char explanations[] =
    "\n"
    "T is a number with us, ms, s, m or h (s if none). -c, -n, -R, --idle\n"
    "and --hogs take k or M at the end. All numbers are totals, whatever -t.\n"
    "\n"
    "In a closed loop a server that stands still is asked less often, and\n"
    "the latency hides it. In an open loop latency counts from when a\n"
    "request was due, as users feel it; it is shown from when it was sent,\n"
    "too.\n"
    "\n"
    "Jain's index says how evenly the replies are spread: 1 if every\n"
    "connection got the same number, 1/N if one of N got all. PSS is the\n"
    "memory of all the server's processes, each shared page divided among\n"
    "its sharers; RSS counts it once for every process.\n"
    "\n"
    "The verdict is incomplete if not every request had a right reply, on\n"
    "every connection; client-limited if fibload was the limit or late;\n"
    "noisy if other programs were in the way (best known with\n"
    "--server-pid); else ok.\n"
    "\n"
    "Exit status: 0 every reply was right, on every connection; 1 some were\n"
    "wrong or missing, something failed or could not be written, or\n"
    "--strict and the verdict is not ok; 2 bad usage, or no server.\n";

_Noreturn static void print_help(const struct rule *rule, const char *text)
{
    (void)rule, (void)text;
    fputs(introduction, stdout);
    for (int i = 0; i < RULE_COUNT; i++)
        print_rule(&rules[i]);
    fputs(explanations, stdout);
    exit(EXIT_SUCCESS);
}

// ---- The command line

static void parse_target(char *text)
{
    const struct rule port_rule = {
        .name = "the port", .min = 1, .max = PORT_MAX};
    char *colon = strrchr(text, ':');
    if (colon == text)
        fail(&(struct rule){.name = "the target"}, "[HOST:]PORT", text);
    options.port = text;
    if (colon != NULL) {
        bool bracketed = text[0] == '[' && colon > text && colon[-1] == ']';
        colon[bracketed ? -1 : 0] = '\0';
        options.host = text + bracketed;  // [::1]:9999
        options.port = colon + 1;
    }
    whole_number(&port_rule, options.port, "");
}

// Ends the program because an option does not go with the others.
_Noreturn static void refuse(const char *name, const char *wanted,
                             const char *text)
{
    fail(&(struct rule){.name = name, .help = ""}, wanted, text);
}

// There is nothing to do for a thread without connections.
static void check_threads(const struct options *opt)
{
    char wanted[64], given[16];
    snprintf(wanted, sizeof wanted, "at most one for each of %d connections",
             opt->connections);
    snprintf(given, sizeof given, "%d", opt->threads);
    if (opt->threads > opt->connections)
        refuse("threads", wanted, given);
}

// What follows from other options, where nothing was said.
static void fill_in(struct options *opt)
{
    bool counted = opt->requests > 0;
    if (opt->hogs > 0 && counted && opt->duration_ns < 0)
        refuse("hogs", "a duration (-d) whose middle third is theirs",
               "-n alone");
    check_threads(opt);
    if (counted && opt->requests < opt->connections)
        opt->connections = (int)opt->requests;  // More would have no work.
    if (opt->threads > opt->connections)
        opt->threads = opt->connections;
    if (opt->churn && opt->pipeline > 1)
        refuse("churn", "one request per connection", "-P");
    if (opt->slow > 0 && opt->pipeline > 1)
        refuse("slow", "one request at a time", "-P");
    if (opt->duration_ns < 0)
        opt->duration_ns = counted ? INT64_MAX / 4 : 5LL * CLOCK_NS_PER_S;
    if (opt->warmup_ns < 0)
        opt->warmup_ns = counted || opt->each ? 0 : 500LL * CLOCK_NS_PER_MS;
    if (opt->interval_ns < 0)
        opt->interval_ns =
            isatty(STDERR_FILENO) && !opt->each ? CLOCK_NS_PER_S : 0;
}

// Each of the probes takes a second, if nothing else was said.
static void fill_in_calibration(struct options *opt)
{
    if (opt->duration_ns < 0)
        opt->duration_ns = CLOCK_NS_PER_S;
    fill_in(opt);
}

// Returns the rule that getopt_long() has found: it gives letters of short
// options, and for others what is behind them.
static const struct rule *rule_of(int found)
{
    for (int i = 0; i < RULE_COUNT; i++)
        if (rules[i].letter == found)
            return &rules[i];
    return &rules[found - CHAR_MAX - 1];
}

static void parse_all(int argc, char **argv)
{
    struct option known[RULE_COUNT + 1] = {0};
    int count = 0, found;
    for (int i = 0; i < RULE_COUNT; i++)
        if (rules[i].name != NULL)
            known[count++] =
                (struct option){rules[i].name, rules[i].argument != NULL, NULL,
                                CHAR_MAX + 1 + i};
    while ((found = getopt_long(argc, argv, "c:t:d:n:f:R:P:", known, NULL)) !=
           -1) {
        if (found == '?')
            exit(EXIT_USAGE);  // getopt_long() has said why.
        const struct rule *rule = rule_of(found);
        rule->parse(rule, optarg);
    }
}

struct options *options_parse(int argc, char **argv)
{
    parse_all(argc, argv);
    if (options.calibrate && optind == argc) {
        fill_in_calibration(&options);
        return &options;
    }
    if (optind == argc) {
        fprintf(stderr, "fibload: no target, want [HOST:]PORT; see --help\n");
        exit(EXIT_USAGE);
    }
    if (optind + 1 < argc) {
        fprintf(stderr, "fibload: unexpected argument '%s'\n",
                argv[optind + 1]);
        exit(EXIT_USAGE);
    }
    parse_target(argv[optind]);
    fill_in(&options);
    return &options;
}

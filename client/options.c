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

enum { EXIT_USAGE = 2, CONNECTIONS_MAX = 1000000, N_MAX = 93 };

// What getopt_long() returns for options without a short form.
enum {
    OPT_WARMUP = 256,
    OPT_TIMEOUT,
    OPT_GRACE,
    OPT_IDLE,
    OPT_INTERVAL,
    OPT_EACH,
    OPT_CSV,
    OPT_JSON,
    OPT_LABEL,
    OPT_SERVER_PID,
    OPT_HELP,
};

static const struct option long_options[] = {
    {"connections", required_argument, NULL, 'c'},
    {"duration", required_argument, NULL, 'd'},
    {"requests", required_argument, NULL, 'n'},
    {"fib", required_argument, NULL, 'f'},
    {"warmup", required_argument, NULL, OPT_WARMUP},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"grace", required_argument, NULL, OPT_GRACE},
    {"idle", required_argument, NULL, OPT_IDLE},
    {"interval", required_argument, NULL, OPT_INTERVAL},
    {"each", no_argument, NULL, OPT_EACH},
    {"csv", required_argument, NULL, OPT_CSV},
    {"json", required_argument, NULL, OPT_JSON},
    {"label", required_argument, NULL, OPT_LABEL},
    {"server-pid", required_argument, NULL, OPT_SERVER_PID},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static const char help[] =
    "usage: fibload [options] [HOST:]PORT\n"
    "\n"
    "Asks a fib server for fib(n) over many connections at once, checks every\n"
    "reply and reports how long they took. Each connection asks again as soon\n"
    "as it has its reply (closed loop).\n"
    "\n"
    "how much\n"
    "  -c, --connections N  connections in all (10)\n"
    "  -d, --duration T     measure for this long (5s)\n"
    "  -n, --requests N     stop after N requests in all; without -d this\n"
    "                       alone decides\n"
    "  -f, --fib N          which fib to ask for (1)\n"
    "      --idle N         N more connections that never say anything; they\n"
    "                       are opened first (0)\n"
    "      --warmup T       requests before the measurement (500ms; 0 with -n\n"
    "                       or --each)\n"
    "limits\n"
    "      --timeout T      give up on a reply, and its connection (10s)\n"
    "      --grace T        wait at the end for what is unanswered (1s)\n"
    "output\n"
    "      --interval T     print a line every T (1s on a terminal; 0: never)\n"
    "      --each           print the time of every request\n"
    "      --csv FILE       append a row, with a header if FILE is new\n"
    "      --json FILE      write everything as JSON ('-': standard output)\n"
    "      --label NAME=VALUE  a column in front of the CSV's; 'model' names\n"
    "                       the server\n"
    "      --server-pid PID account CPU and memory of this process, its\n"
    "                       threads and children\n"
    "\n"
    "T is a number with ms, s, m or h (s if none); N may end in k or M.\n"
    "Exit status: 0 every reply was right; 1 some were wrong, missing or\n"
    "failed; 2 bad usage, or no server.\n";

_Noreturn static void fail(const char *option, const char *wanted,
                           const char *text)
{
    fprintf(stderr, "fibload: %s wants %s, not '%s'\n", option, wanted, text);
    exit(EXIT_USAGE);
}

// Splits "12k" into 12 and "k". Returns false for what does not begin with a
// digit: strtod() would take "-1", "nan", "inf" and " 1".
static bool split_number(const char *text, double *value, const char **suffix)
{
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    *suffix = end;
    return isdigit((unsigned char)text[0]) && errno == 0;
}

static long parse_count(const char *option, const char *text, long min,
                        long max)
{
    char wanted[80];
    double value;
    const char *suffix;
    bool number = split_number(text, &value, &suffix);

    snprintf(wanted, sizeof wanted, "a number from %ld to %ld", min, max);
    if (number && strcmp(suffix, "k") == 0)
        value *= 1e3;
    else if (number && strcmp(suffix, "M") == 0)
        value *= 1e6;
    else if (!number || *suffix != '\0')
        fail(option, wanted, text);
    if (value < (double)min || value > (double)max ||
        value != (double)(long)value)
        fail(option, wanted, text);
    return (long)value;
}

static int64_t parse_time_ns(const char *option, const char *text)
{
    static const struct {
        const char *suffix;
        double ns;
    } units[] = {{"us", 1e3}, {"ms", 1e6},     {"s", 1e9},
                 {"", 1e9},   {"m", 60 * 1e9}, {"h", 3600 * 1e9}};
    double value;
    const char *suffix;

    if (split_number(text, &value, &suffix))
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
            if (strcmp(suffix, units[i].suffix) == 0 &&
                value * units[i].ns <= 24 * 3600 * 1e9)
                return (int64_t)(value * units[i].ns);
    fail(option, "a time from 0 to 24h, such as 500ms or 5s", text);
}

static void add_label(struct options *opt, char *text)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || strpbrk(text, ",\"\n") != NULL)
        fail("--label", "NAME=VALUE without commas and quotes", text);
    *equals = '\0';
    if (strcmp(text, "model") == 0) {
        opt->model = equals + 1;
        return;
    }
    if (opt->label_count == LABEL_COUNT_MAX)
        fail("--label", "to be given at most 16 times", text);
    opt->labels[opt->label_count++] = (struct label){text, equals + 1};
}

static void parse_target(struct options *opt, char *text)
{
    char *colon = strrchr(text, ':');
    opt->host = "127.0.0.1";
    opt->port = text;
    if (colon != NULL) {
        bool bracketed = text[0] == '[' && colon > text && colon[-1] == ']';
        colon[bracketed ? -1 : 0] = '\0';
        opt->host = text + bracketed;  // [::1]:9999
        opt->port = colon + 1;
    }
    parse_count("the port", opt->port, 1, 65535);
}

static void parse_option(struct options *opt, int option)
{
    switch (option) {
    case 'c':
        opt->connections = (int)parse_count("-c", optarg, 1, CONNECTIONS_MAX);
        break;
    case 'd':
        opt->duration_ns = parse_time_ns("-d", optarg);
        if (opt->duration_ns == 0)
            fail("-d", "a time above 0", optarg);
        break;
    case 'n':
        opt->requests_max =
            (uint64_t)parse_count("-n", optarg, 1, 1000000000000);
        break;
    case 'f':
        opt->n = (int)parse_count("-f", optarg, 1, N_MAX);
        break;
    case OPT_WARMUP:
        opt->warmup_ns = parse_time_ns("--warmup", optarg);
        break;
    case OPT_TIMEOUT:
        opt->timeout_ns = parse_time_ns("--timeout", optarg);
        break;
    case OPT_GRACE:
        opt->grace_ns = parse_time_ns("--grace", optarg);
        break;
    case OPT_IDLE:
        opt->idle = (int)parse_count("--idle", optarg, 0, CONNECTIONS_MAX);
        break;
    case OPT_INTERVAL:
        opt->interval_ns = parse_time_ns("--interval", optarg);
        break;
    case OPT_EACH:
        opt->each = true;
        break;
    case OPT_CSV:
        opt->csv = optarg;
        break;
    case OPT_JSON:
        opt->json = optarg;
        break;
    case OPT_LABEL:
        add_label(opt, optarg);
        break;
    case OPT_SERVER_PID:
        opt->server_pid =
            (pid_t)parse_count("--server-pid", optarg, 1, INT_MAX);
        break;
    case OPT_HELP:
        fputs(help, stdout);
        exit(EXIT_SUCCESS);
    default:
        exit(EXIT_USAGE);  // getopt_long() has said why.
    }
}

// What follows from other options, where nothing was said.
static void fill_in(struct options *opt)
{
    bool counted = opt->requests_max > 0;
    if (counted && opt->requests_max < (uint64_t)opt->connections)
        opt->connections = (int)opt->requests_max;  // More would have no work.
    if (opt->duration_ns < 0)
        opt->duration_ns = counted ? INT64_MAX / 4 : 5LL * CLOCK_NS_PER_S;
    if (opt->warmup_ns < 0)
        opt->warmup_ns = counted || opt->each ? 0 : 500LL * CLOCK_NS_PER_MS;
    if (opt->interval_ns < 0)
        opt->interval_ns =
            isatty(STDERR_FILENO) && !opt->each ? CLOCK_NS_PER_S : 0;
}

void options_parse(struct options *opt, int argc, char **argv)
{
    *opt = (struct options){
        .connections = 10,
        .n = 1,
        .duration_ns = -1,
        .warmup_ns = -1,
        .interval_ns = -1,
        .timeout_ns = 10LL * CLOCK_NS_PER_S,
        .grace_ns = CLOCK_NS_PER_S,
    };
    int option;
    while ((option = getopt_long(argc, argv, "c:d:n:f:", long_options, NULL)) !=
           -1)
        parse_option(opt, option);
    if (optind + 1 != argc) {
        fprintf(stderr, "fibload: want one target, [HOST:]PORT; see --help\n");
        exit(EXIT_USAGE);
    }
    parse_target(opt, argv[optind]);
    fill_in(opt);
}

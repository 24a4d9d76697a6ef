// options.c - the command line of fibload, from one table.

#include "options.h"

#include <ctype.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "conn.h"

enum {
    EXIT_USAGE = 2,
    MILLION = 1000000,
    DAY_S = 24 * 3600,
    N_MAX = 93,
    RAMP_ROWS = 20,  // of a ramp without --interval
};

#define REQUESTS_MAX 1e12
#define RATE_MAX 1e7
#define FOREVER_NS (INT64_MAX / 4)

static struct options options;

// Ends the client with a message about the command line.
__attribute__((format(printf, 1, 2))) _Noreturn static void
refuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("fibload: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_USAGE);
}

// ---- Values

// A kind of number: what a message calls it, and the suffixes it may have.
struct kind {
    const char *expected;
    const char *unit;  // unit of the range in the message
    double factor;     // value of this unit
    struct {
        const char *text;
        double factor;
    } suffixes[7];
};

// clang-format off
#define TIMES {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"m", 6e10}, {"h", 36e11}
static const struct kind
    whole = {"a whole number", "", 1, {{"", 1}}},
    amount = {"a whole number", "", 1, {{"", 1}, {"k", 1e3}, {"M", 1e6}}},
    seconds = {"a time like 500ms or 5s,", " s", 1e9, {{"", 1e9}, TIMES}},
    milliseconds = {"a time like 50 or 5s,", " s", 1e9, {{"", 1e6}, TIMES}};
// clang-format on

// An option, or without a name a heading of --help. Line breaks in `help` are
// indented when printed.
struct rule {
    const char *name;
    int letter;               // its short form; 0: none
    const char *argument;     // name of its value in --help; NULL: none
    const char *initial;      // its default, as on a command line; NULL: off
    const struct kind *kind;  // kind of its number; NULL: its value is a text
    void *target;             // the int64_t or const char * that it sets
    void (*parse)(const char *text);  // instead of a target
    double min, max;
    const char *help;
};

// Parses a number with a suffix. strtod() alone would also accept "-1", " 1",
// "0x1", "1e3" and "nan". Returns -1 if the text is not such a number.
static double parse_number(const struct kind *kind, const char *text)
{
    bool is_time = kind->factor != 1;
    size_t len = strspn(text, "0123456789");
    if (len == 0)
        return -1;
    if (text[len] == '.' && is_time)
        len += 1 + strspn(text + len + 1, "0123456789");
    for (int i = 0; i < 7 && kind->suffixes[i].text != NULL; i++)
        if (strcmp(text + len, kind->suffixes[i].text) == 0)
            return strtod(text, NULL) * kind->suffixes[i].factor;
    return -1;
}

double options_time_ns(const char *text)
{
    return parse_number(&seconds, text);
}

static int64_t parse_value(const char *name, const struct kind *kind,
                           double min, double max, const char *text)
{
    double value = parse_number(kind, text);
    if (!(value >= min && value <= max))
        refuse("%s must be %s from %.13g to %.13g%s, not '%s'", name,
               kind->expected, min / kind->factor, max / kind->factor,
               kind->unit, text);
    return (int64_t)value;
}

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if (!isprint((unsigned char)*text) || strchr(",\"", *text) != NULL)
            return false;
    return true;
}

static void add_label(const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || !is_plain(text) ||
        strcmp(text, "model=") == 0 || equals - text >= LABEL_NAME_SIZE ||
        options.label_count == LABEL_COUNT_MAX)
        refuse("--label takes a short NAME=VALUE in ASCII without commas and "
               "quotes, up to 16 times, not '%s'",
               text);
    struct label *label = &options.labels[options.label_count++];
    snprintf(label->name, sizeof label->name, "%.*s", (int)(equals - text),
             text);
    label->value = equals + 1;
    if (strcmp(label->name, "model") == 0) {
        options.model = label->value;
        options.label_count--;
    }
}

static void set_arrivals(const char *text)
{
    options.poisson = strcmp(text, "poisson") == 0;
    if (!options.poisson && strcmp(text, "const") != 0)
        refuse("--arrivals must be const or poisson, not '%s'", text);
}

// Parses "A..B/T": two rates and the time from one to the other.
static void set_ramp(const char *text)
{
    char from[16], to[16], time[16], rest;
    double values[3] = {0};
    if (sscanf(text, "%15[0-9kM]..%15[0-9kM]/%15s%c", from, to, time, &rest) ==
        3) {
        values[0] = parse_number(&amount, from);
        values[1] = parse_number(&amount, to);
        values[2] = parse_number(&seconds, time);
    }
    bool rates = values[0] >= 1 && values[0] <= RATE_MAX && values[1] >= 1 &&
                 values[1] <= RATE_MAX;
    if (!rates || values[2] < NS_PER_MS || values[2] > 1e9 * DAY_S)
        refuse("--ramp must be two rates and a time, like 100..10k/30s, "
               "not '%s'",
               text);
    options.ramp_from = (int64_t)values[0];
    options.ramp_to = (int64_t)values[1];
    options.duration_ns = (int64_t)values[2];
}

// ---- The options

_Noreturn static void print_help(const char *text);

#define NUMBER(kind, name, min, max) &(kind), &options.name, NULL, min, max
#define TIME(name, min_ns) &seconds, &options.name, NULL, min_ns, 1e9 * DAY_S
#define FLAG(name) &whole, &options.name, NULL, 0, 1
#define TEXT(name) NULL, &options.name, NULL, 0, 0
#define PARSED(function) NULL, NULL, function, 0, 0

// clang-format off
static const struct rule rules[] = {
    {.help = "load"},
    {"connections", 'c', "N", "10", NUMBER(amount, connections, 1, MILLION),
     "connections in all"},
    {"threads", 't', "N", "1", NUMBER(whole, threads, 1, 256),
     "threads that the connections are spread over"},
    {"duration", 'd', "T", "5s", TIME(duration_ns, NS_PER_MS),
     "length of the measured window"},
    {"requests", 'n', "N", NULL, NUMBER(amount, requests, 1, REQUESTS_MAX),
     "stop after N requests in all; without -d there is\n"
     "then no time limit"},
    {"fib", 'f', "N", "1", NUMBER(whole, n, 1, N_MAX), "ask for fib(N)"},
    {"rate", 'R', "N", NULL, NUMBER(amount, rate, 1, RATE_MAX),
     "open loop: N requests per second in all, due at\n"
     "times of their own; a request waits while no\n"
     "connection is free"},
    {"find-rate", 0, "LIMITS", NULL, TEXT(find_rate),
     "search, from -R (1000) on, for the highest rate that\n"
     "keeps limits like p99=5ms, see --require; each run\n"
     "takes -d (1s), or up to 8 times as long if that is\n"
     "too short for p99, which needs 1,000 requests; the\n"
     "last that kept them counts"},
    {"ramp", 0, "A..B/T", NULL, PARSED(set_ramp),
     "open loop whose rate rises from A to B per second\n"
     "in the time T, like 100..10k/30s: a row per\n"
     "--interval (T/20) with the rate that was offered,\n"
     "right replies per second and their latency"},
    {"pipeline", 'P', "N", "1", NUMBER(whole, pipeline, 1, PIPELINE_MAX),
     "requests that may be in flight on a connection"},
    {"arrivals", 0, "HOW", "const", PARSED(set_arrivals),
     "with -R: 'const', evenly spaced, or 'poisson', at\n"
     "random times"},
    {"churn", 0, NULL, NULL, FLAG(churn),
     "a new connection for each request, reset after\n"
     "the reply; the time to connect counts in the\n"
     "latency only with -R"},
    {"think", 0, "MS", "0", NUMBER(milliseconds, think_ns, 0, 1e9 * DAY_S),
     "time between a reply and the next request, in ms\n"
     "or with a unit"},
    {"slow", 0, "N", NULL, NUMBER(whole, slow, 1, 1000),
     "send and receive N bytes per second on each\n"
     "connection, one at a time"},
    {"spin", 0, NULL, NULL, FLAG(spin),
     "never sleep while waiting: takes a whole core"},
    {"no-stamps", 0, NULL, NULL, FLAG(no_stamps),
     "do not ask the kernel when replies arrived, which\n"
     "saves some CPU time"},
    {"idle", 0, "N", "0", NUMBER(amount, idle, 0, MILLION),
     "N more connections that send nothing; they are\n"
     "opened first. Before the load, every 1,000th\n"
     "sends one request, whose reply shows that the\n"
     "server has accepted the others"},
    {"hogs", 0, "N", "0", NUMBER(amount, hogs, 0, MILLION),
     "N more connections that send expensive requests,\n"
     "one at a time, in the middle third of the window"},
    {"hog-fib", 0, "N", "40", NUMBER(whole, hog_n, 1, N_MAX),
     "the hogs ask for fib(N)"},
    {"warmup", 0, "T", "500ms", TIME(warmup_ns, 0),
     "load before the window; 0 with -n or --each"},
    {.help = "limits"},
    {"timeout", 0, "T", "10s", TIME(timeout_ns, NS_PER_MS),
     "give up on a reply, and on its connection"},
    {"grace", 0, "T", "1s", TIME(grace_ns, 0),
     "time after the window for outstanding requests"},
    {.help = "output"},
    {"interval", 0, "T", "1s", TIME(interval_ns, 0),
     "print a line of progress every T (0: never); by\n"
     "default only on a terminal"},
    {"each", 0, NULL, NULL, FLAG(each), "print the latency of every request"},
    {"csv", 0, "FILE", NULL, TEXT(csv),
     "append a row, with a header if FILE is empty"},
    {"json", 0, "FILE", NULL, TEXT(json),
     "write all figures as JSON ('-': to standard output,\n"
     "and the summary to standard error)"},
    {"columns", 0, NULL, NULL, FLAG(columns),
     "explain the columns of --csv and the keys of\n"
     "--json; needs no target"},
    {"hist", 0, "FILE", NULL, TEXT(hist),
     "write a table of latency percentiles in the format\n"
     "of HdrHistogram"},
    {"timeline", 0, "FILE", NULL, TEXT(timeline),
     "write a CSV line per request: connection, kind, when\n"
     "it was due, sent and answered (ns since the window\n"
     "began), outcome; to FILE.json as Chrome trace events,\n"
     "see below"},
    {"label", 0, "NAME=VALUE", NULL, PARSED(add_label),
     "add a column in front of the CSV's; the label\n"
     "'model' names the server instead"},
    {"server-pid", 0, "PID", NULL, NUMBER(whole, server_pid, 1, INT_MAX),
     "report the CPU time and memory of this process, its\n"
     "threads and its children"},
    {"usage", 0, NULL, NULL, FLAG(usage),
     "print what --server-pid has used so far, as a line\n"
     "of numbers; needs no target"},
    {"usage-fd", 0, "FD", NULL, NUMBER(whole, usage_fd, 3, INT_MAX),
     "instead of --server-pid, for a server on another\n"
     "host: send the line 'usage' to this socket, which the\n"
     "caller has opened, and receive what --usage prints"},
    {"calibrate", 0, NULL, NULL, FLAG(calibrate),
     "show what fibload and this machine can do, with a\n"
     "server that does nothing; needs no target"},
    {"merge", 0, NULL, NULL, FLAG(merge),
     "add the results of several clients, which loaded a\n"
     "server at the same time, instead of loading one:\n"
     "fibload --merge A B ..., files as --json wrote them"},
    {"strict", 0, NULL, NULL, FLAG(strict),
     "exit with 1 unless the verdict is ok"},
    {"require", 0, "LIMITS", NULL, TEXT(require),
     "like p99=10ms,errors=0: exit with 1 if one of these\n"
     "figures (see --columns) is larger or unknown, else\n"
     "with 0; p99 is unknown below 1,000 requests"},
    {"help", 0, NULL, NULL, PARSED(print_help), "print this text"},
};
// clang-format on

enum { RULE_COUNT = sizeof rules / sizeof rules[0], HELP_COLUMN = 27 };

static bool given[RULE_COUNT];  // on the command line

static void print_rule(const struct rule *rule)
{
    char letter[] = {'-', (char)rule->letter, ',', ' ', '\0'};
    if (rule->name == NULL) {
        printf("\n%s\n", rule->help);
        return;
    }
    int at = printf("  %-4s--%s %s", rule->letter != 0 ? letter : "",
                    rule->name, rule->argument != NULL ? rule->argument : "");
    printf("%*s", at < HELP_COLUMN ? HELP_COLUMN - at : 1, "");
    for (const char *c = rule->help; *c != '\0'; c++)
        printf("%c%*s", *c, *c == '\n' ? HELP_COLUMN : 0, "");
    if (rule->initial != NULL)
        printf(" (%s)", rule->initial);
    putchar('\n');
}

static const char introduction[] =
    "usage: fibload [options] [HOST:]PORT\n"
    "\n"
    "Asks a fib server for fib(n) over many connections at once, checks\n"
    "every reply and reports how long the replies took. Each connection\n"
    "sends its next request as soon as it has a reply (closed loop), or\n"
    "requests are due at a given rate (-R, open loop). Before the load every\n"
    "connection sends one probe request, fib(1), so that the server has\n"
    "accepted all of them when the load begins.\n";

static const char explanations[] =
    "\n"
    "T is a number with us, ms, s, m or h (s if none). -c, -n, -R, --idle\n"
    "and --hogs take k or M at the end. All numbers are totals, whatever -t.\n"
    "\n"
    "In a closed loop a server that stops for a while gets fewer requests\n"
    "meanwhile, and the latency hides it. In an open loop latency counts\n"
    "from when a request was due, as users feel it; the time from when it\n"
    "was sent is shown, too.\n"
    "\n"
    "Jain's index says how evenly the replies are spread: 1 if every\n"
    "connection got the same number, 1/N if one of N got all. PSS is the\n"
    "memory of all the server's processes, each shared page divided among\n"
    "its sharers; RSS counts it once for every process.\n"
    "\n"
    "Both sides in one picture: start a server with --trace server.json, give\n"
    "fibload --timeline client.json, stop the server, and open in\n"
    "ui.perfetto.dev, from due to received, what\n"
    "  scripts/watch/merge server.json client.json > both.json\n"
    "has written. --timeline FILE.json has all requests, as they ended,\n"
    "with times of the monotonic clock.\n"
    "\n"
    "The verdict is incomplete if not every request had a right reply, on\n"
    "every connection; client-limited if fibload was the limit or sent late;\n"
    "noisy if other programs disturbed the run (best known with\n"
    "--server-pid); else ok.\n"
    "\n"
    "Exit status: 0 every reply was right, on every connection; 1 some were\n"
    "wrong or missing, something failed or could not be written, or\n"
    "--strict and the verdict is not ok; 2 bad usage, or no server.\n"
    "With --require, its limits decide between 0 and 1.\n";

_Noreturn static void print_help(const char *text)
{
    (void)text;
    fputs(introduction, stdout);
    for (int i = 0; i < RULE_COUNT; i++)
        print_rule(&rules[i]);
    fputs(explanations, stdout);
    exit(EXIT_SUCCESS);
}

// ---- The command line

static void parse_target(char *text)
{
    char *colon = strrchr(text, ':');
    if (colon == text)
        refuse("the target must be [HOST:]PORT, not '%s'", text);
    options.host = "127.0.0.1";
    options.port = text;
    if (colon != NULL) {
        bool bracketed = text[0] == '[' && colon > text && colon[-1] == ']';
        colon[bracketed ? -1 : 0] = '\0';
        options.host = text + bracketed;  // [::1]:9999
        options.port = colon + 1;
    }
    parse_value("the port", &whole, 1, UINT16_MAX, options.port);
}

// Returns whether the option that sets this field of `options` was given.
static bool is_given(const int64_t *field)
{
    for (int i = 0; i < RULE_COUNT; i++)
        if (rules[i].target == field)
            return given[i];
    return false;
}

static void refuse_if(bool conflict, const char *problem)
{
    if (conflict)
        refuse("%s", problem);
}

static bool is_dash(const char *path)
{
    return path != NULL && strcmp(path, "-") == 0;
}

static void check_combinations(const struct options *opt)
{
    bool counted = opt->requests > 0, timed = is_given(&opt->duration_ns);
    bool searches = opt->find_rate != NULL, rises = opt->ramp_to > 0;
    if (opt->threads > opt->connections)
        refuse("--threads must be at most %d, one per connection, not '%d'",
               (int)opt->connections, (int)opt->threads);
    refuse_if(opt->hogs > 0 && counted && !timed,
              "--hogs with -n needs -d, too: the hogs have its middle third");
    refuse_if(searches && (counted || opt->timeline != NULL),
              "--find-rate makes many runs for a time (-d): leave out -n and "
              "--timeline");
    refuse_if(rises && (opt->rate > 0 || searches || counted || timed),
              "--ramp has its own rate and time: leave out -R, --find-rate, "
              "-n and -d");
    refuse_if(rises && is_given(&opt->interval_ns) &&
                  opt->interval_ns < opt->duration_ns / RAMP_ROWS_MAX,
              "--interval must be at least a 500th of the time of --ramp");
    refuse_if(opt->churn && opt->pipeline > 1,
              "--churn sends one request per connection: leave out -P");
    refuse_if(opt->slow > 0 && opt->pipeline > 1,
              "--slow sends one request at a time: leave out -P");
    refuse_if(opt->usage_fd > 0 && opt->server_pid > 0,
              "--usage-fd is for a server on another host: leave out "
              "--server-pid");
    refuse_if(opt->merge && opt->timeline != NULL,
              "--merge knows no single requests: leave out --timeline");
    refuse_if(is_dash(opt->csv) || is_dash(opt->hist) || is_dash(opt->timeline),
              "only --json takes '-', standard output; ./- is a file of that "
              "name");
    refuse_if(opt->usage && opt->server_pid == 0,
              "--usage needs --server-pid, the process that it reports");
}

// Changes the defaults that depend on other options.
static void adapt_defaults(struct options *opt)
{
    bool counted = opt->requests > 0;
    if (counted && opt->requests < opt->connections)
        opt->connections = opt->requests;  // More would have no work.
    if (opt->threads > opt->connections)
        opt->threads = opt->connections;
    if (counted && !is_given(&opt->duration_ns))
        opt->duration_ns = FOREVER_NS;
    if ((opt->calibrate || opt->find_rate) && !is_given(&opt->duration_ns))
        opt->duration_ns = NS_PER_S;  // Each of several runs takes as long.
    if (opt->find_rate != NULL && opt->rate == 0)
        opt->rate = 1000;
    if ((counted || opt->each) && !is_given(&opt->warmup_ns))
        opt->warmup_ns = 0;
    if ((opt->each || !isatty(STDERR_FILENO)) && !is_given(&opt->interval_ns))
        opt->interval_ns = 0;
    if (opt->ramp_to > 0)
        opt->rate = (opt->ramp_from + opt->ramp_to + 1) / 2;
    if (opt->ramp_to > 0 && !is_given(&opt->interval_ns))
        opt->interval_ns = opt->duration_ns / RAMP_ROWS;
}

// Sets the option of a rule. A flag is the number 1.
static void set_option(const struct rule *rule, const char *text)
{
    char name[32];
    snprintf(name, sizeof name, "--%s", rule->name);
    if (rule->parse != NULL)
        rule->parse(text);
    else if (rule->kind == NULL && text[0] == '\0')
        refuse("option '%s' needs a value", name);
    else if (rule->kind == NULL)
        *(const char **)rule->target = text;
    else
        *(int64_t *)rule->target = parse_value(
            name, rule->kind, rule->min, rule->max, text != NULL ? text : "1");
}

static void set_defaults(void)
{
    options = (struct options){0};
    for (int i = 0; i < RULE_COUNT; i++) {
        given[i] = false;
        if (rules[i].initial != NULL)
            set_option(&rules[i], rules[i].initial);
    }
}

// Ends the client with a message about the option that getopt_long() refused.
// getopt_long() itself prints none: its words depend on the C library.
_Noreturn static void refuse_option(int refused, char **argv)
{
    const char letter[] = {'-', (char)optopt, '\0'};
    bool is_letter = optopt > 0 && optopt <= CHAR_MAX;
    const char *why = refused == ':'      ? "needs a value"
                      : optopt > CHAR_MAX ? "takes no value"
                                          : "is unknown; see --help";
    refuse("option '%s' %s", is_letter ? letter : argv[optind - 1], why);
}

static void parse_all(int argc, char **argv)
{
    struct option long_options[RULE_COUNT + 1] = {0}, *next = long_options;
    char letters[3 * RULE_COUNT] = ":";
    int found;
    for (int i = 0; i < RULE_COUNT; i++) {
        if (rules[i].name != NULL)
            *next++ = (struct option){rules[i].name, rules[i].argument != NULL,
                                      NULL, CHAR_MAX + 1 + i};
        if (rules[i].letter != 0)
            strncat(letters, (char[]){(char)rules[i].letter, ':'}, 2);
    }
    while ((found = getopt_long(argc, argv, letters, long_options, NULL)) !=
           -1) {
        if (found == ':' || found == '?')
            refuse_option(found, argv);
        int rule = found - CHAR_MAX - 1;
        for (int i = 0; i < RULE_COUNT; i++)
            if (rules[i].letter == found)
                rule = i;
        given[rule] = true;
        set_option(&rules[rule], optarg);
    }
}

// Parses the arguments after the options: a target, or the files to merge.
static void parse_arguments(int count, char **arguments)
{
    const char *needed =
        options.merge ? "no files to merge" : "no target: give [HOST:]PORT";
    bool alone = options.calibrate || options.columns || options.usage;
    if (count == 0 && !alone)
        refuse("%s; see --help", needed);
    if (count > 1 && !options.merge)
        refuse("unexpected argument '%s'", arguments[1]);
    options.files = arguments;
    options.file_count = count;
    if (count > 0 && !options.merge)
        parse_target(arguments[0]);
}

struct options *options_parse(int argc, char **argv)
{
    set_defaults();
    parse_all(argc, argv);
    parse_arguments(argc - optind, argv + optind);
    check_combinations(&options);
    adapt_defaults(&options);
    return &options;
}

// output.c - the output for people.

#include "output.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

enum { TEXT_SIZE = 64, REASON_SIZE = PATH_MAX + 256 };

static FILE *summary_file(const struct options *opt)
{
    return opt->json != NULL && strcmp(opt->json, "-") == 0 ? stderr : stdout;
}

const char *output_reason(const char *format, ...)
{
    static char text[REASON_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return text;
}

// ---- Numbers as people read them

// A short text. Functions return it by value, so that one call of printf() can
// use several.
struct text {
    char s[TEXT_SIZE];
};

// Formats a number: "1,234,567".
static struct text number(double value)
{
    char digits[TEXT_SIZE];
    struct text text = {""};
    int len = snprintf(digits, sizeof digits / 2, "%.0f", value);
    char *to = text.s;
    for (int i = 0; i < len && i < TEXT_SIZE / 2; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    return text;
}

// Formats a duration with three significant digits: "157 us", "4.12 ms".
static struct text duration(double ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    struct text text;
    unsigned unit = 0;
    for (; ns >= 999.5 && unit < 3; unit++)
        ns /= 1000;
    int decimals = unit == 0 || ns >= 99.95 ? 0 : ns >= 9.995 ? 1 : 2;
    snprintf(text.s, sizeof text.s, "%.*f %s", decimals, ns, units[unit]);
    return text;
}

// Formats a percentile, which is NAN if there are too few samples.
static struct text microseconds(double us)
{
    return isnan(us) ? (struct text){"too few"} : duration(us * NS_PER_US);
}

static struct text percentile(const struct histogram *h, double percent)
{
    return microseconds(figures_sure_us(h, percent));
}

// Formats the value of a figure with its unit.
static struct text text_of(const struct figure *f, const struct result *r)
{
    struct text text = {"unknown"};
    double value = figures_value(f, r);
    if (f->percent > 0 && f->percent < 100)
        return microseconds(figures_sure_value(f, r));
    if (isnan(value))
        return text;
    if (f->unit == UNIT_COUNT || f->unit == UNIT_PER_S)
        return number(value);
    if (f->unit == UNIT_S)
        return duration(value * NS_PER_S);
    if (f->unit == UNIT_US)
        return duration(value * NS_PER_US);
    if (f->unit == UNIT_KIB)
        snprintf(text.s, sizeof text.s, "%.2f MiB", value / 1024);
    else if (f->unit == UNIT_SHARE)
        snprintf(text.s, sizeof text.s, "%.0f %%", value * 100);
    else
        snprintf(text.s, sizeof text.s, "%.3f", value);
    return text;
}

// ---- Texts with figures in them

static const struct figure *find_figure(const char *name, size_t len)
{
    char copy[TEXT_SIZE];
    snprintf(copy, sizeof copy, "%.*s", (int)len, name);
    const struct figure *figure = figures_find(copy);
    assert(figure != NULL);
    return figure;
}

// Prints the figure that `text`, after a '{', names. Returns the text after the
// '}'.
static const char *say_figure(FILE *file, const struct result *r,
                              const char *text)
{
    size_t name_len = strcspn(text, ":} ");
    const struct figure *figure = find_figure(text, name_len);
    const char *rest = text + name_len, *end = text + strcspn(text, "}");
    int width = *rest == ':' ? (int)strtol(rest + 1, NULL, 10) : 0;
    fprintf(file, "%*s", width, text_of(figure, r).s);
    if (*rest == ' ') {
        const char *slash = rest + strcspn(rest, "/");
        bool one = figures_value(figure, r) == 1;
        const char *noun = one ? rest + 1 : slash + 1;
        fprintf(file, " %.*s", (int)((one ? slash : end) - noun), noun);
    }
    return end + 1;
}

void output_say(FILE *file, const struct result *r, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "{");
        fprintf(file, "%.*s", (int)len, text);
        text += len;
        if (*text == '{')
            text = say_figure(file, r, text + 1);
    }
}

// ---- While the load runs

void output_progress(const struct result *r, double elapsed_s,
                     double interval_s, double left_s)
{
    enum { FOREVER_S = 1000000 };
    const struct histogram *latency = &r->stats.timings[LATENCY];
    const uint64_t *counters = r->stats.counters;
    double problems =
        (double)(counters[COUNT_WRONG] + counters[COUNT_ERROR_REPLIES] +
                 counters[COUNT_TIMEOUTS]);
    for (int i = COUNT_FAILED; i < COUNTERS; i++)
        problems += (double)counters[i];
    fprintf(stderr,
            "%6.1f s  %9s req/s   p50 %-8s p99 %-8s %" PRIu64 " of %" PRId64
            " served",
            elapsed_s, number((double)latency->count / interval_s).s,
            percentile(latency, 50).s, percentile(latency, 99).s,
            counters[COUNT_SERVED], r->opt->connections);
    if (problems > 0)
        fprintf(stderr, ", %s %s", number(problems).s,
                problems == 1 ? "problem" : "problems");
    if (left_s >= 0 && left_s < FOREVER_S)
        fprintf(stderr, ", %.0f s left", left_s);
    fputc('\n', stderr);
}

void output_ramp_row(const struct result *r, const struct ramp_row *row)
{
    FILE *file = summary_file(r->opt);
    if (row == r->rows)
        fprintf(file, "\n%10s%14s%14s%12s%12s\n", "until", "due/s", "right/s",
                "p50", "p99");
    fprintf(file, "%8.2f s%14s%14s%12s%12s\n", row->to_s,
            number(row->due_per_s).s, number(row->right_per_s).s,
            microseconds(row->p50_us).s, microseconds(row->p99_us).s);
    fflush(file);
}

void output_each(const struct options *opt, int64_t latency_ns)
{
    fprintf(summary_file(opt), "fib(%d) %.6f s\n", (int)opt->n,
            clock_seconds(latency_ns));
}

// ---- The summary
//
// It fits a terminal of 80 columns, in 24 lines if little went wrong.

// A text of the summary. It is printed if the figure `name` is above a value,
// with "!name" if the figure is 0, and with "name other" if both figures are
// above the value. An unknown figure is neither above it nor 0.
struct line {
    const char *name;
    double above;
    enum timing percentiles;  // printed before the text; 0: none
    const char *text;
};

enum { ALWAYS = -1, RED = 31, GREEN = 32, YELLOW = 33 };

// clang-format off
static const struct line load[] = {
    {"rate", 0, 0, "{rate request/requests} per second in all"},
    {"ramp_to", 0, 0, "from {ramp_from} to {ramp_to}"},
    {"poisson", 0, 0, "at random times"},
    {"churn", 0, 0, "one per connection"},
    {"slow", 0, 0, "{slow byte/bytes} per second"},
    {"think_us", 0, 0, "{think_us} between reply and request"},
    {"pipeline", 1, 0, "{pipeline} in flight on each"},
    {"idle", 0, 0, "{idle more is/more are} idle"},
    {"client_threads", 1, 0, "{client_threads} threads"},
};

static const struct line problems[] = {
    {"gone", 0, 0, "the server has gone: for 5 s no connection was open"},
    {"unserved", 0, 0, "{unserved connection/connections} got no right reply"},
    {"idle_lost", 0, 0, "{idle_lost idle connection was/idle connections were} "
                        "not open at the end"},
    {"wrong", 0, 0, "{wrong reply was/replies were} wrong"},
    {"error_replies", 0, 0, "{error_replies reply was an error/replies were "
                            "errors} (\"error: ...\")"},
    {"timeouts", 0, 0, "{timeouts request was/requests were} given up after "
                       "--timeout"},
    {"unsent", 0, 0, "{unsent request was/requests were} due and found no free "
                     "connection in time"},
    {"hog_unanswered", 0, 0, "{hog_unanswered hog was/hogs were} still waiting "
                             "for a reply at the end"},
    {"closed_by_server", 0, 0, "{closed_by_server time/times} the server "
                               "closed a connection"},
    {"lost", 0, 0, "{lost request was lost with its connection/requests were "
                   "lost with their connections}"},
    {"unanswered", 0, 0,
     "{unanswered request was/requests were} unanswered at the end, the oldest "
     "for {oldest_us}\n"
     "              (warm-up and grace included); their ages count as "
     "latencies"},
    {"server_lost", 0, 0, "the server process ended during the run: its CPU "
                          "time and\n"
     "              memory are unknown"},
};

static const struct line results[] = {
    {"requests", ALWAYS, 0,
     "  replies     {requests} right, {req_per_s} per second\n"
     "  served      {served} of {connections connection/connections}"},
    {"connections", 1, 0,
     ", {min_replies} to {max_replies} replies each, Jain {jain}"},
    {"longest_gap_us", 100000, 0,
     ";\n              longest gap on a connection: {longest_gap_us}"},
    {"requests", ALWAYS, 0, "\n"},
    {"samples", 0, 0,
     "  latency          p50     p90     p99   p99.9     max\n"},
    {"churn", 0, TIME_CONNECT, "to connect\n"},
    {"own_share", 0.25, TIME_ARRIVAL, "until the reply arrived\n"},
    {"own_share", 0.25, 0, "              {own_share} of the median passed "
                           "until fibload read the reply\n"},
    {"!rate", 0, LATENCY, "from request to reply\n"},
    {"rate", 0, LATENCY, "from due to reply\n"},
    {"rate", 0, TIME_SERVICE, "from sent to reply\n"},
    {"rate", 0, TIME_DELAY, "send delay of fibload\n"},
    {"queued", 0, 0, "              {queued request was/requests were} due "
                     "while no connection was free\n"},
    {"hogs", 0, 0,
     "  hogs        {hogs} asked for fib({hog_n}): {hog_requests "
     "reply/replies}, median {hog_p50_us}, longest {hog_max_us}\n"},
    {"hogs before_s", 0, 0,
     "              before them, {before_s}: {rate_before} replies/s, p50 "
     "{p50_before_us}, p99 {p99_before_us}\n"},
    {"hogs during_s", 0, 0,
     "              during them, {during_s}: {rate_during} replies/s, p50 "
     "{p50_during_us}, p99 {p99_during_us}\n"},
    {"hogs after_s", 0, 0,
     "              after them, {after_s}: {rate_after} replies/s, p50 "
     "{p50_after_us}, p99 {p99_after_us}\n"},
    {"processes", 0, 0, "  server      CPU {server_cores} of a core"},
    {"server_cpu_s", 0.2, 0, " (user {server_user_s}, sys {server_sys_s})"},
    {"server_cpu_us_per_req", 0, 0, ", {server_cpu_us_per_req} per request"},
    {"!server_cpu_s", 0, 0, ": is --server-pid that of the server?"},
    {"processes", 0, 0,
     "\n              {processes process/processes}, {threads thread/threads}, "
     "{ctx_switches context switch/context switches}\n"
     "              PSS {pss_kib}, RSS {rss_kib} (shared pages in every "
     "process)\n"},
    {"client_cpu_share", ALWAYS, 0,
     "  client      CPU {client_cpu_share} of a core"},
    {"others_cores", ALWAYS, 0, "; other programs {others_cores}"},
    {"client_cpu_share", ALWAYS, 0, "\n"},
};
// clang-format on

#define LINES(lines) lines, sizeof(lines) / sizeof(lines)[0]

// Returns a word, in colour if the stream is a terminal and NO_COLOR is unset
// (no-color.org).
static struct text coloured(FILE *file, int colour, const char *word)
{
    struct text text;
    if (isatty(fileno(file)) && getenv("NO_COLOR") == NULL)
        snprintf(text.s, sizeof text.s, "\033[%dm%s\033[0m", colour, word);
    else
        snprintf(text.s, sizeof text.s, "%s", word);
    return text;
}

static bool is_shown(const struct line *line, const struct result *r)
{
    bool inverted = line->name[0] == '!', shown = true;
    const char *name = line->name + inverted;
    while (*name != '\0') {
        size_t len = strcspn(name, " ");
        double value = figures_value(find_figure(name, len), r);
        shown = shown && (inverted ? value == 0 : value > line->above);
        name += len + (name[len] == ' ');
    }
    return shown;
}

// Prints the lines that apply: the first one after `first`, the others after
// `before`, and each with `end`.
static void print_lines(FILE *file, const struct result *r,
                        const struct line *line, size_t count,
                        const char *first, const char *before, const char *end)
{
    for (; count-- > 0; line++) {
        const struct histogram *h = &r->stats.timings[line->percentiles];
        bool is_empty = line->percentiles != 0 && h->count == 0;
        if (!is_shown(line, r) || is_empty)
            continue;
        fputs(first, file);
        if (line->percentiles != 0)
            fprintf(file, "              %8s%8s%8s%8s%8s   ",
                    percentile(h, 50).s, percentile(h, 90).s,
                    percentile(h, 99).s, percentile(h, 99.9).s,
                    duration((double)h->max).s);
        output_say(file, r, line->text);
        fputs(end, file);
        first = before;
    }
}

static void print_title(FILE *file, const struct result *r)
{
    const struct options *opt = r->opt;
    bool named = strcmp(opt->model, "-") != 0;
    const char *at = opt->merge ? ", " : " at ";
    fprintf(file, "\n%s%s", named ? opt->model : "", named ? at : "");
    if (opt->merge)
        fprintf(file, "results of %d file%s", opt->file_count,
                opt->file_count == 1 ? "" : "s");
    else
        fprintf(file, "%s:%s", opt->host, opt->port);
    fprintf(file, ", %s loop: ", opt->rate > 0 ? "open" : "closed");
    output_say(file, r,
               "{connections connection asks/connections ask} for fib({n})");
    print_lines(file, r, LINES(load), "\n", ", ", "");
    fputc('\n', file);
}

static void print_window(FILE *file, const struct result *r)
{
    static const struct line window[] = {
        {"interrupted", 0, 0, "interrupted; "},
        {"duration_s", ALWAYS, 0, "measured in {duration_s}"},
        {"warmup_s", 0, 0, " after a warm-up of {warmup_s}"},
    };
    if (r->measured)
        print_lines(file, r, LINES(window), "", "", "");
    else
        fprintf(file, "%s in the warm-up: nothing was measured",
                r->interrupted > 0 ? "interrupted" : "ended");
    fprintf(file, "\n\n");
}

// Prints bytes in quotes, escaped as in C.
static void print_bytes(FILE *file, const char *bytes, size_t len)
{
    fputc('"', file);
    for (; len-- > 0; bytes++)
        if (*bytes == '\n')
            fputs("\\n", file);
        else if (*bytes < ' ' || *bytes > '~')
            fprintf(file, "\\x%02x", (unsigned char)*bytes);
        else
            fprintf(file, "%s%c", strchr("\"\\", *bytes) ? "\\" : "", *bytes);
    fputc('"', file);
}

static void print_wrong(FILE *file, const struct wrong_replies *wrong)
{
    for (int i = 0; i < wrong->count && i < WRONG_REPLIES_MAX; i++) {
        const struct wrong_reply *w = &wrong->replies[i];
        fprintf(file, "              reply ");
        print_bytes(file, w->text, w->len);
        fprintf(file, "%s instead of ", w->len == REPLY_SIZE ? "..." : "");
        print_bytes(file, w->expected, w->expected_len);
        fputc('\n', file);
    }
}

static void print_problems(FILE *file, const struct result *r)
{
    char prefix[TEXT_SIZE];
    snprintf(prefix, sizeof prefix, "  %.32s     ",
             coloured(file, RED, "problem").s);
    print_lines(file, r, LINES(problems), prefix, prefix, "\n");
    print_wrong(file, &r->wrong);
    for (int error = 1; error < STATS_ERRNO_MAX; error++) {
        double count = (double)r->stats.counters[COUNT_FAILED + error];
        if (count > 0)
            fprintf(file, "%s%s %s a connection failed: %s (%s)\n", prefix,
                    number(count).s, count == 1 ? "time" : "times",
                    strerror(error),
                    error_names[error] != NULL ? error_names[error] : "other");
    }
}

void output_summary(const struct result *r)
{
    static const int colours[] = {[VERDICT_OK] = GREEN,
                                  [VERDICT_CLIENT_LIMITED] = YELLOW,
                                  [VERDICT_NOISY] = YELLOW,
                                  [VERDICT_INCOMPLETE] = RED};
    FILE *file = summary_file(r->opt);
    int verdict = (int)r->marked;
    print_title(file, r);
    print_window(file, r);
    print_problems(file, r);
    if (r->measured)
        print_lines(file, r, LINES(results), "", "", "");
    fprintf(file, "  verdict     %s: %s\n\n",
            coloured(file, colours[verdict], verdict_names[verdict]).s,
            r->because);
}

void output_columns(void)
{
    for (size_t i = 0; i < figure_count; i++)
        printf("%-22s %s\n", figures[i].name, figures[i].meaning);
}

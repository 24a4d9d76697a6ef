// report.c - what people read: progress, single requests, the summary.

#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"
#include "verdict.h"

#define OWN_SHARE_MIN 0.25

#define SILENCE_MIN_NS (100 * (int64_t)CLOCK_NS_PER_MS)

enum { TICKS_MIN = 20, FOR_EVER_S = 1000000 };

static FILE *output(const struct options *opt)
{
    return opt->json != NULL && strcmp(opt->json, "-") == 0 ? stderr : stdout;
}

// ---- While it runs

void report_progress(const struct interval *i)
{
    double per_s = (double)i->latency->count / i->duration_s;
    fprintf(stderr, "%6.1f s  %9s req/s   p50 %-8s p99 %-8s %d of %d served",
            i->elapsed_s, text_number((uint64_t)(per_s + 0.5)).s,
            text_percentile(i->latency, 50).s,
            text_percentile(i->latency, 99).s, i->served, i->connections);
    if (i->problems > 0)
        fprintf(stderr, ", %s",
                text_count(i->problems, "problem", "problems").s);
    if (i->left_s >= 0 && i->left_s < FOR_EVER_S)
        fprintf(stderr, ", %.0f s left", i->left_s);
    fputc('\n', stderr);
}

void report_each(const struct options *opt, int64_t latency_ns)
{
    fprintf(output(opt), "fib(%d) %.6f s\n", opt->n, clock_seconds(latency_ns));
}

// ---- The summary
//
// It fits a terminal of 80 columns, in 24 lines if little went wrong.

// Prints a word; in a colour if a person looks at it, who did not object to
// colours (no-color.org).
static void print_coloured(FILE *file, int colour, const char *word)
{
    if (isatty(fileno(file)) && getenv("NO_COLOR") == NULL)
        fprintf(file, "\033[%dm%s\033[0m", colour, word);
    else
        fputs(word, file);
}

enum { RED = 31, GREEN = 32, YELLOW = 33 };

// Prints one line of what goes beyond "asks for fib(n)".
__attribute__((format(printf, 3, 4))) static void
print_shape(FILE *file, int *shapes, const char *format, ...)
{
    va_list arguments;
    fputs((*shapes)++ == 0 ? "\n" : ", ", file);
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
}

static void print_shapes(FILE *file, const struct options *opt)
{
    int shapes = 0;
    if (opt->rate > 0)
        print_shape(file, &shapes, "%s a second in all, %s",
                    text_count((uint64_t)opt->rate, "request", "requests").s,
                    opt->poisson ? "at random times" : "evenly spaced");
    if (opt->churn)
        print_shape(file, &shapes, "each time anew");
    if (opt->slow > 0)
        print_shape(file, &shapes, "%d bytes a second", opt->slow);
    if (opt->think_ns > 0)
        print_shape(file, &shapes, "%s between reply and request",
                    text_duration((double)opt->think_ns).s);
    if (opt->pipeline > 1)
        print_shape(file, &shapes, "%d at once on each", opt->pipeline);
    if (opt->idle > 0)
        print_shape(file, &shapes, "%s silent",
                    text_count((uint64_t)opt->idle, "more is", "more are").s);
    if (opt->threads > 1)
        print_shape(file, &shapes, "%d threads", opt->threads);
}

static void print_title(FILE *file, const struct options *opt,
                        const struct result *r)
{
    bool named = strcmp(opt->model, "-") != 0;
    fprintf(file, "\n%s%s%s:%s, %s loop: %s fib(%d)", named ? opt->model : "",
            named ? " at " : "", opt->host, opt->port,
            r->open_loop ? "open" : "closed",
            text_count((uint64_t)r->connections, "connection asks for",
                       "connections ask for")
                .s,
            opt->n);
    print_shapes(file, opt);
    fputc('\n', file);
}

static void print_window(FILE *file, const struct options *opt,
                         const struct result *r)
{
    if (!r->measured) {
        fprintf(file, "%s in the warm-up: nothing was measured\n\n",
                r->interrupted ? "interrupted" : "ended");
        return;
    }
    fprintf(file, "%s in %s",
            r->interrupted ? "interrupted; measured" : "measured",
            text_duration(r->duration_s * CLOCK_NS_PER_S).s);
    if (opt->warmup_ns > 0)
        fprintf(file, " after a warm-up of %s",
                text_duration((double)opt->warmup_ns).s);
    fprintf(file, "\n\n");
}

__attribute__((format(printf, 2, 3))) static void
print_problem(FILE *file, const char *format, ...)
{
    va_list arguments;
    fputs("  ", file);
    print_coloured(file, RED, "problem");
    fputs("     ", file);
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fputc('\n', file);
}

// What is counted goes on as in "3 replies were wrong".
static void print_counts(FILE *file, const struct result *r)
{
    uint64_t unserved = (uint64_t)(r->connections - r->served);
    const struct {
        uint64_t count;
        const char *one, *many;
    } problems[] = {
        {r->measured ? unserved : 0, "connection got no right reply",
         "connections got no right reply"},
        {(uint64_t)(r->idle - r->idle_connected),
         "silent connection was not open at the end",
         "silent connections were not open at the end"},
        {r->wrong, "reply was wrong", "replies were wrong"},
        {r->error_replies, "reply was an error (\"error: ...\")",
         "replies were errors (\"error: ...\")"},
        {r->timeouts, "request was given up after --timeout",
         "requests were given up after --timeout"},
        {r->unsent, "request was due and found no free connection in time",
         "requests were due and found no free connection in time"},
        {(uint64_t)r->hogs_unanswered,
         "hog was still waiting for a reply at the end",
         "hogs were still waiting for a reply at the end"},
        {r->failed_by_errno[0], "time the server closed a connection",
         "times the server closed a connection"},
        {r->lost, "request was lost with its connection",
         "requests were lost with their connections"},
    };
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++)
        if (problems[i].count > 0)
            print_problem(file, "%s %s", text_number(problems[i].count).s,
                          problems[i].count == 1 ? problems[i].one
                                                 : problems[i].many);
}

// What went wrong comes first, each in a sentence.
static void print_problems(FILE *file, const struct options *opt,
                           const struct result *r)
{
    if (r->gone)
        print_problem(file, "the server has gone: for 5 s nothing could be "
                            "opened");
    print_counts(file, r);
    if (r->unanswered > 0)
        print_problem(
            file,
            "%s unanswered at the end, the oldest for %s\n"
            "              (warm-up and grace included); the latency "
            "has them at their age",
            text_count(r->unanswered, "request was", "requests were").s,
            text_duration((double)r->oldest_ns).s);
    for (int error = 1; error < RESULT_ERRNO_MAX; error++)
        if (r->failed_by_errno[error] > 0)
            print_problem(
                file, "%s a connection failed: %s (%s)",
                text_count(r->failed_by_errno[error], "time", "times").s,
                text_meaning(error), text_errno(error));
    if (opt->server_pid != 0 && r->measured && !r->server_known)
        print_problem(file,
                      "process %d ended during the run: its CPU and memory are "
                      "unknown",
                      opt->server_pid);
}

static void print_replies(FILE *file, const struct result *r)
{
    fprintf(file, "  replies     %s right, %s per second\n",
            text_number(r->right).s,
            text_number((uint64_t)(result_rate(r) + 0.5)).s);
    fprintf(
        file, "  served      %s of %s", text_number((uint64_t)r->served).s,
        text_count((uint64_t)r->connections, "connection", "connections").s);
    if (r->connections > 1)
        fprintf(file, ", %s to %s replies each, Jain %.3f",
                text_number(r->least).s, text_number(r->most).s,
                result_jain(r));
    if (r->silence_ns > SILENCE_MIN_NS)
        fprintf(file, ";\n              one heard nothing for %s",
                text_duration((double)r->silence_ns).s);
    fputc('\n', file);
}

static void print_percentiles(FILE *file, const struct histogram *h,
                              const char *what)
{
    fprintf(file, "              %8s%8s%8s%8s%8s   %s\n",
            text_percentile(h, 50).s, text_percentile(h, 90).s,
            text_percentile(h, 99).s, text_percentile(h, 99.9).s,
            text_duration((double)h->max).s, what);
}

// Whose latency is it? Shown where a good part of it is ours.
static void print_arrival(FILE *file, const struct result *r)
{
    double own_share = result_own_share(r);
    if (own_share < OWN_SHARE_MIN)
        return;
    print_percentiles(file, &r->arrival, "until it arrived here");
    fprintf(file,
            "              %.0f %% of the median passed until we read it: our "
            "own doing\n",
            own_share * 100);
}

static void print_latency(FILE *file, const struct result *r)
{
    fprintf(file, "  latency     %8s%8s%8s%8s%8s\n", "p50", "p90", "p99",
            "p99.9", "max");
    if (r->churn)
        print_percentiles(file, &r->connects, "to connect");
    print_arrival(file, r);
    if (!r->open_loop) {
        print_percentiles(file, &r->latency, "from request to reply");
        return;
    }
    print_percentiles(file, &r->latency, "from due to reply");
    print_percentiles(file, &r->service, "from sent to reply");
    print_percentiles(file, &r->lateness, "sent late, by us");
    if (r->queued > 0)
        fprintf(file, "              %s due while no connection was free\n",
                text_count(r->queued, "request was", "requests were").s);
}

// What the stream had before, during and after the hogs.
static void print_hogs(FILE *file, const struct options *opt,
                       const struct result *r)
{
    static const char *const names[] = {"before", "during", "after"};
    const struct histogram *h = &r->hog_latency;

    fprintf(file,
            "  hogs        %d asked for fib(%d): %s, median %s, longest %s\n",
            r->hogs, opt->hog_n, text_count(h->count, "reply", "replies").s,
            text_duration((double)histogram_percentile(h, 50)).s,
            text_duration((double)h->max).s);
    for (int i = STAGE_BEFORE; i <= STAGE_AFTER; i++) {
        const struct stage_result *s = &r->stages[i];
        if (s->duration_s > 0)
            fprintf(
                file, "              %s them, %s: %s/s, p50 %s, p99 %s\n",
                names[i], text_duration(s->duration_s * CLOCK_NS_PER_S).s,
                text_number((uint64_t)result_stage_rate(r, (enum stage)i)).s,
                text_percentile(&s->latency, 50).s,
                text_percentile(&s->latency, 99).s);
    }
}

static void print_server(FILE *file, const struct result *r)
{
    const struct usage *u = &r->server;
    double user_s = u->cpu_s * usage_user_share(u);

    fprintf(file, "  server      CPU %.0f %% of a core",
            result_server_cores(r) * 100);
    if (u->user_ticks + u->sys_ticks >= TICKS_MIN)
        fprintf(file, " (user %.2f s, sys %.2f s)", user_s, u->cpu_s - user_s);
    if (r->replies > 0)
        fprintf(file, ", %.2f us per request", result_server_cpu_us(r));
    fprintf(file, "\n              %s, %s, %s\n",
            text_count((uint64_t)u->processes, "process", "processes").s,
            text_count((uint64_t)u->threads, "thread", "threads").s,
            text_count(u->switches, "context switch", "context switches").s);
    fprintf(file,
            "              PSS %s, RSS %s (shared pages in every process)\n",
            text_memory(u->pss_kib, u->rss_kib).s,
            text_memory(u->rss_kib, u->rss_kib).s);
}

static void print_client(FILE *file, const struct result *r)
{
    fprintf(file, "  client      CPU %.0f %% of a core",
            r->client_cpu_share * 100);
    if (r->others_cores >= 0)
        fprintf(file, "; other programs %.0f %%", r->others_cores * 100);
    fputc('\n', file);
}

static void print_verdict(FILE *file, struct judgement j)
{
    static const int colours[] = {[VERDICT_OK] = GREEN,
                                  [VERDICT_CLIENT_LIMITED] = YELLOW,
                                  [VERDICT_NOISY] = YELLOW,
                                  [VERDICT_INCOMPLETE] = RED};
    fputs("  verdict     ", file);
    print_coloured(file, colours[j.verdict], verdict_name(j.verdict));
    fprintf(file, ": %s\n\n", j.because);
}

void report_summary(const struct options *opt, const struct result *r)
{
    FILE *file = output(opt);
    print_title(file, opt, r);
    print_window(file, opt, r);
    print_problems(file, opt, r);
    if (r->measured)
        print_replies(file, r);
    if (r->latency.count > 0)
        print_latency(file, r);
    if (r->hogs > 0 && r->measured)
        print_hogs(file, opt, r);
    if (r->server_known)
        print_server(file, r);
    if (r->measured)
        print_client(file, r);
    print_verdict(file, verdict_of(opt, r));
}

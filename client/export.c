// export.c - what programs read: CSV, JSON, a table of percentiles.

#include "export.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "text.h"
#include "verdict.h"

enum { COLUMNS_MAX = 128, HEADER_SIZE = 4096 };

// ---- The figures of a run, under the names they have in files

struct column {
    const char *name;
    double value;
    int decimals;
};

struct table {
    struct column columns[COLUMNS_MAX];
    int count;
};

static void add(struct table *t, const char *name, int decimals, double value)
{
    assert(t->count < COLUMNS_MAX);
    t->columns[t->count++] = (struct column){name, value, decimals};
}

static double us(uint64_t ns)
{
    return (double)ns / CLOCK_NS_PER_US;
}

static void add_requests(struct table *t, const struct options *opt,
                         const struct result *r)
{
    add(t, "connections", 0, r->connections);
    add(t, "idle", 0, r->idle);
    add(t, "n", 0, opt->n);
    add(t, "duration_s", 6, r->duration_s);
    add(t, "requests", 0, (double)r->right);
    add(t, "req_per_s", 1, result_rate(r));
    add(t, "wrong", 0, (double)r->wrong);
    add(t, "error_replies", 0, (double)r->error_replies);
    add(t, "failed", 0, (double)r->failed);
    add(t, "timeouts", 0, (double)r->timeouts);
    add(t, "served", 0, r->served);
}

static void add_latency(struct table *t, const struct result *r)
{
    const struct histogram *h = &r->latency;
    add(t, "p50_us", 2, us(histogram_percentile(h, 50)));
    add(t, "p90_us", 2, us(histogram_percentile(h, 90)));
    add(t, "p99_us", 2, us(histogram_percentile(h, 99)));
    add(t, "p999_us", 2, us(histogram_percentile(h, 99.9)));
    add(t, "max_us", 2, us(h->max));
    add(t, "mean_us", 2, histogram_mean(h) / CLOCK_NS_PER_US);
    add(t, "jain", 4, result_jain(r));
}

static void add_usage(struct table *t, const struct result *r)
{
    const struct usage *u = &r->server;
    double user_s = u->cpu_s * usage_user_share(u);
    add(t, "server_user_s", 3, user_s);
    add(t, "server_sys_s", 3, u->cpu_s - user_s);
    add(t, "server_cpu_us_per_req", 3, result_server_cpu_us(r));
    add(t, "ctx_switches", 0, (double)u->switches);
    add(t, "processes", 0, u->processes);
    add(t, "threads", 0, u->threads);
    add(t, "rss_kib", 0, (double)u->rss_kib);
    add(t, "pss_kib", 0, (double)u->pss_kib);
    add(t, "client_cpu_share", 3, r->client_cpu_share);
}

static void add_rest(struct table *t, const struct result *r)
{
    add(t, "connected", 0, r->connected);
    add(t, "idle_connected", 0, r->idle_connected);
    add(t, "late", 0, (double)r->late);
    add(t, "unanswered", 0, (double)r->unanswered);
    add(t, "oldest_us", 2, us((uint64_t)r->oldest_ns));
    add(t, "least", 0, (double)r->least);
    add(t, "most", 0, (double)r->most);
    add(t, "closed_by_server", 0, (double)r->failed_by_errno[0]);
    add(t, "samples", 0, (double)r->latency.count);
    add(t, "interrupted", 0, r->interrupted);
    add(t, "replies", 0, (double)r->replies);
    add(t, "server_wall_s", 6, r->server_wall_s);
    add(t, "server_cores", 3, result_server_cores(r));
    add(t, "greeted", 0, r->greeted);
    add(t, "gone", 0, r->gone);
}

// A closed loop sends each request when it is due.
static void add_open_loop(struct table *t, const struct options *opt,
                          const struct result *r)
{
    const struct histogram *service = r->open_loop ? &r->service : &r->latency;
    add(t, "rate", 0, (double)opt->rate);
    add(t, "poisson", 0, opt->poisson);
    add(t, "service_p50_us", 2, us(histogram_percentile(service, 50)));
    add(t, "service_p99_us", 2, us(histogram_percentile(service, 99)));
    add(t, "service_max_us", 2, us(service->max));
    add(t, "send_late_p50_us", 2, us(histogram_percentile(&r->lateness, 50)));
    add(t, "send_late_p99_us", 2, us(histogram_percentile(&r->lateness, 99)));
    add(t, "send_late_max_us", 2, us(r->lateness.max));
    add(t, "pipeline", 0, opt->pipeline);
    add(t, "queued", 0, (double)r->queued);
    add(t, "lost", 0, (double)r->lost);
    add(t, "unsent", 0, (double)r->unsent);
}

static void add_churn(struct table *t, const struct result *r)
{
    const struct histogram *h = &r->connects;
    double per_s = r->duration_s > 0 ? (double)h->count / r->duration_s : 0;
    add(t, "churn", 0, r->churn);
    add(t, "connects", 0, (double)h->count);
    add(t, "connects_per_s", 1, per_s);
    add(t, "connect_p50_us", 2, us(histogram_percentile(h, 50)));
    add(t, "connect_p99_us", 2, us(histogram_percentile(h, 99)));
    add(t, "connect_max_us", 2, us(h->max));
}

static void add_stages(struct table *t, const struct options *opt,
                       const struct result *r)
{
    static const char *const names[][3] = {
        {"rate_before", "p50_before_us", "p99_before_us"},
        {"rate_during", "p50_during_us", "p99_during_us"},
        {"rate_after", "p50_after_us", "p99_after_us"},
    };
    add(t, "hogs", 0, opt->hogs);
    add(t, "hog_n", 0, opt->hog_n);
    add(t, "hog_requests", 0, (double)r->hog_latency.count);
    add(t, "hog_unanswered", 0, r->hogs_unanswered);
    add(t, "hog_p50_us", 2, us(histogram_percentile(&r->hog_latency, 50)));
    add(t, "hog_max_us", 2, us(r->hog_latency.max));
    add(t, "during_s", 6, r->stages[STAGE_DURING].duration_s);
    for (int i = STAGE_BEFORE; i <= STAGE_AFTER; i++) {
        const struct histogram *h = &r->stages[i].latency;
        add(t, names[i][0], 1, result_stage_rate(r, (enum stage)i));
        add(t, names[i][1], 2, us(histogram_percentile(h, 50)));
        add(t, names[i][2], 2, us(histogram_percentile(h, 99)));
    }
}

static void add_arrival(struct table *t, const struct result *r)
{
    const struct histogram *h = &r->arrival;
    add(t, "stamped", 0, (double)h->count);
    add(t, "arrival_p50_us", 2, us(histogram_percentile(h, 50)));
    add(t, "arrival_p99_us", 2, us(histogram_percentile(h, 99)));
    add(t, "arrival_max_us", 2, us(h->max));
    add(t, "own_share", 3, result_own_share(r));
}

static void add_verdict(struct table *t, const struct options *opt,
                        const struct result *r)
{
    add(t, "silence_us", 2, us((uint64_t)r->silence_ns));
    add(t, "others_cores", 3, r->others_cores);
    add(t, "delay_share", 4, r->delay_share);
    add(t, "in_flight", 3, result_in_flight(r));
    add(t, "marked", 0, verdict_of(opt, r).verdict);
}

static void add_shape(struct table *t, const struct options *opt,
                      const struct result *r)
{
    add(t, "think_us", 0, us((uint64_t)opt->think_ns));
    add(t, "slow", 0, opt->slow);
    add(t, "client_threads", 0, opt->threads);
    add(t, "ramp_s", 6, r->ramp_s);
}

// The order is part of the interface: what is new goes to the end.
static void fill(struct table *t, const struct options *opt,
                 const struct result *r)
{
    t->count = 0;
    add_requests(t, opt, r);
    add_latency(t, r);
    add_usage(t, r);
    add_rest(t, r);
    add_open_loop(t, opt, r);
    add_stages(t, opt, r);
    add_churn(t, r);
    add_arrival(t, r);
    add_verdict(t, opt, r);
    add_shape(t, opt, r);
}

bool export_has(const char *name)
{
    static const struct result nothing;
    struct table t;
    int at = 0;
    fill(&t, &(struct options){.threads = 1}, &nothing);
    while (at < t.count && strcmp(t.columns[at].name, name) != 0)
        at++;
    return at < t.count;
}

// ---- CSV

static void print_header(FILE *file, const struct options *opt)
{
    static const struct result nothing;
    struct table t;
    fill(&t, opt, &nothing);

    for (int i = 0; i < opt->label_count; i++)
        fprintf(file, "%s,", opt->labels[i].name);
    fprintf(file, "model");
    for (int i = 0; i < t.count; i++)
        fprintf(file, ",%s", t.columns[i].name);
    fputc('\n', file);
}

static void print_row(FILE *file, const struct options *opt,
                      const struct result *r)
{
    struct table t;
    fill(&t, opt, r);

    for (int i = 0; i < opt->label_count; i++)
        fprintf(file, "%s,", opt->labels[i].value);
    fputs(opt->model, file);
    for (int i = 0; i < t.count; i++)
        fprintf(file, ",%.*f", t.columns[i].decimals, t.columns[i].value);
    fputc('\n', file);
}

// Whether a regular file has no header yet, or the one that our rows need. Of
// what is not regular, such as a terminal or a pipe, nothing can be read.
static bool fits(const char *path, const struct options *opt)
{
    char wanted[HEADER_SIZE] = "", found[HEADER_SIZE] = "";
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return true;

    FILE *file = fopen(path, "re");
    FILE *header = fmemopen(wanted, sizeof wanted, "w");
    if (header != NULL) {
        print_header(header, opt);
        fclose(header);
    }
    if (file != NULL) {
        (void)!fgets(found, sizeof found, file);
        fclose(file);
    }
    return found[0] == '\0' || strcmp(found, wanted) == 0;
}

FILE *export_open_csv(const char *path, const struct options *opt)
{
    FILE *file = fopen(path, "ae");
    if (file == NULL || fits(path, opt))
        return file;
    fclose(file);
    errno = EINVAL;
    return NULL;
}

int export_csv(FILE *file, const struct options *opt, const struct result *r)
{
    struct stat status = {0};
    if (fstat(fileno(file), &status) != 0 || status.st_size == 0)
        print_header(file, opt);
    print_row(file, opt, r);
    return export_close(file);
}

// ---- JSON

// A string that JSON cannot misunderstand: options.c lets printable ASCII in.
static void print_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', file);
        fputc(*text, file);
    }
    fputc('"', file);
}

static void print_labels(FILE *file, const struct options *opt)
{
    fprintf(file, "  \"labels\": {");
    for (int i = 0; i < opt->label_count; i++) {
        fputs(i > 0 ? ", " : "", file);
        print_string(file, opt->labels[i].name);
        fputs(": ", file);
        print_string(file, opt->labels[i].value);
    }
    fprintf(file, "},\n  \"model\": ");
    print_string(file, opt->model);
}

static void print_failures(FILE *file, const struct result *r)
{
    const char *separator = "";
    fprintf(file, ",\n  \"failed_by_errno\": {");
    for (int error = 1; error < RESULT_ERRNO_MAX; error++)
        if (r->failed_by_errno[error] > 0) {
            fprintf(file, "%s\"%s\": %" PRIu64, separator, text_errno(error),
                    r->failed_by_errno[error]);
            separator = ", ";
        }
    fprintf(file, "}");
}

static void print_verdict(FILE *file, const struct options *opt,
                          const struct result *r)
{
    struct judgement j = verdict_of(opt, r);
    fprintf(file, ",\n  \"verdict\": ");
    print_string(file, verdict_name(j.verdict));
    fprintf(file, ",\n  \"because\": ");
    print_string(file, j.because);
}

int export_json(FILE *file, const struct options *opt, const struct result *r)
{
    struct table t;
    fill(&t, opt, r);

    fprintf(file, "{\n  \"schema\": 1,\n");
    print_labels(file, opt);
    for (int i = 0; i < t.count; i++)
        fprintf(file, ",\n  \"%s\": %.*f", t.columns[i].name,
                t.columns[i].decimals, t.columns[i].value);
    print_failures(file, r);
    print_verdict(file, opt, r);
    fprintf(file, "\n}\n");
    return export_close(file);
}

// ---- Percentiles

// Lines until the distance to 100 % is halved: 50, 75, 87.5, ...
enum { LINES_PER_HALF = 5 };

static double ms(double ns)
{
    return ns / CLOCK_NS_PER_MS;
}

static void print_lines(FILE *file, const struct histogram *h)
{
    double share = 0, half = 0.5;
    uint64_t value = histogram_percentile(h, 0);
    for (int i = 0; histogram_count_to(h, value) < h->count; i++) {
        fprintf(file, "%12.6f %2.12f %10" PRIu64 " %14.2f\n", ms((double)value),
                share, histogram_count_to(h, value), 1 / (1 - share));
        if (i > 0 && i % LINES_PER_HALF == 0)
            half /= 2;
        share += half / LINES_PER_HALF;
        value = histogram_percentile(h, share * 100);
    }
    fprintf(file, "%12.6f %2.12f %10" PRIu64 "\n", ms((double)h->max), 1.0,
            h->count);
}

int export_percentiles(FILE *file, const struct histogram *h)
{
    fprintf(file, "%12s %14s %10s %14s\n\n", "Value", "Percentile",
            "TotalCount", "1/(1-Percentile)");
    print_lines(file, h);
    fprintf(file, "#[Mean    = %12.6f, StdDeviation   = %12.6f]\n",
            ms(histogram_mean(h)), ms(histogram_deviation(h)));
    fprintf(file, "#[Max     = %12.6f, Total count    = %12" PRIu64 "]\n",
            ms((double)h->max), h->count);
    fprintf(file, "#[Buckets = %12d, SubBuckets     = %12d]\n",
            HISTOGRAM_BUCKETS / HISTOGRAM_SUB_COUNT, HISTOGRAM_SUB_COUNT);
    return export_close(file);
}

int export_close(FILE *file)
{
    int error = ferror(file) ? EIO : 0;  // Of an earlier write; why, is lost.
    if (fflush(file) != 0)
        error = errno;
    if (fclose(file) != 0 && error == 0)
        error = errno;
    errno = error;
    return error == 0 ? 0 : -1;
}

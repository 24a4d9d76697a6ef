// report.c - what is printed: progress, single requests, summary, CSV, JSON.

#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

bool report_is_good(const struct load_result *r)
{
    return r->wrong == 0 && r->error_replies == 0 && r->failed == 0 &&
           r->timeouts == 0 && r->unanswered == 0 && r->right + r->late > 0;
}

// ---- Numbers for people

enum { TEXT_SIZE = 32 };

struct text {
    char s[TEXT_SIZE];
};

// 1234567 as "1,234,567".
static struct text grouped(uint64_t value)
{
    struct text digits, text = {""};
    int len = snprintf(digits.s, sizeof digits.s, "%" PRIu64, value);
    char *to = text.s;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits.s[i];
    }
    *to = '\0';
    return text;
}

// Three significant digits and a fitting unit: "157 us", "4.12 ms".
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

static struct text memory(uint64_t kib)
{
    struct text text;
    if (kib < 10240)
        snprintf(text.s, sizeof text.s, "%" PRIu64 " KiB", kib);
    else
        snprintf(text.s, sizeof text.s, "%.1f MiB", (double)kib / 1024);
    return text;
}

// A percentile is only as good as the number of samples beyond it.
static struct text percentile(const struct histogram *h, double percent)
{
    if ((double)h->count * (100 - percent) / 100 < 1)
        return (struct text){"-"};
    return duration((double)histogram_percentile(h, percent));
}

static double rate(const struct load_result *r)
{
    return r->duration_s > 0 ? (double)r->right / r->duration_s : 0;
}

static double server_cpu_us(const struct load_result *r)
{
    return r->right > 0 ? r->server.cpu_s * 1e6 / (double)r->right : 0;
}

static const char *model_name(const struct options *opt)
{
    static char name[USAGE_NAME_SIZE];
    if (opt->model != NULL)
        return opt->model;
    bool known = opt->server_pid != 0 && usage_name(opt->server_pid, name) == 0;
    return known ? name : "-";
}

// The name of an error, "ECONNRESET", for those that a socket may have.
static const char *errno_name(int error)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {
        {EADDRNOTAVAIL, "EADDRNOTAVAIL"},
        {ECONNABORTED, "ECONNABORTED"},
        {ECONNREFUSED, "ECONNREFUSED"},
        {ECONNRESET, "ECONNRESET"},
        {EHOSTUNREACH, "EHOSTUNREACH"},
        {EMFILE, "EMFILE"},
        {ENETUNREACH, "ENETUNREACH"},
        {ENFILE, "ENFILE"},
        {ENOBUFS, "ENOBUFS"},
        {ENOMEM, "ENOMEM"},
        {EPIPE, "EPIPE"},
        {ETIMEDOUT, "ETIMEDOUT"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].error == error)
            return names[i].name;
    return "other";
}

// ---- While it runs

void report_progress(const struct progress *p)
{
    double per_s = (double)p->latency->count / p->interval_s;
    fprintf(stderr, "%6.1f s  %9s req/s   p50 %-8s p99 %-8s %d of %d served",
            p->elapsed_s, grouped((uint64_t)(per_s + 0.5)).s,
            duration((double)histogram_percentile(p->latency, 50)).s,
            duration((double)histogram_percentile(p->latency, 99)).s, p->served,
            p->connections);
    if (p->problems > 0)
        fprintf(stderr, ", %s problems", grouped(p->problems).s);
    if (p->left_s >= 0 && p->left_s < 1e6)
        fprintf(stderr, ", %.0f s left", p->left_s);
    fputc('\n', stderr);
}

void report_each(int n, int64_t latency_ns)
{
    printf("fib(%d) %.6f s\n", n, (double)latency_ns / CLOCK_NS_PER_S);
}

// ---- The summary

static void print_title(const struct options *opt, const struct load_result *r)
{
    const char *model = model_name(opt);
    printf("\n%s%s%s:%s, closed loop: %s connections ask for fib(%d)",
           strcmp(model, "-") == 0 ? "" : model,
           strcmp(model, "-") == 0 ? "" : " at ", opt->host, opt->port,
           grouped((uint64_t)r->connections).s, opt->n);
    if (r->idle > 0)
        printf(", %s more are silent", grouped((uint64_t)r->idle).s);
    printf("\n%s in %s", r->interrupted ? "interrupted; measured" : "measured",
           duration(r->duration_s * CLOCK_NS_PER_S).s);
    if (opt->warmup_ns > 0)
        printf(" after a warm-up of %s", duration((double)opt->warmup_ns).s);
    printf("\n\n");
}

static void print_count(uint64_t count, const char *what)
{
    if (count > 0)
        printf("  problem     %s %s\n", grouped(count).s, what);
}

// What went wrong comes first, each in a sentence.
static void print_problems(const struct load_result *r)
{
    int unserved = r->connections - r->served;
    print_count((uint64_t)unserved,
                "connections never got a right reply: nobody served them");
    print_count((uint64_t)(r->idle - r->idle_connected),
                "silent connections were not open at the end");
    print_count(r->wrong, "replies were wrong");
    print_count(r->error_replies, "replies were errors (\"error: ...\")");
    print_count(r->timeouts, "requests were given up after --timeout");
    if (r->unanswered > 0)
        printf("  problem     %s requests had no reply at the end, the oldest "
               "after %s\n",
               grouped(r->unanswered).s, duration((double)r->oldest_ns).s);
    print_count(r->failed_by_errno[0], "connections were closed by the server");
    for (int error = 1; error < LOAD_ERRNO_MAX; error++)
        if (r->failed_by_errno[error] > 0)
            printf("  problem     %s connections failed: %s (%s)\n",
                   grouped(r->failed_by_errno[error]).s, errno_name(error),
                   strerror(error));
}

static void print_latency(const struct load_result *r)
{
    const struct histogram *h = &r->latency;
    printf("  latency     %9s %9s %9s %9s %9s\n", "p50", "p90", "p99", "p99.9",
           "max");
    printf("              %9s %9s %9s %9s %9s   from request to reply\n",
           percentile(h, 50).s, percentile(h, 90).s, percentile(h, 99).s,
           percentile(h, 99.9).s, duration((double)h->max).s);
}

static void print_server(const struct load_result *r)
{
    const struct usage *u = &r->server;
    double cores = u->cpu_s / r->duration_s;
    double user_s = u->cpu_s * usage_user_share(u);
    printf("  server      CPU %.0f %% of a core (user %.2f s, sys %.2f s), "
           "%.2f us per request\n",
           cores * 100, user_s, u->cpu_s - user_s, server_cpu_us(r));
    printf("              %d process%s, %d thread%s, %s context switches; "
           "PSS %s, RSS %s\n",
           u->processes, u->processes == 1 ? "" : "es", u->threads,
           u->threads == 1 ? "" : "s", grouped(u->switches).s,
           memory(u->pss_kib).s, memory(u->rss_kib).s);
}

void report_summary(const struct options *opt, const struct load_result *r)
{
    print_title(opt, r);
    print_problems(r);
    printf("  replies     %s right, %s per second\n", grouped(r->right).s,
           grouped((uint64_t)(rate(r) + 0.5)).s);
    printf("  served      %s of %s connections", grouped((uint64_t)r->served).s,
           grouped((uint64_t)r->connections).s);
    printf(", %s to %s replies each, Jain's index %.3f\n", grouped(r->least).s,
           grouped(r->most).s, r->jain);
    if (r->latency.count > 0)
        print_latency(r);
    if (r->server_known)
        print_server(r);
    printf("  client      CPU %.0f %% of a core%s\n\n",
           r->client_cpu_share * 100,
           r->client_cpu_share > 0.9 ? ": it may be what limits the rate" : "");
}

// ---- Files

struct column {
    const char *name;
    double value;
    int decimals;
};

static double us(uint64_t ns)
{
    return (double)ns / CLOCK_NS_PER_US;
}

enum { COLUMN_COUNT = 37 };

// Every figure of a run under the name it has in files. The order of the first
// ones is part of the interface; new ones are added at the end.
static void fill_columns(struct column *to, const struct options *opt,
                         const struct load_result *r)
{
    const struct histogram *h = &r->latency;
    const struct usage *u = &r->server;
    const double user_s = u->cpu_s * usage_user_share(u);
    const struct column columns[COLUMN_COUNT] = {
        {"connections", r->connections, 0},
        {"idle", r->idle, 0},
        {"n", opt->n, 0},
        {"duration_s", r->duration_s, 3},
        {"requests", (double)r->right, 0},
        {"req_per_s", rate(r), 1},
        {"wrong", (double)r->wrong, 0},
        {"error_replies", (double)r->error_replies, 0},
        {"failed", (double)r->failed, 0},
        {"timeouts", (double)r->timeouts, 0},
        {"served", r->served, 0},
        {"p50_us", us(histogram_percentile(h, 50)), 2},
        {"p90_us", us(histogram_percentile(h, 90)), 2},
        {"p99_us", us(histogram_percentile(h, 99)), 2},
        {"p999_us", us(histogram_percentile(h, 99.9)), 2},
        {"max_us", us(h->max), 2},
        {"mean_us", histogram_mean(h) / CLOCK_NS_PER_US, 2},
        {"jain", r->jain, 4},
        {"server_user_s", user_s, 3},
        {"server_sys_s", u->cpu_s - user_s, 3},
        {"server_cpu_us_per_req", server_cpu_us(r), 3},
        {"ctx_switches", (double)u->switches, 0},
        {"processes", u->processes, 0},
        {"threads", u->threads, 0},
        {"rss_kib", (double)u->rss_kib, 0},
        {"pss_kib", (double)u->pss_kib, 0},
        {"client_cpu_share", r->client_cpu_share, 3},
        {"connected", r->connected, 0},
        {"idle_connected", r->idle_connected, 0},
        {"late", (double)r->late, 0},
        {"unanswered", (double)r->unanswered, 0},
        {"oldest_us", us((uint64_t)r->oldest_ns), 2},
        {"least", (double)r->least, 0},
        {"most", (double)r->most, 0},
        {"closed_by_server", (double)r->failed_by_errno[0], 0},
        {"samples", (double)h->count, 0},
        {"interrupted", r->interrupted, 0},
    };
    memcpy(to, columns, sizeof columns);
}

static void print_csv_header(FILE *file, const struct options *opt)
{
    static const struct load_result nothing;
    struct column columns[COLUMN_COUNT];
    fill_columns(columns, opt, &nothing);

    for (int i = 0; i < opt->label_count; i++)
        fprintf(file, "%s,", opt->labels[i].name);
    fprintf(file, "model");
    for (int i = 0; i < COLUMN_COUNT; i++)
        fprintf(file, ",%s", columns[i].name);
    fputc('\n', file);
}

static void print_csv_row(FILE *file, const struct options *opt,
                          const struct load_result *r)
{
    struct column columns[COLUMN_COUNT];
    fill_columns(columns, opt, r);

    for (int i = 0; i < opt->label_count; i++)
        fprintf(file, "%s,", opt->labels[i].value);
    fputs(model_name(opt), file);
    for (int i = 0; i < COLUMN_COUNT; i++)
        fprintf(file, ",%.*f", columns[i].decimals, columns[i].value);
    fputc('\n', file);
}

enum { HEADER_SIZE = 4096 };

// The header that our rows need, in `header`.
static void make_header(char *header, const struct options *opt)
{
    FILE *file = fmemopen(header, HEADER_SIZE, "w");
    if (file == NULL)
        return;
    print_csv_header(file, opt);
    fclose(file);
}

int report_csv_check(const struct options *opt)
{
    char wanted[HEADER_SIZE] = "", found[HEADER_SIZE];
    FILE *file = opt->csv != NULL ? fopen(opt->csv, "re") : NULL;
    if (file == NULL)
        return 0;
    make_header(wanted, opt);
    bool empty = fgets(found, sizeof found, file) == NULL;
    fclose(file);
    if (empty || strcmp(found, wanted) == 0)
        return 0;
    fprintf(stderr, "fibload: %s has other columns than this run would add\n",
            opt->csv);
    return -1;
}

static int failed(const char *path)
{
    fprintf(stderr, "fibload: %s: %s\n", path, strerror(errno));
    return -1;
}

int report_csv(const struct options *opt, const struct load_result *r)
{
    if (opt->csv == NULL)
        return 0;
    FILE *file = fopen(opt->csv, "ae");
    if (file == NULL)
        return failed(opt->csv);
    if (ftell(file) == 0)
        print_csv_header(file, opt);
    print_csv_row(file, opt, r);
    return fclose(file) == 0 ? 0 : failed(opt->csv);
}

// A string that JSON cannot misunderstand.
static void print_json_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ')
            fprintf(file, "\\u%04x", *text);
        else if (*text == '"' || *text == '\\')
            fprintf(file, "\\%c", *text);
        else
            fputc(*text, file);
    }
    fputc('"', file);
}

static void print_json(FILE *file, const struct options *opt,
                       const struct load_result *r)
{
    struct column columns[COLUMN_COUNT];
    fill_columns(columns, opt, r);

    fprintf(file, "{\n  \"schema\": 1,\n  \"labels\": {");
    for (int i = 0; i < opt->label_count; i++) {
        fputs(i > 0 ? ", " : "", file);
        print_json_string(file, opt->labels[i].name);
        fputs(": ", file);
        print_json_string(file, opt->labels[i].value);
    }
    fprintf(file, "},\n  \"model\": ");
    print_json_string(file, model_name(opt));
    for (int i = 0; i < COLUMN_COUNT; i++)
        fprintf(file, ",\n  \"%s\": %.*f", columns[i].name, columns[i].decimals,
                columns[i].value);
    fprintf(file, ",\n  \"failed_by_errno\": {");
    const char *separator = "";
    for (int error = 1; error < LOAD_ERRNO_MAX; error++)
        if (r->failed_by_errno[error] > 0) {
            fprintf(file, "%s\"%s\": %" PRIu64, separator, errno_name(error),
                    r->failed_by_errno[error]);
            separator = ", ";
        }
    fprintf(file, "}\n}\n");
}

int report_json(const struct options *opt, const struct load_result *r)
{
    if (opt->json == NULL)
        return 0;
    if (strcmp(opt->json, "-") == 0) {
        print_json(stdout, opt, r);
        return 0;
    }
    FILE *file = fopen(opt->json, "we");
    if (file == NULL)
        return failed(opt->json);
    print_json(file, opt, r);
    return fclose(file) == 0 ? 0 : failed(opt->json);
}

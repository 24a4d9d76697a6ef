// json.c - results as JSON, which --json writes, and --merge reads and adds.
//
// Each figure, text and histogram is on a line of its own, and --merge reads
// line by line. It accepts only files that this program has written.

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

enum { SCHEMA = 2, NAME_SIZE = 128 };

// ---- Writing

// Prints a name and a text. options.c accepts only printable ASCII.
static void print_string(FILE *file, const char *name, const char *text)
{
    fprintf(file, "\"%s\": \"", name);
    for (; *text != '\0'; text++)
        fprintf(file, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
    fputc('"', file);
}

static void print_labels(FILE *file, const struct options *opt)
{
    fprintf(file, "  \"labels\": {");
    for (int i = 0; i < opt->label_count; i++) {
        fputs(i > 0 ? ", " : "", file);
        print_string(file, opt->labels[i].name, opt->labels[i].value);
    }
    fprintf(file, "},\n");
}

static void print_failures(FILE *file, const struct result *r)
{
    const char *separator = "";
    uint64_t others = 0;
    fprintf(file, "  \"failed_by_errno\": {");
    for (int error = 1; error < STATS_ERRNO_MAX; error++) {
        uint64_t count = r->stats.counters[COUNT_FAILED + error];
        others += error_names[error] == NULL ? count : 0;
        if (error_names[error] == NULL || count == 0)
            continue;
        fprintf(file, "%s\"%s\": %" PRIu64, separator, error_names[error],
                count);
        separator = ", ";
    }
    if (others > 0)
        fprintf(file, "%s\"other\": %" PRIu64, separator, others);
    fprintf(file, "},\n");
}

// Prints the exact extremes and sum of a histogram, and the smallest value and
// the count of each bucket that is not empty.
static void print_histogram(FILE *file, const struct histogram *h)
{
    const char *separator = "";
    fprintf(file,
            "{\"min_ns\": %" PRIu64 ", \"max_ns\": %" PRIu64
            ", \"sum_ns\": %.0f, \"buckets\": [",
            h->min, h->max, h->sum);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (h->buckets[i] == 0)
            continue;
        fprintf(file, "%s[%" PRIu64 ", %" PRIu64 "]", separator,
                histogram_lowest(i), h->buckets[i]);
        separator = ", ";
    }
    fprintf(file, "]}");
}

static void print_histograms(FILE *file, const struct result *r)
{
    const char *separator = "\n";
    fprintf(file, "  \"histograms\": {");
    for (int i = 0; i < TIMINGS; i++) {
        const struct histogram *h = &r->stats.timings[i];
        if (timing_names[i] == NULL || h->count == 0)
            continue;
        fprintf(file, "%s    \"%s\": ", separator, timing_names[i]);
        print_histogram(file, h);
        separator = ",\n";
    }
    fprintf(file, "\n  },\n");
}

static void print_rows(FILE *file, const struct result *r)
{
    fprintf(file, "  \"ramp\": [");
    for (int i = 0; i < r->row_count; i++) {
        const struct ramp_row *row = &r->rows[i];
        fprintf(file,
                "%s\n    {\"from_s\": %.6f, \"to_s\": %.6f, \"due_per_s\": %.1f"
                ", \"right_per_s\": %.1f, \"p50_us\": ",
                i > 0 ? "," : "", row->from_s, row->to_s, row->due_per_s,
                row->right_per_s);
        files_print_number(file, row->p50_us, 3, "null");
        fprintf(file, ", \"p99_us\": ");
        files_print_number(file, row->p99_us, 3, "null");
        fputc('}', file);
    }
    fprintf(file, "],\n");
}

void json_write(FILE *file, const struct result *r)
{
    fprintf(file, "{\n  \"schema\": %d,\n", SCHEMA);
    print_labels(file, r->opt);
    fprintf(file, "  ");
    print_string(file, "model", r->opt->model);
    for (size_t i = 0; i < figure_count; i++) {
        fprintf(file, ",\n  \"%s\": ", figures[i].name);
        files_print_value(file, &figures[i], r, "null");
    }
    fprintf(file, ",\n");
    print_failures(file, r);
    print_histograms(file, r);
    if (r->row_count > 0)
        print_rows(file, r);
    fprintf(file, "  ");
    print_string(file, "verdict", verdict_names[(int)r->marked]);
    fprintf(file, ",\n  ");
    print_string(file, "because", r->because);
    fprintf(file, "\n}\n");
}

// ---- Reading
//
// Functions that read return NULL, or what is wrong with the file.

static const char ends_here[] = "the file ends here";

// The run that a file describes.
struct part {
    struct options *opt;
    struct result *result;
    size_t count;    // figures read
    double samples;  // the figure; the histograms must have as many
    char model[NAME_SIZE], reason[NAME_SIZE];
    char because[2 * NAME_SIZE];  // the reason, after the name of the file
    bool is_over;                 // the last line has been read
};

// Copies the text between quotes, or as much of it as fits.
static void take_text(char text[NAME_SIZE], const char *quoted)
{
    size_t len = 0;
    for (quoted++; *quoted != '"' && *quoted >= ' '; quoted++) {
        quoted += *quoted == '\\';
        if (len + 1 < NAME_SIZE)
            text[len++] = *quoted;
    }
    text[len] = '\0';
}

static const char *take_number(struct part *part, const char *name,
                               const char *text)
{
    const struct figure *figure = figures_find(name);
    bool is_null = strncmp(text, "null", 4) == 0;
    char *end = NULL;
    double value = is_null ? NAN : strtod(text, &end);
    if (!is_null && (end == text || *end != ',' || !isfinite(value)))
        return "a number is expected";
    if (figure == NULL)
        return NULL;
    bool may_be_unknown =
        figure->source == FROM_RESULT || figure->source == FROM_PERCENTILE;
    if (!may_be_unknown && !(value >= 0 && value < 0x1p53))
        return "a count is expected";
    figures_set(figure, part->opt, part->result, value);
    if (figure->source == FROM_SAMPLES && figure->which == LATENCY)
        part->samples = value;
    part->count++;
    return NULL;
}

// Returns the errno of this name, or EPROTO for "other".
static int errno_of(const char *name)
{
    for (int error = 1; error < STATS_ERRNO_MAX; error++)
        if (error_names[error] != NULL && strcmp(error_names[error], name) == 0)
            return error;
    return EPROTO;
}

static const char *take_failures(uint64_t *counters, const char *text)
{
    char name[NAME_SIZE];
    uint64_t count;
    int len;
    text++;
    while (sscanf(text, "\"%127[^\"]\": %" SCNu64 "%n", name, &count, &len) ==
           2) {
        counters[COUNT_FAILED + errno_of(name)] += count;
        text += len;
        text += strspn(text, ", ");
    }
    return *text == '}' ? NULL : "names and numbers are expected";
}

static const char *take_histogram(struct histogram *h, const char *text)
{
    uint64_t min, max;
    double sum;
    int len = 0;
    sscanf(text,
           "{\"min_ns\": %" SCNu64 ", \"max_ns\": %" SCNu64
           ", \"sum_ns\": %lf, \"buckets\": [%n",
           &min, &max, &sum, &len);
    for (text += len; len > 0 && *text == '['; text += strspn(text, "], ")) {
        char *end;
        uint64_t value = strtoull(text + 1, &end, 10);
        if (*end != ',')
            return "a bucket without a count";
        if (value > max)  // Percentiles would never reach it.
            return "a bucket above the maximum";
        histogram_add(h, value, strtoull(end + 1, &end, 10));
        text = end;
    }
    if (len == 0 || *text != '}')
        return "a histogram is expected";
    histogram_make_exact(h, min, max, sum);
    return NULL;
}

// Takes a line: a name and a value, or the beginning or end of a list.
static const char *take_line(struct part *part, const char *line)
{
    struct stats *stats = &part->result->stats;
    char name[NAME_SIZE];
    int at = 0;
    if (part->is_over)
        return "the end of the file is expected";
    part->is_over = *line == '}';
    if (!part->is_over && strchr(line, '\n') == NULL)
        return ends_here;
    if (strchr("{}]\n", line[strspn(line, " ")]) != NULL)
        return NULL;
    sscanf(line, " \"%127[^\"]\": %n", name, &at);
    const char *value = line + at;
    if (at == 0 || *value == '\0')
        return "a name and a value are expected";
    if (*value == '{' && strcmp(name, "failed_by_errno") == 0)
        return take_failures(stats->counters, value);
    for (int i = 0; *value == '{' && i < TIMINGS; i++)
        if (timing_names[i] != NULL && strcmp(timing_names[i], name) == 0)
            return take_histogram(&stats->timings[i], value);
    if (*value == '"' && strcmp(name, "model") == 0)
        take_text(part->model, value);
    if (*value == '"' && strcmp(name, "because") == 0)
        take_text(part->reason, value);
    return strchr("{[\"", *value) != NULL ? NULL
                                          : take_number(part, name, value);
}

// Adds up the latencies of a part, and checks that its file was complete.
static const char *complete_part(struct part *part)
{
    struct histogram *timings = part->result->stats.timings;
    double marked = part->result->marked;
    for (int i = LATENCY_BEFORE; i <= LATENCY_LATE; i++)
        histogram_merge(&timings[LATENCY], &timings[i]);
    if (!part->is_over)
        return ends_here;
    if (part->count != figure_count)
        return "figures are missing: another version of fibload has written it";
    if (part->samples != (double)timings[LATENCY].count)
        return "the histograms do not hold its number of samples";
    if (!(marked >= VERDICT_OK && marked <= VERDICT_INCOMPLETE))
        return "it has a verdict that fibload does not know";
    return NULL;
}

static const char *take_schema(FILE *file)
{
    int schema = 0, found = fscanf(file, " { \"schema\": %d,", &schema);
    if (ferror(file))
        return strerror(errno);
    if (found == EOF)
        return "the file is empty";
    return found == 1 && schema == SCHEMA
               ? NULL
               : "this is not a file that fibload writes with --json";
}

// Reads a file into an empty part. Sets `number` to the number of the last line
// that it has read.
static const char *read_lines(struct part *part, FILE *file, int *number)
{
    char *line = NULL;
    size_t size = 0;
    *number = 1;
    const char *problem = take_schema(file);
    while (problem == NULL && getdelim(&line, &size, '\n', file) > 0) {
        ++*number;
        problem = take_line(part, line);
    }
    free(line);
    return problem != NULL ? problem : complete_part(part);
}

static const char *read_part(const char *path, struct part *part)
{
    int number;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return output_reason("%.120s: %s", path, strerror(errno));
    const char *problem = read_lines(part, file, &number);
    fclose(file);
    if (problem != NULL)
        return output_reason("%.120s: line %d: %s", path, number, problem);
    bool is_doubtful = part->result->marked > VERDICT_OK;
    snprintf(part->because, sizeof part->because, "%.120s%s%s",
             is_doubtful ? path : "", is_doubtful ? ": " : "", part->reason);
    return NULL;
}

// ---- The sum

// Returns the figure of two runs together, or NAN if the rule forbids to
// combine them.
static double combine(enum sum rule, double a, double b)
{
    bool alike = rule == SAME ? a == b : (a == 0) == (b == 0);
    if ((rule == SAME || rule == SUM_OR_NONE) && !alike)
        return NAN;
    if (rule == LARGEST || rule == SAME)
        return fmax(a, b);
    return rule == SMALLEST ? fmin(a, b) : a + b;
}

// Adds the figures that are not in struct stats. Returns NULL, or the first
// option that differs: runs with different loads have no common figures.
static const struct figure *add_figures(struct part *total,
                                        const struct part *part)
{
    for (const struct figure *f = figures; f < figures + figure_count; f++) {
        double sum = combine(f->sum, figures_value(f, total->result),
                             figures_value(f, part->result));
        if (f->source == FROM_OPTIONS && isnan(sum))
            return f;
        if (f->source == FROM_OPTIONS || f->source == FROM_RESULT)
            figures_set(f, total->opt, total->result, sum);
    }
    return NULL;
}

// Adds the run that the file `path` describes.
static const char *add_part(struct part *total, const struct part *part,
                            const char *path)
{
    struct result *sum = total->result;
    const struct result *r = part->result;
    double busy_s =
        sum->client_cores * sum->duration_s + r->client_cores * r->duration_s;
    if (r->marked > sum->marked)
        memcpy(total->because, part->because, sizeof total->because);
    if (strcmp(total->model, "-") == 0)
        memcpy(total->model, part->model, sizeof total->model);
    const struct figure *different = add_figures(total, part);
    if (different != NULL)
        return output_reason(
            "%.150s: %s is %.0f, and %.0f in the files before it: runs with "
            "different loads have no common figures",
            path, different->name, figures_value(different, r),
            figures_value(different, sum));
    sum->client_cores = busy_s / sum->duration_s;
    stats_add(&sum->stats, &r->stats);
    return NULL;
}

// Returns whether file `i` is one of those before it, perhaps by another name.
static bool is_repeated(const struct options *opt, int i)
{
    for (int before = 0; before < i; before++)
        if (files_are_same(opt->files[before], opt->files[i]))
            return true;
    return false;
}

const char *json_merge(struct options *opt, struct result *result)
{
    static struct part total;
    total = (struct part){.opt = opt, .result = result};
    result->opt = opt;
    const char *problem = read_part(opt->files[0], &total);
    for (int i = 1; i < opt->file_count && problem == NULL; i++) {
        static struct options load;
        static struct result other;
        struct part part = {.opt = &load, .result = &other};
        other = (struct result){.opt = &load};
        if (is_repeated(opt, i))
            return output_reason("%.120s: is given twice", opt->files[i]);
        problem = read_part(opt->files[i], &part);
        if (problem == NULL)
            problem = add_part(&total, &part, opt->files[i]);
    }
    if (problem != NULL)
        return problem;
    if (opt->model == NULL)
        opt->model = total.model;
    result->measured = result->duration_s > 0;
    figures_derive_rates(result);
    result->because = total.because;
    return NULL;
}

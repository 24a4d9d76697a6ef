// merge.c - adds the results of several clients, from their --json files.

#include "merge.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "output.h"

enum { NAME_SIZE = 128, PATH_SIZE = 256, SCHEMA = 2, DEPTH_MAX = 8 };

// What a histogram says of its samples beside the buckets.
struct exact {
    double min_ns, max_ns, sum_ns;
};

// A file that is being read, and the run of which it tells.
struct part {
    const char *at;        // what comes next in the file
    const char *problem;   // what is wrong there; NULL: nothing so far
    int depth;             // of lists around it
    char path[PATH_SIZE];  // of the value there, like "histograms.late.min_ns"
    char text[NAME_SIZE];  // the last string

    struct options opt;
    struct result result;
    char model[NAME_SIZE], reason[NAME_SIZE];
    char because[2 * NAME_SIZE];  // the reason, and of which file
    double schema, samples;
    size_t figures;  // that it has
    struct exact exact[TIMINGS];
    double value_ns;  // of a bucket whose count comes next; NAN: none
};

// ---- What a value means

// Returns the histogram that a path like "late.min_ns" begins with, or TIMINGS.
static int timing_of(const char *path)
{
    size_t len = strcspn(path, ".");
    int i = 0;
    while (i < TIMINGS &&
           (timing_names[i] == NULL || strlen(timing_names[i]) != len ||
            memcmp(timing_names[i], path, len) != 0))
        i++;
    return i;
}

// Takes a number out of a histogram. Buckets are pairs of their smallest value
// and a count.
static bool take_of_histogram(struct part *part, const char *path, double value)
{
    int i = timing_of(path);
    const char *member = path + strcspn(path, ".");
    if (i == TIMINGS || !(value >= 0 && value < 0x1p63))
        return false;
    if (strcmp(member, ".min_ns") == 0) {
        part->exact[i].min_ns = value;
    } else if (strcmp(member, ".max_ns") == 0) {
        part->exact[i].max_ns = value;
    } else if (strcmp(member, ".sum_ns") == 0) {
        part->exact[i].sum_ns = value;
    } else if (isnan(part->value_ns)) {
        part->value_ns = value;
    } else {
        histogram_add(&part->result.stats.timings[i], (uint64_t)part->value_ns,
                      (uint64_t)value);
        part->value_ns = NAN;
    }
    return true;
}

static bool is_count(double value)
{
    return value >= 0 && value < 0x1p53;
}

static bool take_of_figure(struct part *part, const struct figure *figure,
                           double value)
{
    bool may_be_unknown =
        figure->source == FROM_RESULT || figure->source == FROM_PERCENTILE;
    if (!may_be_unknown && !is_count(value))
        return false;
    part->figures++;
    if (figure->source == FROM_SAMPLES && figure->which == LATENCY)
        part->samples = value;
    figures_set(figure, &part->opt, &part->result, value);
    return true;
}

// Takes a number or, as NAN, null. Returns whether it can be what `path` says.
static bool take_number(struct part *part, double value)
{
    static const char histograms[] = "histograms.",
                      failed[] = "failed_by_errno.";
    const char *path = part->path;
    const struct figure *figure = figures_find(path);
    if (figure != NULL)
        return take_of_figure(part, figure, value);
    if (strncmp(path, histograms, strlen(histograms)) == 0)
        return take_of_histogram(part, path + strlen(histograms), value);
    if (strncmp(path, failed, strlen(failed)) == 0 && is_count(value)) {
        int error = output_error(path + strlen(failed));
        part->result.stats.counters[COUNT_FAILED + error] += (uint64_t)value;
    }
    if (strcmp(path, "schema") == 0)
        part->schema = value;
    return true;
}

static void take_string(struct part *part)
{
    if (strcmp(part->path, "model") == 0)
        memcpy(part->model, part->text, NAME_SIZE);
    if (strcmp(part->path, "because") == 0)
        memcpy(part->reason, part->text, NAME_SIZE);
}

// ---- JSON
//
// After the first problem nothing is read any more, so that callers need not
// check for one.

// Moves beyond `c`, if that comes next. Returns whether it does.
static bool match(struct part *part, char c)
{
    part->at += strspn(part->at, " \t\r\n");
    bool is_next = part->problem == NULL && *part->at == c;
    part->at += is_next;
    return is_next;
}

static void expect(struct part *part, char c, const char *problem)
{
    if (!match(part, c) && part->problem == NULL)
        part->problem = problem;
}

// Reads a string; what has no room is left out.
static void read_string(struct part *part)
{
    size_t len = 0;
    expect(part, '"', "a string is expected");
    while (part->problem == NULL && *part->at != '"' && *part->at >= ' ') {
        part->at += *part->at == '\\' && part->at[1] >= ' ';
        if (len + 1 < NAME_SIZE)
            part->text[len++] = *part->at;
        part->at++;
    }
    part->text[len] = '\0';
    expect(part, '"', "the end of the string is expected");
}

// Reads a number, or null. strtod() alone would take "inf" and "0x1", too.
static void read_number(struct part *part)
{
    static const char null[] = "null";
    bool is_null = strncmp(part->at, null, strlen(null)) == 0;
    size_t len = is_null ? strlen(null) : strspn(part->at, "+-.0123456789eE");
    char *end = NULL;
    double value = is_null ? NAN : strtod(part->at, &end);
    if (part->problem == NULL && !is_null &&
        (len == 0 || end != part->at + len))
        part->problem = "a number is expected";
    if (part->problem == NULL && !take_number(part, value))
        part->problem = "another number is expected";
    part->at += part->problem == NULL ? len : 0;
}

static void read_value(struct part *part);

// Reads a member of an object, or an element of an array, which has the path of
// the array.
static void read_member(struct part *part, bool is_named)
{
    size_t len = strlen(part->path);
    if (is_named) {
        read_string(part);
        snprintf(part->path + len, PATH_SIZE - len, "%s%s", len > 0 ? "." : "",
                 part->text);
        expect(part, ':', "a colon is expected");
    }
    if (strlen(part->path) == PATH_SIZE - 1 && part->problem == NULL)
        part->problem = "a shorter name is expected";
    read_value(part);
    part->path[len] = '\0';
}

// Reads the rest of an object, or of an array.
static void read_list(struct part *part, bool is_object)
{
    char end = is_object ? '}' : ']';
    if (++part->depth > DEPTH_MAX)
        part->problem = "fewer lists in each other are expected";
    if (!match(part, end)) {
        do
            read_member(part, is_object);
        while (match(part, ','));
        expect(part, end, "a comma or the end of the list is expected");
    }
    part->depth--;
}

static void read_value(struct part *part)
{
    bool is_object = match(part, '{');
    if (part->problem != NULL)
        return;
    if (is_object || match(part, '[')) {
        read_list(part, is_object);
    } else if (*part->at == '"') {
        read_string(part);
        take_string(part);
    } else {
        read_number(part);
    }
}

// ---- A file

// Returns what a file lacks that --json writes, or NULL.
static const char *why_not_whole(const struct part *part)
{
    if (part->schema != SCHEMA)
        return "is not a file that fibload writes with --json";
    if (part->figures != figure_count)
        return "lacks figures: another version of fibload has written it";
    if (part->samples != (double)part->result.stats.timings[LATENCY].count)
        return "has histograms that do not hold its number of samples";
    if (!isnan(part->value_ns))
        return "has a bucket without a count";
    double marked = part->result.marked;
    if (!(marked >= VERDICT_OK && marked <= VERDICT_INCOMPLETE))
        return "has a verdict that fibload does not know";
    return NULL;
}

// Says in `failure` what is wrong with a file. Returns -1.
static int fail(char failure[FAILURE_SIZE], const char *path, const char *why)
{
    snprintf(failure, FAILURE_SIZE, "%.120s: %s", path, why);
    return -1;
}

static int fail_at(char failure[FAILURE_SIZE], const char *path,
                   const char *text, const struct part *part)
{
    int line = 1;
    for (const char *c = text; c < part->at; c++)
        line += *c == '\n';
    snprintf(failure, FAILURE_SIZE, "%.120s: line %d: %s%s", path, line,
             *part->at == '\0' ? "the file ends here: " : "", part->problem);
    return -1;
}

// Reads what a file says into `part`, which is empty. Returns 0; or -1, and why
// in `failure`.
static int parse(const char *path, const char *text, struct part *part,
                 char failure[FAILURE_SIZE])
{
    struct histogram *timings = part->result.stats.timings;
    part->at = text;
    part->value_ns = NAN;
    read_value(part);
    expect(part, '\0', "the end of the file is expected");
    if (part->problem != NULL)
        return fail_at(failure, path, text, part);
    for (int i = 0; i < TIMINGS; i++)
        histogram_make_exact(&timings[i], (uint64_t)part->exact[i].min_ns,
                             (uint64_t)part->exact[i].max_ns,
                             part->exact[i].sum_ns);
    for (int i = LATENCY_BEFORE; i <= LATENCY_LATE; i++)
        histogram_merge(&timings[LATENCY], &timings[i]);
    bool is_doubtful = part->result.marked > VERDICT_OK;
    snprintf(part->because, sizeof part->because, "%.120s%s%s",
             is_doubtful ? path : "", is_doubtful ? ": " : "", part->reason);
    const char *why = why_not_whole(part);
    return why == NULL ? 0 : fail(failure, path, why);
}

static int read_part(const char *path, struct part *part,
                     char failure[FAILURE_SIZE])
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return fail(failure, path, strerror(errno));
    errno = 0;
    ssize_t len = getdelim(&text, &size, '\0', file);
    int status = len > 0 ? parse(path, text, part, failure)
                         : fail(failure, path,
                                errno != 0 ? strerror(errno) : "is empty");
    free(text);
    fclose(file);
    return status;
}

// ---- The sum

// How a figure of two runs becomes one.
enum rule {
    LARGEST,
    SMALLEST,
    SUM,
    SUM_OR_NONE,  // the same, but both must have it, or none
    SAME,         // both must have the same
    DERIVED,      // follows from counts, histograms and other figures
};

static enum rule rule_of(const struct figure *figure)
{
    static const struct {
        enum rule rule;
        const char *names;  // each between spaces
    } rules[] = {
        {SUM, " connections idle hogs client_threads failed errors unserved "
              "idle_lost sum_of_squares "},
        {SUM_OR_NONE, " rate ramp_from ramp_to "},
        {SMALLEST, " min_replies "},
        {DERIVED, " req_per_s mean_us jain server_cpu_us_per_req server_cores "
                  "rate_before rate_during rate_after connects_per_s "
                  "hog_p50_us own_share in_flight client_cpu_us_per_req "},
    };
    char name[NAME_SIZE];
    snprintf(name, sizeof name, " %s ", figure->name);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strstr(rules[i].names, name) != NULL)
            return rules[i].rule;
    if (figure->source == FROM_OPTIONS)
        return SAME;
    return figure->source == FROM_RESULT ? LARGEST : DERIVED;
}

// Returns the figure of both runs; NAN if these must not be added.
static double combine(enum rule rule, double a, double b)
{
    bool alike = rule == SAME ? a == b : (a == 0) == (b == 0);
    if ((rule == SAME || rule == SUM_OR_NONE) && !alike)
        return NAN;
    if (rule == LARGEST || rule == SAME)
        return fmax(a, b);
    return rule == SMALLEST ? fmin(a, b) : a + b;
}

// Adds the figures of a run. Returns NULL, or the one for which it is of
// another kind.
static const struct figure *add_figures(struct part *total,
                                        const struct part *part)
{
    struct result *r = &total->result;
    double busy_s = r->client_cores * r->duration_s +
                    part->result.client_cores * part->result.duration_s;
    for (size_t i = 0; i < figure_count; i++) {
        const struct figure *figure = &figures[i];
        enum rule rule = rule_of(figure);
        double sum = combine(rule, figures_value(figure, r),
                             figures_value(figure, &part->result));
        if (figure->source == FROM_OPTIONS && isnan(sum))
            return figure;
        if (rule != DERIVED)
            figures_set(figure, &total->opt, r, sum);
    }
    r->client_cores = busy_s / r->duration_s;
    return NULL;
}

static void add_counts(struct stats *total, const struct stats *part)
{
    for (int i = 0; i < COUNTERS; i++)
        total->counters[i] += part->counters[i];
    for (int i = 0; i < TIMINGS; i++)
        histogram_merge(&total->timings[i], &part->timings[i]);
}

// Adds the run of a file. Returns 0; or -1, and why in `failure`.
static int add(struct part *total, const struct part *part, const char *path,
               char failure[FAILURE_SIZE])
{
    if (part->result.marked > total->result.marked)
        memcpy(total->because, part->because, sizeof total->because);
    if (strcmp(total->model, "-") == 0)
        memcpy(total->model, part->model, sizeof total->model);
    const struct figure *other = add_figures(total, part);
    add_counts(&total->result.stats, &part->result.stats);
    if (other == NULL)
        return 0;
    snprintf(failure, FAILURE_SIZE,
             "%.150s: %s is %.0f, and %.0f in the files before it: runs with "
             "different loads have no common figures",
             path, other->name, figures_value(other, &part->result),
             figures_value(other, &total->result));
    return -1;
}

// Derives the figures that follow from others, and leaves those as they are
// that are a sum or the largest of all.
static void derive(struct part *total)
{
    static struct result sum;
    struct result *r = &total->result;
    r->measured = r->duration_s > 0;
    r->busy_cores = NAN;  // There may be several machines.
    sum = *r;
    figures_derive(r);
    for (size_t i = 0; i < figure_count; i++)
        if (figures[i].source == FROM_RESULT && rule_of(&figures[i]) != DERIVED)
            figures_set(&figures[i], &total->opt, r,
                        figures_value(&figures[i], &sum));
    r->judgement.verdict = (enum verdict)(int)r->marked;
    r->judgement.because = total->because;
}

int merge_files(struct options *opt, struct result *result)
{
    static struct part total, part;
    for (int i = 0; i < opt->file_count; i++) {
        struct part *into = i == 0 ? &total : &part;
        *into = (struct part){.result.opt = &into->opt};
        if (read_part(opt->files[i], into, result->failure) != 0 ||
            (i > 0 && add(&total, &part, opt->files[i], result->failure) != 0))
            return -1;
    }
    derive(&total);
    for (size_t i = 0; i < figure_count; i++)
        if (figures[i].source == FROM_OPTIONS)
            figures_set(&figures[i], opt, &total.result,
                        figures_value(&figures[i], &total.result));
    if (opt->model == NULL)
        opt->model = total.model;
    *result = total.result;
    result->opt = opt;
    return 0;
}

// files.c - the files for other programs: CSV, percentiles, a timeline.

#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

enum { US_SIZE = 32, HEADER_SIZE = 4096 };
enum { CSV, PERCENTILES, TIMELINE, JSON, FILES };

static FILE *streams[FILES];  // NULL: not asked for

// ---- Numbers

void files_print_number(FILE *file, double value, int decimals,
                        const char *unknown)
{
    if (isfinite(value))
        fprintf(file, "%.*f", decimals, value);
    else
        fputs(unknown, file);
}

void files_print_value(FILE *file, const struct figure *f,
                       const struct result *r, const char *unknown)
{
    static const int decimals[] = {
        [UNIT_COUNT] = 0, [UNIT_PER_S] = 1, [UNIT_S] = 6,    [UNIT_US] = 3,
        [UNIT_KIB] = 0,   [UNIT_SHARE] = 4, [UNIT_RATIO] = 4};
    files_print_number(file, figures_value(f, r), decimals[f->unit], unknown);
}

// ---- CSV

static void print_header(FILE *file, const struct options *opt)
{
    for (int i = 0; i < opt->label_count; i++)
        fprintf(file, "%s,", opt->labels[i].name);
    fprintf(file, "model");
    for (size_t i = 0; i < figure_count; i++)
        fprintf(file, ",%s", figures[i].name);
    fputc('\n', file);
}

// Returns whether a row of this run can be appended to a file: a regular file
// must be empty or have the same header. Others, such as a terminal or a pipe,
// cannot be checked.
static bool has_our_columns(const char *path, const struct options *opt)
{
    char needed[HEADER_SIZE] = "", found[HEADER_SIZE] = "";
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return true;
    FILE *header = fmemopen(needed, sizeof needed, "w");
    if (header != NULL) {
        print_header(header, opt);
        fclose(header);
    }
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        (void)!fgets(found, sizeof found, file);
        fclose(file);
    }
    return found[0] == '\0' || strcmp(found, needed) == 0;
}

// Appends a row, and before it a header if the file is empty.
static void write_row(FILE *file, const struct result *r)
{
    struct stat status = {0};
    if (fstat(fileno(file), &status) != 0 || status.st_size == 0)
        print_header(file, r->opt);
    for (int i = 0; i < r->opt->label_count; i++)
        fprintf(file, "%s,", r->opt->labels[i].value);
    fputs(r->opt->model, file);
    for (size_t i = 0; i < figure_count; i++) {
        fputc(',', file);
        files_print_value(file, &figures[i], r, "nan");
    }
    fputc('\n', file);
}

// ---- Percentiles

// Prints a line per percentile. After each five lines, the distance to 100 %
// has halved: 50, 75, 87.5, ...
static void print_shares(FILE *file, const struct histogram *h)
{
    enum { LINES_PER_HALF = 5 };
    double share = 0, half = 0.5;
    uint64_t value = histogram_percentile(h, 0);
    for (int i = 0; histogram_count_to(h, value) < h->count; i++) {
        fprintf(file, "%12.6f %2.12f %10" PRIu64 " %14.2f\n",
                (double)value / NS_PER_MS, share, histogram_count_to(h, value),
                1 / (1 - share));
        if (i > 0 && i % LINES_PER_HALF == 0)
            half /= 2;
        share += half / LINES_PER_HALF;
        value = histogram_percentile(h, share * 100);
    }
}

// Writes the latencies in milliseconds, in the format of HdrHistogram (Gil
// Tene). Its plotter: hdrhistogram.github.io/HdrHistogram/plotFiles.html.
static void write_percentiles(FILE *file, const struct result *r)
{
    const struct histogram *h = &r->stats.timings[LATENCY];
    double max_ms = (double)h->max / NS_PER_MS;
    fprintf(file, "%12s %14s %10s %14s\n\n", "Value", "Percentile",
            "TotalCount", "1/(1-Percentile)");
    print_shares(file, h);
    fprintf(file, "%12.6f %2.12f %10" PRIu64 "\n", max_ms, 1.0, h->count);
    fprintf(file, "#[Mean    = %12.6f, StdDeviation   = %12.6f]\n",
            histogram_mean(h) / NS_PER_MS, histogram_deviation(h) / NS_PER_MS);
    fprintf(file, "#[Max     = %12.6f, Total count    = %12" PRIu64 "]\n",
            max_ms, h->count);
    fprintf(file, "#[Buckets = %12d, SubBuckets     = %12d]\n",
            HISTOGRAM_BUCKETS / HISTOGRAM_SUB_COUNT, HISTOGRAM_SUB_COUNT);
}

// ---- The timeline
//
// A file whose name ends with ".json" gets Chrome trace events of all requests,
// in the order in which they ended, with times of the monotonic clock. This is
// the format of the servers' --trace: scripts/watch/merge joins both. Any other
// file gets a CSV line for each measured request, with times since the window
// began.

static bool is_trace;  // false: CSV

static void begin_timeline(FILE *file, const char *path)
{
    const char *suffix = strrchr(path, '.');
    is_trace = suffix != NULL && strcmp(suffix, ".json") == 0;
    if (is_trace)
        fprintf(file,
                "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
                "{\"ph\":\"M\",\"pid\":%d,\"name\":\"process_name\","
                "\"args\":{\"name\":\"fibload\"}}",
                (int)getpid());
    else
        fputs("connection,kind,due_ns,sent_ns,done_ns,outcome\n", file);
}

static void end_timeline(FILE *file, const struct result *r)
{
    (void)r;
    if (is_trace)
        fputs("\n]}\n", file);
}

static const char *outcome_name(const struct timeline_entry *e)
{
    static const char *const names[] = {
        [COUNT_RIGHT] = "right",         [COUNT_WRONG] = "wrong",
        [COUNT_ERROR_REPLIES] = "error", [COUNT_TIMEOUTS] = "timeout",
        [COUNT_LOST] = "lost",           [COUNT_UNANSWERED] = "unanswered",
        [COUNT_UNSENT] = "unsent"};
    return names[e->outcome];
}

// Returns the number of the connection, or -1 if none was free.
static int number_of(const struct timeline_entry *e)
{
    return e->conn != NULL ? e->conn->number : -1;
}

static void format_time(char text[US_SIZE], bool is_known, int64_t ns)
{
    text[0] = '\0';
    if (is_known)
        snprintf(text, US_SIZE, "%" PRId64, ns);
}

static void write_line(const struct timeline_entry *e)
{
    char connection[US_SIZE], sent[US_SIZE], done[US_SIZE];
    const struct batch *b = &e->batch;
    bool is_hog = e->conn != NULL && e->conn->role == ROLE_HOG;
    format_time(connection, e->conn != NULL, number_of(e));
    format_time(sent, b->sent_ns != TIMELINE_NEVER, b->sent_ns - e->window_ns);
    format_time(done, e->outcome <= COUNT_ERROR_REPLIES,
                e->end_ns - e->window_ns);
    // One fprintf() only, so that no other thread can write into the line.
    fprintf(streams[TIMELINE], "%s,%s,%" PRId64 ",%s,%s,%s\n", connection,
            is_hog ? "hog" : "stream", b->due_ns - e->window_ns, sent, done,
            outcome_name(e));
}

// Formats a time in microseconds, as trace events have it.
static const char *format_us(char text[US_SIZE], int64_t ns)
{
    snprintf(text, US_SIZE, "%" PRId64 ".%03d", ns / 1000, (int)(ns % 1000));
    return text;
}

// Writes a bar from when the request was sent to its end, in the row of its
// connection. Rows are threads, which are numbered from 1.
static void write_sent(const struct timeline_entry *e)
{
    char begin[US_SIZE], length[US_SIZE], due[US_SIZE];
    const struct request *request = e->conn->request;
    fprintf(streams[TIMELINE],
            ",\n{\"ph\":\"X\",\"cat\":\"request\",\"name\":\"fib(%.*s)\","
            "\"pid\":%d,\"tid\":%d,\"ts\":%s,\"dur\":%s,\"args\":{"
            "\"port\":%d,\"due_us\":%s,\"outcome\":\"%s\"}}",
            request->line_len - 1, request->lines, (int)getpid(),
            number_of(e) + 1, format_us(begin, e->batch.sent_ns),
            format_us(length, e->end_ns - e->batch.sent_ns), conn_port(e->conn),
            format_us(due, e->batch.due_ns), outcome_name(e));
}

// Writes the time in which a request was due and not sent. Each has a row of
// its own, because many may be due at the same time.
static void write_due(const struct timeline_entry *e)
{
    static atomic_int last_id;
    char begin[US_SIZE], end[US_SIZE];
    int id = ++last_id, pid = (int)getpid(), tid = number_of(e) + 1;
    bool is_sent = e->batch.sent_ns != TIMELINE_NEVER;
    format_us(begin, e->batch.due_ns);
    format_us(end, is_sent ? e->batch.sent_ns : e->end_ns);
    fprintf(streams[TIMELINE],
            ",\n{\"ph\":\"b\",\"cat\":\"due\",\"name\":\"due, not sent\","
            "\"id\":%d,\"pid\":%d,\"tid\":%d,\"ts\":%s}"
            ",\n{\"ph\":\"e\",\"cat\":\"due\",\"name\":\"due, not sent\","
            "\"id\":%d,\"pid\":%d,\"tid\":%d,\"ts\":%s}",
            id, pid, tid, begin, id, pid, tid, end);
}

static void write_events(const struct timeline_entry *e)
{
    if (e->batch.due_ns != e->batch.sent_ns)
        write_due(e);
    if (e->batch.sent_ns != TIMELINE_NEVER)
        write_sent(e);
}

void files_write_timeline(const struct timeline_entry *entry)
{
    for (int i = 0; i < entry->batch.count; i++)
        if (is_trace)
            write_events(entry);
        else if (entry->batch.due_ns >= entry->window_ns)
            write_line(entry);
}

// ---- All files

// The files, in the order in which they are written.
static const struct file {
    size_t option;     // offset of its path in the options
    const char *mode;  // to open it with
    bool replaced;     // loses what an earlier run has written
    void (*write)(FILE *file, const struct result *r);
} files[FILES] = {
    [CSV] = {offsetof(struct options, csv), "ae", false, write_row},
    [PERCENTILES] = {offsetof(struct options, hist), "ae", true,
                     write_percentiles},
    [TIMELINE] = {offsetof(struct options, timeline), "we", false,
                  end_timeline},
    [JSON] = {offsetof(struct options, json), "ae", true, json_write},
};

// Returns the path of a file, or NULL if the user does not want it.
static const char *path_of(const struct options *opt, int i)
{
    return *(const char *const *)((const char *)opt + files[i].option);
}

bool files_are_same(const char *one, const char *other)
{
    struct stat a, b;
    if (strcmp(one, "-") == 0)  // Perhaps standard output.
        return false;
    if (stat(one, &a) != 0 || stat(other, &b) != 0)
        return strcmp(one, other) == 0;
    return S_ISREG(a.st_mode) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Returns the path of a file that two options name, or to which a standard
// stream goes. Returns NULL if there is none.
static const char *shared_path(const struct options *opt)
{
    const char *paths[FILES + 2] = {"/dev/stdout", "/dev/stderr"};
    int count = 2;
    for (int i = 0; i < FILES; i++) {
        const char *path = path_of(opt, i);
        if (path == NULL)
            continue;
        for (int j = 0; j < count; j++)
            if (files_are_same(path, paths[j]))
                return path;
        paths[count++] = path;
    }
    return NULL;
}

const char *files_open(const struct options *opt)
{
    const char *shared = shared_path(opt);
    if (shared != NULL)
        return output_reason("%s: is given for two outputs", shared);
    if (opt->csv != NULL && !has_our_columns(opt->csv, opt))
        return output_reason("%s: has other columns than this run would add",
                             opt->csv);
    for (int i = 0; i < FILES; i++) {
        const char *path = path_of(opt, i);
        if (path == NULL)
            continue;
        bool to_stdout = i == JSON && strcmp(path, "-") == 0;
        streams[i] = to_stdout ? stdout : fopen(path, files[i].mode);
        if (streams[i] == NULL)
            return output_reason("%s: %s", path, strerror(errno));
    }
    if (opt->timeline != NULL)
        begin_timeline(streams[TIMELINE], opt->timeline);
    return NULL;
}

int files_close(const char *name, FILE *file)
{
    int error = ferror(file) ? EIO : 0;  // The errno of that write is lost.
    if (fflush(file) != 0)
        error = errno;
    if (fclose(file) != 0 && error == 0)
        error = errno;
    if (error != 0)
        fprintf(stderr, "fibload: %s: %s\n", name, strerror(error));
    return error == 0 ? 0 : -1;
}

// Removes what an earlier run has written into a file. files_open() has not
// done so, because a run may end without a result. A terminal or pipe cannot be
// emptied, which is no error. Returns 0, or -1 with errno.
static int empty_file(FILE *file)
{
    return ftruncate(fileno(file), 0) == 0 || errno == EINVAL ? 0 : -1;
}

// Writes and closes a file. Returns 0, or -1 after a message.
static int write_file(int i, const struct result *r)
{
    const char *path = path_of(r->opt, i);
    bool is_ready = !files[i].replaced || streams[i] == stdout ||
                    empty_file(streams[i]) == 0;
    if (is_ready) {
        files[i].write(streams[i], r);
        return files_close(path, streams[i]);
    }
    fprintf(stderr, "fibload: %s: %s\n", path, strerror(errno));
    fclose(streams[i]);
    return -1;
}

int files_write(const struct result *r)
{
    int status = 0;
    for (int i = 0; i < FILES; i++)
        if (streams[i] != NULL)
            status |= write_file(i, r);
    if (streams[JSON] != stdout)
        status |= files_close("standard output", stdout);
    return status;
}

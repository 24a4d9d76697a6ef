// merge.c - --merge, which adds the results of several clients: no sample is
// lost, and files that are not results are refused.

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tap.h"
#include "client.h"
#include "parts.h"
#include "phrases.h"
#include "record.h"
#include "server.h"

enum { FILE_SIZE = 1 << 18 };

#define MERGE(...)                                                             \
    client_run_for_row((const char *[]){"--merge", __VA_ARGS__, NULL})

static const char *text_of(const char *path)
{
    static char text[FILE_SIZE];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    read_text(fd, text, sizeof text);
    close(fd);
    return text;
}

static void write_text(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (write(fd, text, len) != (ssize_t)len)
        perror(path);
    close(fd);
}

// Returns whether two files of --json have the same histograms.
static bool have_same_histograms(const char *a, const char *b)
{
    static char first[FILE_SIZE];
    static const char begin[] = "\"histograms\": {", end[] = "\n  }";
    snprintf(first, sizeof first, "%s", text_of(a));
    const char *x = strstr(first, begin), *y = strstr(text_of(b), begin);
    if (x == NULL || y == NULL)
        return false;
    size_t len = (size_t)(strstr(x, end) - x);
    return memmem(x, len, "[[", 2) != NULL &&
           strncmp(x, y, len + sizeof end) == 0;
}

// The result files of three different runs, and the sums over these runs.
static struct sums {
    char path[3][sizeof TEMPORARY_FILE];
    double samples, squares, latency_us, max_us;
} sums;

static void make_run(int i, behaviour *answer, const char *requests,
                     const char *connections)
{
    strcpy(sums.path[i], TEMPORARY_FILE);
    make_file(sums.path[i]);
    const struct outcome *o =
        RUN(answer, "-n", requests, "-c", connections, "--json", sums.path[i]);
    sums.samples += column(o, "samples");
    sums.squares += column(o, "sum_of_squares");
    sums.latency_us += column(o, "samples") * column(o, "mean_us");
    sums.max_us = fmax(sums.max_us, column(o, "max_us"));
}

static void remove_runs(void)
{
    for (int i = 0; i < 3; i++)
        if (sums.path[i][0] != '\0')
            unlink(sums.path[i]);
}

static void test_sums(void)
{
    const char *a = sums.path[0], *b = sums.path[1], *c = sums.path[2];
    const struct outcome *o = MERGE(a, b, c);
    ok(o->status == 1 && column(o, "requests") == 300 + 40 + 49 &&
           column(o, "wrong") == 1 && column(o, "connections") == 6 &&
           column(o, "served") == 6 && says(o, SAYS_MERGED),
       "--merge adds the counts");
    ok(column(o, "samples") == sums.samples &&
           column(o, "max_us") == sums.max_us &&
           column(o, "max_us") >= STALL_MS * 1000 &&
           near(column(o, "mean_us") * sums.samples / sums.latency_us, 1, 1e-5),
       "--merge combines the latencies of all runs");
    double jain = 389.0 * 389 / (6 * sums.squares);
    ok(column(o, "min_replies") <= 24 && column(o, "max_replies") >= 100 &&
           near(column(o, "jain"), jain, 0.0001),
       "--merge computes the fairness among all connections");
    ok(column(o, "marked") == 3 && says(o, SAYS_INCOMPLETE) && says(o, c),
       "the worst verdict counts, and the report says of which file it is");
}

// Checks that the sum does not depend on the order and grouping of the files.
static void test_order(void)
{
    char other[] = TEMPORARY_FILE, all[] = TEMPORARY_FILE;
    char copy[] = TEMPORARY_FILE;
    const char *a = sums.path[0], *b = sums.path[1], *c = sums.path[2];
    make_file(copy);
    write_text(copy, text_of(a), strlen(text_of(a)));
    make_file(other);
    make_file(all);
    MERGE(a, "--json", all);
    ok(have_same_histograms(a, all), "--merge of one file loses nothing");
    MERGE(c, b, "--json", other);
    MERGE(other, a, "--json", other);
    MERGE(a, b, c, "--json", all);
    ok(have_same_histograms(all, other),
       "merged results can be merged again, in any order");
    const struct outcome *o = MERGE(a, "--require", "errors=0");
    double p50_us = column(o, "p50_us"), p99_us = column(o, "p99_us");
    ok(o->status == 0, "--require works with --merge");
    o = MERGE(a, copy);
    ok(column(o, "samples") == 600 && column(o, "p50_us") == p50_us &&
           column(o, "p99_us") == p99_us,
       "a run merged with its copy has the same percentiles");
    unlink(copy);
    unlink(other);
    unlink(all);
}

void test_merge(void)
{
    make_run(0, right, "300", "3");
    make_run(1, stall_once, "40", "1");
    make_run(2, first_wrong, "50", "2");
    test_sums();
    test_order();
    remove_runs();
}

// ---- Files that are not results

// Returns whether --merge refuses a file with this text, and names the file.
static bool is_refused(const char *text, size_t len, const char *because)
{
    char path[] = TEMPORARY_FILE;
    make_file(path);
    write_text(path, text, len);
    const struct outcome *o =
        client_run((const char *[]){"--merge", sums.path[0], path, NULL});
    unlink(path);
    return refused(o, because) && strstr(o->err, path) != NULL;
}

// Copies the first file, overwrites the text that begins at the first `old`
// with `new`, and returns whether --merge refuses the copy.
static bool is_refused_with(const char *old, const char *new,
                            const char *because)
{
    static char changed[FILE_SIZE];
    snprintf(changed, sizeof changed, "%s", text_of(sums.path[0]));
    char *at = strstr(changed, old);
    if (at != NULL)
        memcpy(at, new, strlen(new));
    return at != NULL && is_refused(changed, strlen(changed), because);
}

static void test_truncated(void)
{
    static char whole[FILE_SIZE];
    enum { PLACES = 8 };
    int refused_count = 0;
    snprintf(whole, sizeof whole, "%s", text_of(sums.path[0]));
    size_t len = strlen(whole);
    for (size_t i = 1; i < PLACES; i++)
        refused_count += is_refused(whole, len * i / PLACES, ": line ");
    ok(refused_count == PLACES - 1,
       "a truncated file is refused, wherever it was cut");
    ok(is_refused(whole, len - 2, "the file ends here"),
       "a file without its last bytes is refused");
    ok(is_refused("", 0, "empty"), "an empty file is refused");
}

void test_bad_files(void)
{
    static const char trace[] = "{\"traceEvents\":[{\"ph\":\"X\"}]}\n";
    make_run(0, right, "100", "2");
    test_truncated();
    ok(is_refused(trace, strlen(trace), BECAUSE_NOT_OURS),
       "another file in JSON is refused");
    ok(is_refused("a,b\n1,2\n", 8, ": line 1: "),
       "a file that is not JSON is refused");
    ok(is_refused("{\n\"schema\": 2,\n\"n\": x}", 23, ": line 3: "),
       "the message names the line of a mistake");
    ok(is_refused("[[[[[[[[[[[[[[[[", 16, ": line 1: "),
       "too many nested brackets are refused");
    ok(is_refused_with("\"samples\": 100", "\"samples\": 101", BECAUSE_CHANGED),
       "a file with a changed number is refused");
    ok(is_refused_with("\"max_ns\": ", "\"max_ns\": 0", BECAUSE_ABOVE),
       "a file whose maximum is below some latencies is refused");
    ok(is_refused_with("\"marked\": ", "\"marked\": 9", BECAUSE_VERDICT),
       "an unknown verdict is refused");
    ok(is_refused_with("\"n\": 10", "\"n\": 11", BECAUSE_OTHER_LOAD),
       "a run with another load is refused");
    const struct outcome *o =
        client_run((const char *[]){"--merge", "/nonexistent/a.json", NULL});
    ok(refused(o, "/nonexistent/a.json") && strstr(o->err, "line") == NULL,
       "a missing file is refused");
    o = client_run(
        (const char *[]){"--merge", sums.path[0], sums.path[0], NULL});
    ok(refused(o, "twice"), "a file that is given twice is refused");
    o = client_run((const char *[]){"--merge", sums.path[0], "--timeline",
                                    "/dev/null", NULL});
    ok(refused(o, "--timeline"), "--merge with --timeline is refused");
    o = client_run((const char *[]){"--merge", NULL});
    ok(refused(o, "no files"), "--merge without files is refused");
    remove_runs();
}

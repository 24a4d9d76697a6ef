// output.c - what the client writes: files, the summary, the verdict.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tap.h"
#include "client.h"
#include "parts.h"
#include "phrases.h"
#include "record.h"
#include "server.h"

// ---- Files beside the summary

// Returns how many columns of the CSV file --columns does not explain, or -1 if
// --columns fails.
static int unexplained_columns(void)
{
    static char header[OUTPUT_SIZE];
    char line[64];
    int unexplained = 0;
    const struct outcome *o = RUN(right, "-n", "1");
    snprintf(header, sizeof header, "%s", strchr(o->header, ',') + 1);
    header[strcspn(header, "\n")] = '\0';
    o = client_run((const char *[]){"--columns", NULL});
    for (char *n = strtok(header, ","); n != NULL; n = strtok(NULL, ",")) {
        snprintf(line, sizeof line, "\n%s ", n);
        bool first = strncmp(o->out, line + 1, strlen(n) + 1) == 0;
        unexplained += !first && strstr(o->out, line) == NULL;
    }
    return o->status == 0 ? unexplained : -1;
}

void test_columns(void)
{
    static const char wanted[] =
        "model,connections,idle,n,duration_s,requests,req_per_s,wrong,"
        "error_replies,failed,timeouts,served,p50_us,p90_us,p99_us,p999_us,"
        "max_us,mean_us,jain,server_user_s,server_sys_s,"
        "server_cpu_us_per_req,ctx_switches,processes,threads,rss_kib,pss_kib,"
        "client_cpu_share";
    const struct outcome *o = RUN(right, "-n", "10", "-c", "2");
    ok(strncmp(o->header, wanted, strlen(wanted)) == 0,
       "the CSV file has the columns in the promised order");
    o = RUN(right, "-n", "10", "--label", "round=3", "--label", "model=x");
    ok(strncmp(o->header, "round,model,", 12) == 0 &&
           strncmp(o->row, "3,x,", 4) == 0,
       "labels are the first columns");
    ok(unexplained_columns() == 0, "--columns explains every column");
}

// Checks the columns that repeat the options of the load, and those that show
// the state at the end of the run.
void test_shape_columns(void)
{
    const struct outcome *o =
        RUN(right, "-n", "2", "-c", "1", "--slow", "1000", "--think", "2",
            "--idle", "3", "--warmup", "10ms", "--grace", "20s");
    ok(column(o, "connections") == 1 && column(o, "n") == 10 &&
           column(o, "slow") == 1000 && column(o, "think_us") == 2000 &&
           column(o, "idle") == 3 && column(o, "warmup_s") == 0.01,
       "the row has the options of the load");
    ok(column(o, "connected") == 1 && column(o, "idle_connected") == 3 &&
           column(o, "idle_lost") == 0 && column(o, "server_lost") == 0 &&
           column(o, "threads") >= 1 && column(o, "ramp_s") > 0,
       "the row has the state at the end of the run");
    ok(column(o, "pss_kib") > 0 &&
           column(o, "pss_kib") <= column(o, "rss_kib") &&
           column(o, "ctx_switches") > 0,
       "the row has the server's memory and context switches");
    last_request = 1;
    o = RUN_TO_LAST("-c", "1");
    ok(column(o, "unanswered") == 1 && column(o, "oldest_us") > 0 &&
           near(column(o, "oldest_us"), column(o, "max_us"), 0.002),
       "the age of a request without a reply is in the latency");
}

// Returns whether the columns `names`, which end with NULL, have values in
// ascending order. Columns without a value, for lack of samples, are allowed.
static bool rise(const struct outcome *o, const char *const *names)
{
    bool is_rising = strstr(o->header, names[0]) != NULL;
    for (; names[1] != NULL; names++)
        is_rising = is_rising && strstr(o->header, names[1]) != NULL &&
                    !(column(o, names[0]) > column(o, names[1]));
    return is_rising;
}

// Checks columns that are sums or quotients of others.
static void check_sums(const struct outcome *o)
{
    double duration_s = column(o, "duration_s");
    ok(near(column(o, "before_s") + column(o, "during_s") +
                column(o, "after_s"),
            duration_s, 0.00001) &&
           column(o, "hog_n") == 20,
       "the three intervals add up to the window");
    ok(near(column(o, "connects_per_s") * duration_s, column(o, "connects"),
            0.1),
       "connects_per_s is connects divided by the time");
    ok(near(column(o, "server_cpu_s"),
            column(o, "server_user_s") + column(o, "server_sys_s"), 0.00001),
       "the server's CPU time is the sum of user and system time");
    ok(near(column(o, "client_cpu_us_per_req") * column(o, "replies"),
            column(o, "client_cpu_share") * duration_s * 1e6,
            60 * duration_s + 0.001 * column(o, "replies")),
       "the client's CPU time per request is that divided by replies");
}

// Checks columns whose values depend on each other.
void test_related_columns(void)
{
    static const char *const rising[][6] = {
        {"p50_us", "p90_us", "p99_us", "p999_us", "max_us"},
        {"service_p50_us", "service_p99_us", "service_max_us"},
        {"send_late_p50_us", "send_late_p99_us", "send_late_max_us"},
        {"arrival_p50_us", "arrival_p99_us", "arrival_max_us", "max_us"},
        {"connect_p50_us", "connect_p99_us", "connect_max_us"},
        {"p50_before_us", "p99_before_us", "max_us"},
        {"p50_during_us", "p99_during_us", "max_us"},
        {"p50_after_us", "p99_after_us", "max_us"},
    };
    const struct outcome *o =
        RUN(soon, "-c", "4", "-R", "300", "-d", "900ms", "--warmup", "100ms",
            "--hogs", "1", "--hog-fib", "20", "--churn", "--grace", "20s");
    for (size_t i = 0; i < sizeof rising / sizeof rising[0]; i++)
        ok(rise(o, rising[i]),
           "%s and the higher percentiles are in ascending order",
           rising[i][0]);
    check_sums(o);
}

// Checks that figures are null if nothing was measured, or if the process of
// the server is not known.
void test_unknown(void)
{
    char target[16];
    struct server server = server_start(&(struct script){.answer = right});
    snprintf(target, sizeof target, "%d", server.port);
    const struct outcome *o =
        RUN_AT(target, "-f", "10", "-n", "10", "--json", "-");
    ok(says(o, "\"server_user_s\": null") && says(o, "\"n\": 10") &&
           says(o, "\"others_cores\": null") &&
           says(o, "\"connect_p50_us\": null"),
       "in JSON, an unknown figure is null, not 0");
    ok(!says(o, ": nan") && !says(o, ": inf"),
       "in JSON, no figure is nan or inf");
    server_stop(&server);
}

// Returns the number that ends at `at` in a line of progress.
static long served_at(const struct outcome *o, const char *at)
{
    while (at > o->err && at[-1] != ' ')
        at--;
    return strtol(at, NULL, 10);
}

// Checks that the progress report still counts the connections of a thread that
// has ended. The thread with two connections ends first, because both threads
// have the same number of requests.
void test_progress(void)
{
    long most = 0, last = 0;
    const struct outcome *o = RUN(right, "-c", "3", "-t", "2", "-n", "80",
                                  "--think", "20", "--interval", "30ms");
    const char *at = o->err;
    for (; (at = strstr(at, SAYS_SERVED)) != NULL; at++) {
        last = served_at(o, at);
        most = last > most ? last : most;
    }
    ok(o->status == 0 && most == 3 && last == 3,
       "progress counts three connections as three to the end: %ld, %ld", most,
       last);
}

// Returns whether each request was due before it was sent, and sent before its
// reply came.
static bool is_in_order(const struct timeline *t)
{
    bool in_order = true;
    for (int i = 0; i < t->count; i++)
        in_order = in_order && t->lines[i].due_s <= t->lines[i].sent_s &&
                   t->lines[i].sent_s <= t->lines[i].done_s;
    return in_order;
}

static void test_timeline(void)
{
    char path[] = TEMPORARY_FILE;
    make_file(path);
    const struct outcome *o =
        RUN(every_tenth_wrong, "-n", "100", "-R", "2k", "--timeline", path);
    const struct timeline *t = timeline_read(path);
    int hogs = 0;
    for (int i = 0; i < t->count; i++)
        hogs += t->lines[i].is_hog;
    ok(o->status == 1 && t->has_header && t->count == 100 && hogs == 0,
       "--timeline writes a line for each of 100 requests");
    ok(timeline_count(t, "right") == 90 && timeline_count(t, "wrong") == 10 &&
           is_in_order(t),
       "each line has the outcome, and due <= sent <= done");
    last_request = 3;
    o = RUN_TO_LAST("-c", "3", "--timeline", path);
    t = timeline_read(path);
    ok(o->status == 1 && t->count == record->requests && t->count > 0 &&
           timeline_count(t, "unanswered") == t->count,
       "--timeline has unanswered requests, too");
    o = RUN(right, "-n", "10", "--timeline", "/dev/full");
    ok(o->status == 1 && strstr(o->err, "/dev/full") != NULL,
       "a full disk is noticed");
    unlink(path);
}

static void test_percentile_table(void)
{
    char path[] = TEMPORARY_FILE, text[OUTPUT_SIZE];
    int fd = mkstemp(path);
    const struct outcome *o = RUN(right, "-n", "1000", "--hist", path);
    read_text(fd, text, sizeof text);
    ok(o->status == 0 && strstr(text, "1/(1-Percentile)\n\n") != NULL &&
           strstr(text, "1.000000000000       1000\n#[Mean") != NULL &&
           strstr(text, "Total count    =         1000]") != NULL,
       "--hist writes a table of the percentiles of all requests");
    close(fd);
    unlink(path);
}

// Checks that a run that cannot connect does not overwrite the files of an
// earlier run.
static void test_files_of_an_earlier_run(void)
{
    char path[] = TEMPORARY_FILE, target[16], text[16];
    int port, file = mkstemp(path);
    (void)!write(file, "precious", 8);
    int socket = server_bind(&port);
    snprintf(target, sizeof target, "%d", port);
    const struct outcome *o = RUN_AT(target, "-n", "1", "--json", path,
                                     "--hist", path, "--timeline", path);
    read_text(file, text, sizeof text);
    ok(o->status == 2 && strcmp(text, "precious") == 0,
       "without a server, the files of an earlier run do not change");
    close(socket);
    close(file);
    unlink(path);
}

// Checks that a file of an earlier run stays as it is until a result replaces
// it, and that the new file contains no rest of the old one.
static void test_replaced_file(void)
{
    char path[] = TEMPORARY_FILE, text[16];
    int file = mkstemp(path);
    (void)!write(file, "precious", 8);
    const struct outcome *o = RUN(right, "-c", "1", "-d", "20ms", "--warmup",
                                  "0", "--find-rate", "rate=0", "--json", path);
    read_text(file, text, sizeof text);
    ok(o->status == 2 && strcmp(text, "precious") == 0,
       "a search that finds no rate does not change an earlier file");
    o = RUN(right, "-n", "10", "--json", path);
    read_text(file, text, sizeof text);
    ok(o->status == 0 && text[0] == '{',
       "a run with a result replaces the earlier file");
    close(file);
    unlink(path);
}

// Checks that fibload refuses to write an output to the file that gets its
// summary.
static void test_file_of_the_summary(void)
{
    char path[] = TEMPORARY_FILE;
    make_file(path);
    client_output_file = path;
    const struct outcome *o = RUN(right, "-n", "10", "--json", path);
    ok(refused(o, BECAUSE_SAME_FILE),
       "the file that gets standard output is refused for --json");
    client_output_file = NULL;
    unlink(path);
}

// Checks that two outputs do not overwrite each other. A link counts as the
// file to which it leads.
static void test_same_file(void)
{
    char path[] = TEMPORARY_FILE, link[] = TEMPORARY_FILE, text[16];
    int file = mkstemp(path);
    (void)!write(file, "precious", 8);
    make_file(link);
    unlink(link);
    (void)!symlink(path, link);
    const struct outcome *o =
        RUN(right, "-n", "10", "--json", path, "--hist", link);
    read_text(file, text, sizeof text);
    ok(refused(o, BECAUSE_SAME_FILE) && strcmp(text, "precious") == 0,
       "one file for two outputs is refused, and does not change");
    unlink(path);
    o = RUN(right, "-n", "10", "--json", path, "--timeline", path);
    ok(refused(o, BECAUSE_SAME_FILE),
       "a new file for two outputs is refused, too");
    o = RUN(right, "-n", "10", "--json", "/dev/null", "--hist", "/dev/null");
    ok(o->status == 0, "several outputs may go to /dev/null");
    unlink(link);
    close(file);
    test_file_of_the_summary();
}

static void close_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd);
}

// Checks that no other file or socket takes the place of a closed standard
// output. It would get the 10,000 lines of --each.
static void test_closed_streams(void)
{
    client_prepare = close_standard_streams;
    const struct outcome *o = RUN(right, "-n", "10k", "-c", "1", "--each");
    client_prepare = NULL;
    ok(o->status == 1 && column(o, "requests") == 10000,
       "if standard output is closed, its text is written nowhere else");
}

void test_files(void)
{
    test_files_of_an_earlier_run();
    test_replaced_file();
    test_same_file();
    test_closed_streams();
    test_timeline();
    test_percentile_table();
}

// ---- The summary

void test_summary(void)
{
    const struct outcome *o = RUN(right, "-n", "10", "-c", "1");
    ok(says(o, SAYS_LOAD) && says(o, SAYS_REPLIES) && o->err[0] == '\0',
       "the summary is on standard output");
    ok(says(o, SAYS_TOO_FEW),
       "the summary says that there are too few samples");
    o = RUN(right, "-n", "10", "--json", "-", "--each");
    ok(o->status == 0 && o->out[0] == '{' && says(o, "\"verdict\": \"") &&
           says(o, "\n}\n") && !says(o, SAYS_LATENCY),
       "with --json -, standard output has only JSON");
    ok(strstr(o->err, SAYS_REPLIES) != NULL &&
           strstr(o->err, SAYS_EACH) != NULL,
       "with --json -, everything else is on standard error");
    client_output_file = "/dev/full";
    o = RUN(right, "-n", "10");
    ok(o->status == 1 && strstr(o->err, strerror(ENOSPC)) != NULL,
       "a full disk is noticed");
}

// Returns whether the summary has at most `lines_max` lines of 80 columns.
static bool fits_screen(const struct outcome *o, int lines_max)
{
    int lines = 0;
    size_t widest = 0;
    for (const char *line = o->out; *line != '\0'; lines++) {
        size_t len = strcspn(line, "\n");
        widest = len > widest ? len : widest;
        line += len + 1;
    }
    return lines > 10 && lines <= lines_max && widest <= 80;
}

static bool every_second_wrong(struct peer *peer, int i)
{
    return i % 2 == 1 ? say(peer, "fib: 56\n") : reply(peer);
}

// Checks that a summary fits a terminal. --no-stamps leaves out the client's
// own part of the latency, which takes two more lines on a busy machine.
void test_screen(void)
{
    const struct outcome *o = RUN(right, "-d", "1500ms", "-R", "100", "--hogs",
                                  "2", "--hog-fib", "20", "--warmup", "100ms",
                                  "--churn", "--no-stamps", "--grace", "20s");
    ok(fits_screen(o, 24), "a long summary fits 24 lines of 80 columns");
    const struct script many_problems = {.answer = every_second_wrong,
                                         .probe = reply_to_first_probe};
    o = RUN_SCRIPT(&many_problems, "-d", "200ms", "-R", "10k", "-c", "50",
                   "--idle", "5", "--warmup", "100ms", "--grace", "100ms", "-t",
                   "2");
    ok(column(o, "unsent") > 0 && column(o, "wrong") > 0 && fits_screen(o, 40),
       "a summary with many problems has at most 40 lines");
    ok(strchr(o->out, '\033') == NULL,
       "a summary that goes to a file has no colours");
}

// ---- The verdict

// Returns the duration that follows `text` in the summary, for example "301 ms"
// or "1.25 s", in us.
static double duration_us_after(const struct outcome *o, const char *text)
{
    const char *found = strstr(o->out, text);
    char unit[3] = "";
    double value = -1;
    if (found != NULL)
        sscanf(found + strlen(text), "%lf %2s", &value, unit);
    return value * (strcmp(unit, "s") == 0 ? 1e6 : 1e3);
}

// Checks --require. Reply STALL_AT takes STALL_MS, all others come at once.
void test_require(void)
{
    const struct outcome *o =
        RUN(stall_once, "-n", "50", "-c", "1", "--require", "max=100ms");
    ok(o->status == 1 && strstr(o->err, "max=100ms") != NULL,
       "a limit that was not kept gives status 1, and is named");
    o = RUN(stall_once, "-n", "50", "-c", "1", "--require",
            "max=1h,errors=0,requests=50");
    ok(o->status == 0 && o->err[0] == '\0',
       "limits that were kept give status 0");
    o = RUN(first_wrong, "-n", "50", "-c", "1", "--require", "p50=1h,wrong=0");
    ok(o->status == 1 && strstr(o->err, "wrong=0") != NULL &&
           strstr(o->err, "p50") == NULL,
       "each limit counts");
    o = RUN(first_wrong, "-n", "50", "-c", "1", "--require", "errors=1");
    ok(o->status == 0 && column(o, "errors") == 1, "errors=1 allows one error");
    o = RUN(right, "-n", "5", "--require", "connect_p50=1h");
    ok(o->status == 1 && strstr(o->err, "unknown") != NULL,
       "a limit on an unknown figure is not kept");
    o = RUN(right, "-n", "999", "--require", "p99=1h");
    ok(o->status == 1 &&
           strstr(o->err, "needs 1000 requests, there were 999") != NULL,
       "a percentile of too few requests is not kept, and needs 1000");
    o = RUN(right, "-n", "1000", "--require", "p99=1h,max=1h");
    ok(o->status == 0, "a percentile of enough requests is kept");
}

// Checks that --find-rate measures long enough for a percentile.
static void test_find_rate_of_percentile(void)
{
    const struct outcome *o =
        RUN(right, "-c", "1", "-R", "200", "-d", "100ms", "--warmup", "0",
            "--grace", "20s", "--find-rate", "rate=300,p90=1h");
    ok(o->status == 0 && column(o, "samples") >= 100 &&
           strstr(o->err, "too few requests to tell") != NULL,
       "--find-rate repeats a run with too few requests for longer");
    o = RUN(right, "-c", "1", "-R", "200", "-d", "10ms", "--warmup", "0",
            "--grace", "20s", "--find-rate", "p99=1h");
    ok(o->status == 2 && strstr(o->err, "give a longer -d") != NULL,
       "--find-rate asks for a longer -d if that takes too long");
}

// Checks --find-rate. Its limit here is on the rate itself, so the result does
// not depend on the speed of the machine.
void test_find_rate(void)
{
    static const char *const first[] = {"200", "2000"};
    for (int i = 0; i < 2; i++) {
        const struct outcome *o =
            RUN(right, "-c", "1", "-R", first[i], "-d", "100ms", "--warmup",
                "0", "--grace", "20s", "--find-rate", "rate=700,max=1h");
        ok(o->status == 0 && column(o, "rate") <= 700 &&
               column(o, "rate") * 1.06 >= 700 && column(o, "requests") > 0,
           "--find-rate finds the highest rate, from -R %s on", first[i]);
    }
    const struct outcome *o = RUN(right, "-c", "1", "-d", "20ms", "--warmup",
                                  "0", "--find-rate", "rate=0");
    ok(o->status == 2 && strstr(o->err, "no rate") != NULL,
       "--find-rate says if no rate keeps the limit");
    test_find_rate_of_percentile();
}

void test_verdict(void)
{
    const struct outcome *o = RUN(first_wrong, "-n", "50", "-c", "1");
    ok(column(o, "marked") == 3 && says(o, SAYS_INCOMPLETE),
       "a wrong reply makes the verdict incomplete");
    o = RUN(stall_once, "-n", "50", "-c", "1");
    double gap_us = column(o, "longest_gap_us");
    double said_us = duration_us_after(o, SAYS_LONGEST_GAP);
    ok(gap_us >= STALL_MS * 1000 && near(said_us / gap_us, 1, 0.005),
       "the report has the longest gap on a connection");
}

// output.c - what the client says, and where: files, the summary, the verdict.

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

void test_columns(void)
{
    static const char wanted[] =
        "model,connections,idle,n,duration_s,requests,req_per_s,wrong,"
        "error_replies,failed,timeouts,served,p50_us,p90_us,p99_us,p999_us,"
        "max_us,mean_us,jain,server_user_s,server_sys_s,"
        "server_cpu_us_per_req,ctx_switches,processes,threads,rss_kib,pss_kib,"
        "client_cpu_share";
    const struct outcome *o = RUN(right, "-n", "10", "-c", "2");
    ok(strncmp(o->header, wanted, strlen(wanted)) == 0, "the columns in order");
    o = RUN(right, "-n", "10", "--label", "round=3", "--label", "model=x");
    ok(strncmp(o->header, "round,model,", 12) == 0 &&
           strncmp(o->row, "3,x,", 4) == 0,
       "labels come in front");
}

// Whether each request was due before it was sent, and sent before it was done.
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
       "a line for each of 100 requests");
    ok(timeline_count(t, "right") == 90 && timeline_count(t, "wrong") == 10 &&
           is_in_order(t),
       "with its outcome, due before sent before done");
    o = RUN(no_reply, "-d", "200ms", "--warmup", "0", "--grace", "0", "-c", "3",
            "--timeline", path);
    t = timeline_read(path);
    ok(o->status == 1 && t->count == record->requests && t->count > 0 &&
           timeline_count(t, "unanswered") == t->count,
       "unanswered ones as well");
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
       "a table of percentiles, of all requests");
    close(fd);
    unlink(path);
}

void test_files(void)
{
    test_timeline();
    test_percentile_table();
}

// ---- The summary

void test_summary(void)
{
    const struct outcome *o = RUN(right, "-n", "10", "-c", "1");
    ok(says(o, SAYS_LOAD) && says(o, SAYS_REPLIES) && o->err[0] == '\0',
       "a summary on standard output");
    ok(says(o, SAYS_TOO_FEW), "too few samples for percentiles");
    o = RUN(right, "-n", "10", "--json", "-", "--each");
    ok(o->status == 0 && o->out[0] == '{' && says(o, "\"verdict\": \"") &&
           says(o, "\n}\n") && !says(o, SAYS_LATENCY),
       "JSON has standard output to itself");
    ok(strstr(o->err, SAYS_REPLIES) != NULL &&
           strstr(o->err, SAYS_EACH) != NULL,
       "the rest is on standard error");
    client_output_file = "/dev/full";
    o = RUN(right, "-n", "10");
    ok(o->status == 1 && strstr(o->err, strerror(ENOSPC)) != NULL,
       "a full disk is noticed");
}

// Whether the summary fits a terminal.
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

// Without the client's own part of the latency, which takes two lines more on
// a busy machine.
void test_screen(void)
{
    const struct outcome *o = RUN(right, "-d", "1500ms", "-R", "100", "--hogs",
                                  "2", "--hog-fib", "20", "--warmup", "100ms",
                                  "--churn", "--no-stamps", "--grace", "20s");
    ok(fits_screen(o, 24), "a long summary has 24 lines of 80 columns");
    const struct script many_problems = {.answer = every_second_wrong,
                                         .greet = greet_only_first};
    o = RUN_SCRIPT(&many_problems, "-d", "200ms", "-R", "10k", "-c", "50",
                   "--idle", "5", "--warmup", "100ms", "--grace", "100ms", "-t",
                   "2");
    ok(column(o, "unsent") > 0 && column(o, "wrong") > 0 && fits_screen(o, 40),
       "one with many problems has 40 at most");
    ok(strchr(o->out, '\033') == NULL, "colours are for terminals alone");
}

// ---- The verdict

// The duration after a text of the summary, "301 ms" or "1.25 s", in us.
static double duration_us_after(const struct outcome *o, const char *text)
{
    const char *found = strstr(o->out, text);
    char unit[3] = "";
    double value = -1;
    if (found != NULL)
        sscanf(found + strlen(text), "%lf %2s", &value, unit);
    return value * (strcmp(unit, "s") == 0 ? 1e6 : 1e3);
}

void test_verdict(void)
{
    const struct outcome *o = RUN(first_wrong, "-n", "50", "-c", "1");
    ok(column(o, "marked") == 3 && says(o, SAYS_INCOMPLETE),
       "a wrong reply costs the verdict");
    o = RUN(stall_once, "-n", "50", "-c", "1");
    double gap_us = column(o, "silence_us");
    double said_us = duration_us_after(o, SAYS_LONGEST_GAP);
    ok(gap_us >= STALL_MS * 1000 && near(said_us / gap_us, 1, 0.005),
       "the longest gap on a connection is noticed");
}

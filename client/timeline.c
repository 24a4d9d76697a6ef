// timeline.c - the file of --timeline: what happened to every request.

#include "timeline.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

enum { US_SIZE = 32 };

int timeline_open(struct timeline *t, const char *path)
{
    static const char suffix[] = ".json";
    *t = (struct timeline){0};
    if (path == NULL)
        return 0;
    size_t len = strlen(path), suffix_len = sizeof suffix - 1;
    t->file = fopen(path, "we");
    if (t->file == NULL)
        return -1;
    t->is_trace =
        len >= suffix_len && strcmp(path + len - suffix_len, suffix) == 0;
    if (t->is_trace)
        fprintf(t->file,
                "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
                "{\"ph\":\"M\",\"pid\":%d,\"name\":\"process_name\","
                "\"args\":{\"name\":\"fibload\"}}",
                (int)getpid());
    else
        fputs("connection,kind,due_ns,sent_ns,done_ns,outcome\n", t->file);
    return 0;
}

// ---- CSV

static void print_time(char text[US_SIZE], int64_t ns, int64_t window_ns)
{
    text[0] = '\0';
    if (ns != TIMELINE_NEVER)
        snprintf(text, US_SIZE, "%" PRId64, ns - window_ns);
}

static void write_line(FILE *file, int64_t window_ns,
                       const struct timeline_request *r)
{
    char connection[16] = "", sent[US_SIZE], done[US_SIZE];
    print_time(sent, r->sent_ns, window_ns);
    print_time(done, r->has_reply ? r->end_ns : TIMELINE_NEVER, window_ns);
    if (r->connection >= 0)
        snprintf(connection, sizeof connection, "%d", r->connection);
    // A single printf(): no other thread can write into the line.
    fprintf(file, "%s,%s,%" PRId64 ",%s,%s,%s\n", connection,
            r->is_hog ? "hog" : "stream", r->due_ns - window_ns, sent, done,
            r->outcome);
}

// ---- Chrome trace events

// Microseconds with three decimals, as these events have them.
static const char *print_us(char text[US_SIZE], int64_t ns)
{
    snprintf(text, US_SIZE, "%" PRId64 ".%03d", ns / 1000, (int)(ns % 1000));
    return text;
}

// A bar from when the request was sent to its end, in the row of its
// connection: one more than its number, as no thread has the number 0.
static void write_sent(FILE *file, const struct timeline_request *r)
{
    char begin[US_SIZE], length[US_SIZE], due[US_SIZE];
    fprintf(file,
            ",\n{\"ph\":\"X\",\"cat\":\"request\",\"name\":\"fib(%.*s)\","
            "\"pid\":%d,\"tid\":%d,\"ts\":%s,\"dur\":%s,\"args\":{"
            "\"port\":%d,\"due_us\":%s,\"outcome\":\"%s\"}}",
            r->n_len, r->n, (int)getpid(), r->connection + 1,
            print_us(begin, r->sent_ns),
            print_us(length, r->end_ns - r->sent_ns), r->port,
            print_us(due, r->due_ns), r->outcome);
}

// The time for which a request was due and not sent, in a row of its own: many
// may be due at once.
static void write_due(FILE *file, const struct timeline_request *r)
{
    static atomic_int last_id;
    char begin[US_SIZE], end[US_SIZE];
    int id = ++last_id, pid = (int)getpid(), tid = r->connection + 1;
    bool is_sent = r->sent_ns != TIMELINE_NEVER;
    print_us(begin, r->due_ns);
    print_us(end, is_sent ? r->sent_ns : r->end_ns);
    fprintf(file,
            ",\n{\"ph\":\"b\",\"cat\":\"due\",\"name\":\"due, not sent\","
            "\"id\":%d,\"pid\":%d,\"tid\":%d,\"ts\":%s}"
            ",\n{\"ph\":\"e\",\"cat\":\"due\",\"name\":\"due, not sent\","
            "\"id\":%d,\"pid\":%d,\"tid\":%d,\"ts\":%s}",
            id, pid, tid, begin, id, pid, tid, end);
}

void timeline_write(const struct timeline *t, int64_t window_ns,
                    const struct timeline_request *r)
{
    if (t->file == NULL)
        return;
    if (!t->is_trace && r->due_ns >= window_ns)
        write_line(t->file, window_ns, r);
    if (t->is_trace && r->due_ns != r->sent_ns)
        write_due(t->file, r);
    if (t->is_trace && r->sent_ns != TIMELINE_NEVER)
        write_sent(t->file, r);
}

int timeline_close(struct timeline *t)
{
    if (t->file == NULL)
        return 0;
    if (t->is_trace)
        fputs("\n]}\n", t->file);
    return output_close(t->file);
}

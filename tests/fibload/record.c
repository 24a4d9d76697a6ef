// record.c - what a scripted server received and sent, and the bounds that
// follow for the client's figures.

#include "record.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static const double NS_PER_US = 1e3, NS_PER_S = 1e9;

struct record *record;

void record_clear(void)
{
    if (record == NULL)
        record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(record, 0, sizeof *record);
}

static int64_t read_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t record_now_ns(void)
{
    return read_clock_ns(CLOCK_MONOTONIC);
}

int64_t record_cpu_ns(void)
{
    return read_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void record_request(void)
{
    static int64_t last_ns;
    int64_t now_ns = record_now_ns();
    if (record->requests == 0)
        record->probes_at_first = record->probes;
    else if (now_ns - last_ns > record->longest_gap_ns)
        record->longest_gap_ns = now_ns - last_ns;
    if (record->requests < RECORD_TIMES_MAX)
        record->received_ns[record->requests] = now_ns;
    record->requests++;
    last_ns = now_ns;
}

void record_reply(int connection)
{
    if (record->replies < RECORD_TIMES_MAX)
        record->replied_ns[record->replies] = record_now_ns();
    record->replies++;
    if (connection < RECORD_CONNECTIONS_MAX)
        record->replies_on[connection]++;
}

double record_span_s(void)
{
    int last = record->replies > 0 ? record->replies - 1 : 0;
    int64_t last_ns = record->replied_ns[last];
    return (double)(last_ns - record->received_ns[0]) / NS_PER_S;
}

double record_held_s(void)
{
    int64_t held_ns = 0;
    for (int i = 0; i < record->replies; i++)
        held_ns += record->replied_ns[i] - record->received_ns[i];
    return (double)held_ns / NS_PER_S;
}

double record_jain(int count)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < count; i++) {
        sum += record->replies_on[i];
        squares += (double)record->replies_on[i] * record->replies_on[i];
    }
    return sum * sum / (count * squares);
}

int record_fewest(int count)
{
    int fewest = record->replies_on[0];
    for (int i = 1; i < count; i++)
        if (record->replies_on[i] < fewest)
            fewest = record->replies_on[i];
    return fewest;
}

int record_most(int count)
{
    int most = 0;
    for (int i = 0; i < count; i++)
        if (record->replies_on[i] > most)
            most = record->replies_on[i];
    return most;
}

// ---- Bounds
//
// The client reads reply i only after the server has sent it, and sends request
// i + depth only after it has read reply i. So it sends request i after reply
// i - depth, but before the server receives request i. It reads reply i after
// the server has sent it, but before the server receives request i + depth.

static int64_t earliest_send_ns(int i, int depth)
{
    return i < depth ? record->probe_ns : record->replied_ns[i - depth];
}

static int64_t latest_read_ns(int i, int depth)
{
    return i + depth < record->requests ? record->received_ns[i + depth]
                                        : record->closed_ns;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void record_sort(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
}

// Sorts the values. Returns the smallest value such that `percent` of all
// values are not larger.
static double percentile(double *values, int count, double percent)
{
    int rank = (int)(percent * count / 100);
    rank += rank * 100 < percent * count || rank == 0;
    record_sort(values, count);
    return values[rank - 1];
}

static struct bounds bounds_of(double *low_us, double *high_us, double percent)
{
    return (struct bounds){
        .low_us = percentile(low_us, record->replies, percent),
        .high_us = percentile(high_us, record->replies, percent),
    };
}

struct bounds record_latency_of(int i, int depth)
{
    int64_t low_ns = record->replied_ns[i] - record->received_ns[i];
    int64_t high_ns = latest_read_ns(i, depth) - earliest_send_ns(i, depth);
    return (struct bounds){.low_us = (double)low_ns / NS_PER_US,
                           .high_us = (double)high_ns / NS_PER_US};
}

struct bounds record_latency(double percent, int depth)
{
    static double low_us[RECORD_TIMES_MAX], high_us[RECORD_TIMES_MAX];
    for (int i = 0; i < record->replies; i++) {
        struct bounds bounds = record_latency_of(i, depth);
        low_us[i] = bounds.low_us;
        high_us[i] = bounds.high_us;
    }
    return bounds_of(low_us, high_us, percent);
}

// Request 0 is due when the schedule begins. That is after the reply to the
// probe, and before the server receives request 0.
struct bounds record_latency_from_due(double percent, double rate)
{
    static double low_us[RECORD_TIMES_MAX], high_us[RECORD_TIMES_MAX];
    for (int i = 0; i < record->replies; i++) {
        double due_ns = i * NS_PER_S / rate;
        int64_t since_ns = record->replied_ns[i] - record->received_ns[0];
        int64_t until_ns = latest_read_ns(i, 1) - record->probe_ns;
        double low_ns = (double)since_ns - due_ns;
        low_us[i] = low_ns > 0 ? low_ns / NS_PER_US : 0;
        high_us[i] = ((double)until_ns - due_ns) / NS_PER_US;
    }
    return bounds_of(low_us, high_us, percent);
}

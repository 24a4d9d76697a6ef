// result.c - what happened in a run: counted, summed up, and what follows.

#include "result.h"

#include <errno.h>

#include "clock.h"

void result_count_failure(struct result *r, int error)
{
    r->failed++;
    r->failed_by_errno[error < RESULT_ERRNO_MAX ? error : EPROTO]++;
}

static void count_silence(struct result *r, const struct connection *c,
                          int64_t now_ns)
{
    if (now_ns - c->last_ns > r->silence_ns)
        r->silence_ns = now_ns - c->last_ns;
}

void result_count_right(struct result *r, struct connection *c,
                        const struct sample *sample, bool in_window)
{
    if (in_window) {
        r->right++;
        r->served += c->replies++ == 0;
        count_silence(r, c, sample->done_ns);
        c->last_ns = sample->done_ns;
    } else {
        r->late++;
    }
    uint64_t latency_ns = (uint64_t)(sample->done_ns - sample->due_ns);
    histogram_add(&r->latency, latency_ns);
    histogram_add(&r->stages[r->stage].latency, latency_ns);
    // A stamp before the request was sent means that the wall clock was set.
    if (sample->arrived_ns > sample->sent_ns)
        histogram_add(&r->arrival,
                      (uint64_t)(sample->arrived_ns - sample->due_ns));
    if (r->open_loop)
        histogram_add(&r->service,
                      (uint64_t)(sample->done_ns - sample->sent_ns));
}

void result_count_hog(struct result *r, int64_t latency_ns)
{
    histogram_add(&r->hog_latency, (uint64_t)latency_ns);
}

void result_count_connect(struct result *r, int64_t latency_ns)
{
    histogram_add(&r->connects, (uint64_t)latency_ns);
}

void result_count_lateness(struct result *r, int64_t due_ns, int64_t ready_ns)
{
    bool queued = ready_ns > due_ns;
    int64_t could_ns = queued ? ready_ns : due_ns;
    r->queued += queued;
    histogram_add(&r->lateness, (uint64_t)(clock_now_ns() - could_ns));
}

void result_count_bad(struct result *r, enum reply_verdict verdict)
{
    if (verdict == REPLY_ERROR)
        r->error_replies++;
    else
        r->wrong++;
}

void result_count_age(struct result *r, int64_t age_ns)
{
    histogram_add(&r->latency, (uint64_t)age_ns);
}

static void count_at_the_end(struct result *r, int64_t age_ns)
{
    result_count_age(r, age_ns);
    if (age_ns > r->oldest_ns)
        r->oldest_ns = age_ns;
}

void result_count_unanswered(struct result *r, int64_t age_ns)
{
    r->unanswered++;
    count_at_the_end(r, age_ns);
}

void result_count_unsent(struct result *r, int64_t age_ns)
{
    r->unsent++;
    count_at_the_end(r, age_ns);
}

static void count_share(struct result *r, uint64_t replies)
{
    r->least = replies < r->least ? replies : r->least;
    r->most = replies > r->most ? replies : r->most;
    r->squares += (double)replies * (double)replies;
}

void result_sum_up(struct result *r, const struct connection *connections,
                   int count, int64_t end_ns)
{
    r->least = UINT64_MAX;
    for (int i = 0; i < count; i++) {
        const struct connection *c = &connections[i];
        bool open = c->state == CONNECTION_OPEN;
        r->idle_connected += open && c->role == ROLE_IDLE;
        r->hogs_unanswered += c->under_way > 0 && c->role == ROLE_HOG;
        if (c->role != ROLE_STREAM)
            continue;
        r->connected += open;
        count_share(r, c->replies);
        if (r->measured)
            count_silence(r, c, end_ns);
    }
}

static void merge_counts(struct result *r, const struct result *from)
{
    r->right += from->right;
    r->late += from->late;
    r->replies += from->replies;
    r->wrong += from->wrong;
    r->error_replies += from->error_replies;
    r->failed += from->failed;
    r->timeouts += from->timeouts;
    r->unanswered += from->unanswered;
    r->lost += from->lost;
    r->unsent += from->unsent;
    r->queued += from->queued;
    for (int i = 0; i < RESULT_ERRNO_MAX; i++)
        r->failed_by_errno[i] += from->failed_by_errno[i];
}

static void merge_connections(struct result *r, const struct result *from)
{
    r->greeted += from->greeted;
    r->connected += from->connected;
    r->served += from->served;
    r->least = from->least < r->least ? from->least : r->least;
    r->most = from->most > r->most ? from->most : r->most;
    r->squares += from->squares;
    if (from->silence_ns > r->silence_ns)
        r->silence_ns = from->silence_ns;
    if (from->oldest_ns > r->oldest_ns)
        r->oldest_ns = from->oldest_ns;
}

static void merge_histograms(struct result *r, const struct result *from)
{
    histogram_merge(&r->latency, &from->latency);
    histogram_merge(&r->service, &from->service);
    histogram_merge(&r->lateness, &from->lateness);
    histogram_merge(&r->arrival, &from->arrival);
    histogram_merge(&r->connects, &from->connects);
    for (int i = STAGE_BEFORE; i <= STAGE_OVER; i++)
        histogram_merge(&r->stages[i].latency, &from->stages[i].latency);
}

void result_merge(struct result *r, const struct result *from)
{
    r->measured = r->measured || from->measured;
    r->interrupted = r->interrupted || from->interrupted;
    r->gone = r->gone || from->gone;
    if (from->duration_s > r->duration_s)
        r->duration_s = from->duration_s;
    if (from->ramp_s > r->ramp_s)
        r->ramp_s = from->ramp_s;
    r->client_cpu_share += from->client_cpu_share;
    r->delay_share += from->delay_share;
    merge_counts(r, from);
    merge_connections(r, from);
    merge_histograms(r, from);
}

// Jain's index: (sum x)^2 / (n * sum x^2), 1 when all x are equal, 1/n when one
// gets everything (Jain, Chiu, Hawe, DEC TR-301, 1984).
double result_jain(const struct result *r)
{
    double sum = (double)r->right;
    return r->squares > 0 ? sum * sum / (r->connections * r->squares) : 0;
}

bool result_is_good(const struct result *r)
{
    return r->measured && !r->gone && r->wrong == 0 && r->error_replies == 0 &&
           r->failed == 0 && r->timeouts == 0 && r->unanswered == 0 &&
           r->unsent == 0 && r->hogs_unanswered == 0 &&
           r->served == r->connections;
}

double result_rate(const struct result *r)
{
    return r->duration_s > 0 ? (double)r->right / r->duration_s : 0;
}

double result_stage_rate(const struct result *r, enum stage stage)
{
    const struct stage_result *s = &r->stages[stage];
    return s->duration_s > 0 ? (double)s->latency.count / s->duration_s : 0;
}

double result_own_share(const struct result *r)
{
    uint64_t all_ns = histogram_percentile(&r->latency, 50);
    uint64_t arrival_ns = histogram_percentile(&r->arrival, 50);
    if (2 * r->arrival.count < r->latency.count || arrival_ns >= all_ns)
        return 0;
    return 1 - (double)arrival_ns / (double)all_ns;
}

double result_in_flight(const struct result *r)
{
    const struct histogram *service = r->open_loop ? &r->service : &r->latency;
    return result_rate(r) * histogram_mean(service) / CLOCK_NS_PER_S;
}

double result_server_cpu_us(const struct result *r)
{
    return r->replies > 0 ? r->server.cpu_s * 1e6 / (double)r->replies : 0;
}

double result_server_cores(const struct result *r)
{
    return r->server_wall_s > 0 ? r->server.cpu_s / r->server_wall_s : 0;
}

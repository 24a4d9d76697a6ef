// count.c - what a worker counts: the outcome of each request, and its latency
// if the request belongs to the measurement.

#include <string.h>

#include "output.h"
#include "worker.h"

// Returns whether a request is measured: it belongs to the stream, and was sent
// in the window. A closed loop also measures requests of the warm-up whose
// replies arrive in the window, in place of those that are in flight at its
// end. With -n it does not, because exactly N requests are measured.
static bool is_measured(const struct worker *w, const struct conn *c,
                        const struct batch *batch)
{
    bool endless = w->opt->requests == 0 && !w->open_loop;
    return w->now_ns >= w->window_ns && c->role == ROLE_STREAM &&
           (batch->sent_ns >= w->window_ns || endless);
}

// Returns the interval of the window to which a reply read now belongs.
static enum timing interval(const struct worker *w)
{
    if (w->now_ns >= w->control->end_ns)
        return LATENCY_LATE;
    if (w->now_ns >= w->control->after_ns)
        return LATENCY_AFTER;
    return w->now_ns >= w->control->during_ns ? LATENCY_DURING : LATENCY_BEFORE;
}

// Writes the outcome of `n` requests of a batch to the timeline, if the user
// wants one. `c` is their connection, or NULL if none was free.
static void write_timeline(const struct worker *w, const struct conn *c,
                           const struct batch *batch, int n,
                           enum counter outcome)
{
    if (w->opt->timeline == NULL)
        return;
    const struct timeline_entry entry = {
        .conn = c,
        .batch = {batch->due_ns, batch->sent_ns, n},
        .end_ns = clock_max(w->now_ns, batch->sent_ns),
        .window_ns = w->window_ns,
        .outcome = outcome};
    files_write_timeline(&entry);
}

// ---- Replies

// Counts `n` right replies in the window for the figures of their connection.
static void count_for_conn(struct worker *w, struct conn *c, int n)
{
    int64_t gap_ns = w->now_ns - c->last_reply_ns;
    if (c->replies == 0)
        count_add(w, COUNT_SERVED, 1);
    c->replies += (uint64_t)n;
    if (gap_ns > w->stats.longest_gap_ns)
        COUNT_WRITE(w->stats.longest_gap_ns, gap_ns);
}

// Counts right replies to `n` measured requests of one batch.
static void count_right(struct worker *w, struct conn *c,
                        const struct batch *batch, int n)
{
    enum timing timing = interval(w);
    bool in_window = timing != LATENCY_LATE;
    int64_t latency_ns = w->now_ns - batch->due_ns;

    count_time(w, timing, latency_ns, n);
    count_add(w, in_window ? COUNT_RIGHT : COUNT_LATE, n);
    if (in_window)
        count_for_conn(w, c, n);
    c->last_reply_ns = w->now_ns;
    // Any other stamp is wrong: the wall clock was set.
    if (w->host_ns > batch->sent_ns && w->host_ns <= w->now_ns)
        count_time(w, TIME_ARRIVAL, w->host_ns - batch->due_ns, n);
    if (w->open_loop)
        count_time(w, TIME_SERVICE, w->now_ns - batch->sent_ns, n);
    for (int i = 0; w->opt->each && i < n; i++)
        output_each(w->opt, latency_ns);
}

// Keeps one of the first replies that are not right, for the summary.
static void keep_wrong(struct worker *w, const char *text, size_t len,
                       const char *expected, size_t expected_len)
{
    struct wrong_replies *all = w->control->wrong;
    int i = all->count < WRONG_REPLIES_MAX ? all->count++ : WRONG_REPLIES_MAX;
    if (i >= WRONG_REPLIES_MAX)
        return;
    struct wrong_reply *wrong = &all->replies[i];
    wrong->len = len < REPLY_SIZE ? len : REPLY_SIZE;
    wrong->expected_len = expected_len;
    memcpy(wrong->text, text, wrong->len);
    memcpy(wrong->expected, expected, expected_len);
}

// Tells the coordinator that a probe has been answered. Counts the first one of
// a connection only: if the server closes the connection, it sends another.
static void note_probe(struct worker *w, struct conn *c)
{
    w->control->probed_ns = w->now_ns;
    if (c->role != ROLE_IDLE && !c->probed)
        w->control->probed++;
    c->probed = true;
}

void count_replies(struct worker *w, struct conn *c,
                   const struct reply_found *found)
{
    static const enum counter outcomes[] = {[REPLY_RIGHT] = COUNT_RIGHT,
                                            [REPLY_WRONG] = COUNT_WRONG,
                                            [REPLY_ERROR] = COUNT_ERROR_REPLIES,
                                            [REPLY_ENDLESS] = COUNT_WRONG};
    const struct batch *batch = conn_oldest(c);
    enum counter outcome = outcomes[found->verdict];
    bool right = outcome == COUNT_RIGHT;

    write_timeline(w, c, batch, found->count, outcome);
    if (!right) {
        count_add(w, outcome, found->count);
        keep_wrong(w, c->reply.text, found->len, c->request->expected.lines,
                   c->request->expected.line_len);
    }
    if (c->request == &w->probe)
        note_probe(w, c);
    if (w->now_ns < w->window_ns)
        return;
    count_add(w, COUNT_REPLIES, found->count);
    w->last_reply_ns = w->now_ns;
    if (right && c->role == ROLE_HOG)
        count_time(w, LATENCY_HOG, w->now_ns - batch->sent_ns, found->count);
    else if (right && is_measured(w, c, batch))
        count_right(w, c, batch, found->count);
}

void count_surplus(struct worker *w, const char *bytes, size_t len)
{
    keep_wrong(w, bytes, len, "", 0);
    count_add(w, COUNT_WRONG, 1);
    count_add(w, COUNT_REPLIES, w->now_ns >= w->window_ns);
}

// ---- Requests without a reply

// Counts a batch that gets no reply. The latency includes the age of measured
// requests that timed out. At the end it includes the age of every request of
// the stream, even if it was sent in the warm-up. worker_sum_up() counts
// unanswered hogs.
static void count_no_reply(struct worker *w, const struct conn *c,
                           const struct batch *batch, enum counter outcome)
{
    int64_t age_ns = w->now_ns - batch->due_ns;
    bool at_end = outcome == COUNT_UNANSWERED || outcome == COUNT_UNSENT;
    bool is_stream = c == NULL || c->role == ROLE_STREAM;
    bool has_latency =
        at_end ? is_stream
               : outcome == COUNT_TIMEOUTS && is_measured(w, c, batch);

    write_timeline(w, c, batch, batch->count, outcome);
    if (outcome != COUNT_UNANSWERED || c->role != ROLE_HOG)
        count_add(w, outcome, batch->count);
    if (has_latency)
        count_time(w, LATENCY_LATE, age_ns, batch->count);
    if (has_latency && at_end)
        w->stats.oldest_ns = clock_max(w->stats.oldest_ns, age_ns);
}

void count_unreplied(struct worker *w, struct conn *c, enum counter outcome)
{
    if (c->request_waits) {
        int64_t due_ns = c->due_ns != 0 ? c->due_ns : c->since_ns;
        const struct batch waiting = {due_ns, TIMELINE_NEVER, 1};
        count_no_reply(w, c, &waiting, outcome);
        c->request_waits = false;
    }
    while (c->in_flight > 0) {
        const struct batch *batch = conn_oldest(c);
        count_no_reply(w, c, batch, outcome);
        conn_remove_oldest(c, batch->count);
    }
}

void count_unsent(struct worker *w, int64_t due_ns)
{
    const struct batch batch = {due_ns, TIMELINE_NEVER, 1};
    count_no_reply(w, NULL, &batch, COUNT_UNSENT);
}

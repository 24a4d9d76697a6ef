// fate.c - what becomes of requests: counted, and noted in the timeline.

#include "fate.h"

#include <inttypes.h>

void fate_failed(struct run *run, int error)
{
    run->last_error = error;
    if (run->reached)
        result_count_failure(run->result, error);
}

void fate_begin_timeline(FILE *file)
{
    if (file != NULL)
        fputs("connection,kind,due_ns,sent_ns,done_ns,outcome\n", file);
}

static void print_time(const struct run *run, int64_t ns)
{
    if (ns != NEVER)
        fprintf(run->shared->timeline, "%" PRId64, ns - run->begin_ns);
    fputc(',', run->shared->timeline);
}

void fate_note(struct run *run, const struct connection *c,
               const struct pending *request, int64_t done_ns,
               const char *outcome)
{
    FILE *file = run->shared->timeline;
    if (file == NULL || run->phase < PHASE_MEASURE ||
        request->due_ns < run->begin_ns)
        return;
    flockfile(file);  // A line is one thread's.
    if (c != NULL)
        fprintf(file, "%d", run->pool.first + (int)(c - run->pool.connections));
    fprintf(file, ",%s,", c != NULL && c->role == ROLE_HOG ? "hog" : "stream");
    print_time(run, request->due_ns);
    print_time(run, request->sent_ns);
    print_time(run, done_ns);
    fprintf(file, "%s\n", outcome);
    funlockfile(file);
}

// In a closed loop one of the warm-up is if it ends later: at any moment as
// many are under way. Not so if exactly N are to be measured.
bool fate_is_measured(const struct run *run, const struct connection *c,
                      const struct pending *request)
{
    bool closed = run->opt->requests == 0 && !run_is_open_loop(run);
    return run->phase >= PHASE_MEASURE && c->role == ROLE_STREAM &&
           (request->sent_ns >= run->begin_ns || closed);
}

void fate_lose(struct run *run, struct connection *c, int error)
{
    fate_failed(run, error);
    for (; c->under_way > 0; pool_answered(c)) {
        run->result->lost++;
        fate_note(run, c, connection_oldest(c), NEVER, "lost");
    }
    pool_drop(&run->pool, c);
}

bool fate_is_overdue(const struct run *run, const struct connection *c,
                     int64_t now_ns)
{
    return c->under_way > 0 &&
           now_ns - connection_oldest(c)->sent_ns >= run->opt->timeout_ns;
}

void fate_give_up(struct run *run, struct connection *c, int64_t now_ns)
{
    for (; c->under_way > 0; pool_answered(c)) {
        const struct pending *request = connection_oldest(c);
        run->result->timeouts++;
        fate_note(run, c, request, NEVER, "timeout");
        if (fate_is_measured(run, c, request))
            result_count_age(run->result, now_ns - request->due_ns);
    }
    pool_drop(&run->pool, c);
}

static void count_one_unanswered(struct run *run, const struct connection *c,
                                 const struct pending *request, int64_t now_ns)
{
    if (c->role == ROLE_STREAM)
        result_count_unanswered(run->result, now_ns - request->due_ns);
    fate_note(run, c, request, NEVER, "unanswered");
}

// A request that is being connected for, and not yet sent, counts as well.
static void count_unanswered(struct run *run, const struct connection *c,
                             int64_t now_ns)
{
    if (c->state == CONNECTION_OPENING && c->for_request) {
        int64_t due_ns = c->due_ns != 0 ? c->due_ns : c->since_ns;
        const struct pending request = {due_ns, NEVER};
        count_one_unanswered(run, c, &request, now_ns);
    }
    for (int i = 0; i < c->under_way; i++)
        count_one_unanswered(run, c, &c->pending[(c->oldest + i) % c->depth],
                             now_ns);
}

void fate_count_unanswered(struct run *run, int64_t now_ns)
{
    for (int i = 0; run->result->measured && i < run->pool.count; i++)
        count_unanswered(run, &run->pool.connections[i], now_ns);
}

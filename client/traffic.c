// traffic.c - who asks when, and what the replies mean.
//
// Each event is a reply that can be read, and reading it sends the next
// request. That makes two system calls per request, and a part of an
// epoll_wait() that is the smaller the more connections there are. If nearly
// all have a reply, it is not worth asking which: they are tried in turn, which
// saves a tenth of the CPU time.

#include "traffic.h"

#include <errno.h>

#include "fate.h"
#include "report.h"
#include "stages.h"

enum { RECEIVE_SIZE = 4096, TRIES_MAX = 256, HITS_PER_MISS = 64 };

#define CONNECT_NS MS(5000)  // for one connection
#define REOPEN_NS MS(100)    // after a failure

// ---- Requests

void traffic_begin_schedule(struct run *run, int64_t now_ns)
{
    if (run_is_open_loop(run))
        schedule_begin(&run->schedule, (double)run->opt->rate,
                       run->opt->poisson, now_ns, run->index,
                       run->opt->threads);
}

// Whether more may be sent in this phase. In the grace of an open loop, what
// was due before it still is.
static bool may_ask(const struct run *run)
{
    bool owing = run->phase == PHASE_MEASURE ||
                 (run->phase == PHASE_GRACE && run_is_open_loop(run));

    if (run->phase == PHASE_WARMUP)
        return run->opt->warmup_ns > 0;
    if (!owing ||
        (run_is_open_loop(run) && run->schedule.due_ns >= run->end_ns))
        return false;
    return run->opt->requests == 0 || run->owed > 0;
}

// Takes up to `count` requests of those that are to be sent. Returns how many
// there were.
static int claim(struct run *run, int count)
{
    if (run->opt->requests == 0 || run->phase < PHASE_MEASURE)
        return count;
    if (count > run->owed)
        count = (int)run->owed;
    run->owed -= count;
    return count;
}

bool traffic_is_over(const struct run *run)
{
    return !may_ask(run) && run->request.under_way == 0 &&
           !(run->opt->churn && run->pool.opening > 0);
}

// When the next connection may ask.
static int64_t next_ask_ns(const struct run *run)
{
    const struct connection *c = pool_next(&run->pool);
    if (c == NULL || !may_ask(run))
        return INT64_MAX;
    if (run_is_open_loop(run) && run->schedule.due_ns > c->ready_ns)
        return run->schedule.due_ns;
    return c->ready_ns;
}

int64_t traffic_next_ns(const struct run *run)
{
    int64_t next_ns = next_ask_ns(run);
    return run->opt->slow > 0 && run->slow_ns < next_ns ? run->slow_ns
                                                        : next_ns;
}

static void ask(struct run *run, struct connection *c, struct request *request,
                int count, int64_t due_ns)
{
    if (pool_ask(&run->pool, c, request, count, due_ns) != 0)
        fate_lose(run, c, errno);
}

// Opens a connection for a request, which is sent when that is done.
static void open_for_request(struct run *run, struct connection *c,
                             int64_t due_ns)
{
    pool_drop(&run->pool, c);
    if (pool_open(&run->pool, c) != 0) {
        fate_failed(run, errno);
        return;
    }
    c->for_request = true;
    c->due_ns = due_ns;
}

// A connection asks one request that is due, or all it has room for.
static void ask_next(struct run *run, struct connection *c)
{
    bool open_loop = run_is_open_loop(run);
    int count = claim(run, open_loop ? 1 : c->depth - c->under_way);
    int64_t due_ns = 0, ready_ns = c->ready_ns;

    if (open_loop)
        due_ns = schedule_take(&run->schedule);
    if (open_loop && run->phase >= PHASE_MEASURE)
        result_count_lateness(run->result, due_ns, ready_ns);
    if (run->opt->churn)
        open_for_request(run, c, due_ns);
    else
        ask(run, c, &run->request, count, due_ns);
    if (connection_has_room(c))
        pool_enqueue(&run->pool, c, ready_ns);
}

static bool can_ask(const struct run *run, const struct connection *c)
{
    return run->opt->churn ? c->state != CONNECTION_OPENING
                           : connection_has_room(c);
}

static void feed(struct run *run, int64_t now_ns)
{
    while (next_ask_ns(run) <= now_ns) {
        struct connection *c = pool_dequeue(&run->pool);
        if (can_ask(run, c))
            ask_next(run, c);
    }
}

// After the hello a connection may have to be slow.
static int set_pace(struct run *run, struct connection *c)
{
    return run->opt->slow == 0 || c->slow ? 0 : pool_slow_down(&run->pool, c);
}

// A connection has room: it asks at once, or when its turn comes.
static void go_on(struct run *run, struct connection *c, int64_t now_ns)
{
    if (!connection_has_room(c))
        return;
    if (c->role == ROLE_HOG && stages_hogs_ask(run, now_ns))
        ask(run, c, &run->hog, 1, 0);
    if (c->role != ROLE_STREAM)
        return;
    if (run->opt->churn && run->phase > PHASE_HELLO) {
        connection_reset_on_close(c);
        pool_drop(&run->pool, c);
    } else if (set_pace(run, c) != 0) {
        fate_lose(run, c, errno);
        return;
    }
    pool_enqueue(&run->pool, c, now_ns + run->opt->think_ns);
}

void traffic_feed_hogs(struct run *run, int64_t now_ns)
{
    for (int i = 0; run->opt->hogs > 0 && i < run->pool.count; i++)
        if (run->pool.connections[i].role == ROLE_HOG)
            go_on(run, &run->pool.connections[i], now_ns);
}

void traffic_count_unsent(struct run *run, int64_t now_ns)
{
    while (run->result->measured && may_ask(run)) {
        claim(run, 1);
        int64_t due_ns = schedule_take(&run->schedule);
        const struct pending request = {due_ns, NEVER};
        result_count_unsent(run->result, now_ns - due_ns);
        fate_note(run, NULL, &request, NEVER, "unsent");
    }
}

// ---- Replies

// When received bytes reached this host (0: unknown), and when we read them.
struct arrival {
    int64_t host_ns, read_ns;
};

static void count_right(struct run *run, struct connection *c,
                        const struct arrival *at)
{
    const struct pending *request = connection_oldest(c);
    int64_t now_ns = at->read_ns;
    struct sample sample = {request->due_ns, request->sent_ns, at->host_ns,
                            now_ns};
    if (c->role == ROLE_HOG && run->phase >= PHASE_MEASURE)
        result_count_hog(run->result, now_ns - sample.sent_ns);
    if (!fate_is_measured(run, c, request))
        return;
    result_count_right(run->result, c, &sample, run->phase == PHASE_MEASURE);
    if (run->opt->interval_ns > 0)
        histogram_add(&run->lately, (uint64_t)(now_ns - sample.due_ns));
    if (run->opt->each)
        report_each(run->opt, now_ns - sample.due_ns);
}

static void count_reply(struct run *run, struct connection *c,
                        enum reply_verdict verdict, const struct arrival *at)
{
    static const char *const outcomes[] = {[REPLY_RIGHT] = "right",
                                           [REPLY_WRONG] = "wrong",
                                           [REPLY_ERROR] = "error",
                                           [REPLY_ENDLESS] = "wrong"};
    if (run->phase >= PHASE_MEASURE) {
        run->result->replies++;
        run->last_reply_ns = at->read_ns;
    }
    if (c->under_way > 0)
        fate_note(run, c, connection_oldest(c), at->read_ns, outcomes[verdict]);
    if (verdict == REPLY_RIGHT)
        count_right(run, c, at);
    else
        result_count_bad(run->result, verdict);
}

// Judges received bytes, reply by reply.
static void take(struct run *run, struct connection *c, const char *bytes,
                 size_t len, const struct arrival *at)
{
    while (len > 0) {
        enum reply_verdict verdict = REPLY_ENDLESS;  // More than we asked for.
        size_t used = len;
        if (c->under_way > 0)
            used = reply_take(&c->reply, &c->request->wanted, bytes, len,
                              &verdict);
        if (verdict == REPLY_INCOMPLETE)
            return;
        count_reply(run, c, verdict, at);
        if (verdict == REPLY_ENDLESS) {
            pool_drop(&run->pool, c);
            return;
        }
        pool_answered(c);
        bytes += used;
        len -= used;
    }
}

// Returns false if there was nothing to receive.
static bool receive(struct run *run, struct connection *c)
{
    char buf[RECEIVE_SIZE];
    int64_t stamp_ns;
    long len = connection_receive(c, buf, c->slow ? 1 : sizeof buf, &stamp_ns);
    int64_t now_ns = clock_now_ns();
    struct arrival at = {.read_ns = now_ns};

    if (len < 0 && errno == EAGAIN)
        return false;
    if (len <= 0) {
        fate_lose(run, c, len == 0 ? 0 : errno);
    } else if (fate_is_overdue(run, c, now_ns)) {
        fate_give_up(run, c, now_ns);
    } else {
        if (stamp_ns != 0)
            at.host_ns = stamp_ns - run->wall_offset_ns;
        take(run, c, buf, (size_t)len, &at);
    }
    go_on(run, c, now_ns);
    feed(run, now_ns);
    return true;
}

bool traffic_try(struct run *run)
{
    struct pool *pool = &run->pool;
    int tries = pool->stream_count, misses = 0;
    if (tries > TRIES_MAX)
        tries = TRIES_MAX;
    for (int i = 0; i < tries && misses * HITS_PER_MISS <= tries; i++) {
        struct connection *c = &pool->stream[run->next_try];
        run->next_try = (run->next_try + 1) % pool->stream_count;
        misses += c->under_way == 0 || c->slow || !receive(run, c);
    }
    return misses * HITS_PER_MISS <= tries;
}

static void push(struct run *run, struct connection *c)
{
    if (pool_push(&run->pool, c) != 0)
        fate_lose(run, c, errno);
}

// All slow connections send a byte, or read one.
static void go_on_slowly(struct run *run, int64_t now_ns)
{
    if (run->opt->slow == 0 || now_ns < run->slow_ns)
        return;
    run->slow_ns = now_ns + CLOCK_NS_PER_S / run->opt->slow;
    for (int i = 0; i < run->pool.count; i++) {
        struct connection *c = &run->pool.connections[i];
        if (!c->slow || c->under_way == 0)
            continue;
        if (c->unsent > 0)
            push(run, c);
        else
            receive(run, c);
    }
}

void traffic_feed(struct run *run, int64_t now_ns)
{
    go_on_slowly(run, now_ns);
    feed(run, now_ns);
}

// ---- Connections

static void opened(struct run *run, struct connection *c)
{
    int64_t began_ns = c->since_ns;
    if (pool_opened(&run->pool, c) != 0) {
        fate_failed(run, errno);
        return;
    }
    run->reached = true;
    atomic_store(&run->shared->alive_ns, c->since_ns);
    if (c->role == ROLE_IDLE)
        return;
    if (c->for_request) {
        if (run->phase == PHASE_MEASURE)
            result_count_connect(run->result, c->since_ns - began_ns);
        if (set_pace(run, c) == 0)
            ask(run, c, &run->request, 1, c->due_ns);
        return;
    }
    if (run->phase <= PHASE_HELLO)
        ask(run, c, &run->hello, 1,
            0);  // It may ask more when this is answered.
    else
        go_on(run, c, c->since_ns);
}

void traffic_event(struct run *run, struct connection *c, uint32_t events)
{
    if (c->state == CONNECTION_OPENING) {
        opened(run, c);
        return;
    }
    if (c->state == CONNECTION_CLOSED)
        return;  // Since these events were fetched.
    if (events & EPOLLOUT)
        push(run, c);
    if ((events & ~(uint32_t)EPOLLOUT) && c->state == CONNECTION_OPEN)
        receive(run, c);
}

void traffic_look_at(struct run *run, struct connection *c, int64_t now_ns)
{
    int64_t age_ns = now_ns - c->since_ns;

    if (fate_is_overdue(run, c, now_ns)) {
        fate_give_up(run, c, now_ns);
    } else if (c->state == CONNECTION_OPENING && age_ns >= CONNECT_NS) {
        pool_drop(&run->pool, c);
        fate_failed(run, ETIMEDOUT);
    } else if (c->state == CONNECTION_CLOSED && age_ns >= REOPEN_NS &&
               run->phase < PHASE_GRACE && !(run->opt->churn && c->ready)) {
        if (pool_open(&run->pool, c) != 0)
            fate_failed(run, errno);
    }
}

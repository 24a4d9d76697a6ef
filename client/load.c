// load.c - the loop that keeps the connections busy, and measures.
//
// One thread, one epoll: each event is a reply that can be read, and reading it
// sends the next request. That makes two system calls per request, and a part
// of an epoll_wait() that is the smaller the more connections there are.
//
// A run is a sequence of phases. Before the load begins, every connection says
// hello: it asks one tiny request, so that the server has accepted it and given
// it its process or thread. Else the first second of a server with a thousand
// clients would show how fast it starts them.

#include "load.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "clock.h"
#include "pool.h"
#include "progress.h"
#include "report.h"

enum { EVENTS_AT_ONCE = 256, RECEIVE_SIZE = 4096, HELLO_N = 1 };

#define MS(n) ((n) * (int64_t)CLOCK_NS_PER_MS)

#define CONNECT_NS MS(5000)   // for one connection
#define RAMP_NS MS(5000)      // for all connections
#define HELLO_MIN_NS MS(300)  // for all to be answered once
#define HELLO_WARMUPS 2       // the same, as a multiple of the warm-up
#define SETTLE_NS MS(100)     // for the last replies of the warm-up
#define LOOK_MAX_NS MS(100)   // between looks around
#define REOPEN_NS MS(100)     // after a failure
#define GONE_NS MS(5000)      // without any connection

enum phase {
    PHASE_REACH,    // one connection looks for an address that answers
    PHASE_RAMP,     // the others are opened; each says hello
    PHASE_HELLO,    // their first replies are waited for
    PHASE_WARMUP,   // requests, not yet counted
    PHASE_SETTLE,   // no new requests: the server is to be looked at
    PHASE_MEASURE,  // requests, counted
    PHASE_GRACE,    // no new requests, outstanding replies are waited for
    PHASE_OVER,
};

struct load {
    const struct options *opt;
    struct result *result;
    struct pool pool;
    const struct addrinfo *next_address;  // to try, if the last is no good
    struct request hello, request;
    enum phase phase;
    int64_t phase_end_ns;
    bool reached;    // one connection, at least, was open once
    int last_error;  // why the last connection failed
    int64_t look_ns, look_interval_ns;
    int64_t alive_ns;  // when a connection was last seen open
    uint64_t asked;    // requests sent since the window began
    int64_t begin_ns;  // of the window
    int64_t begin_cpu_ns;
    int64_t last_reply_ns;
    struct usage server_before;
    struct progress progress;
};

static volatile sig_atomic_t interrupted;

void load_interrupt(void)
{
    interrupted = 1;
}

static void enter(struct load *load, enum phase phase, int64_t limit_ns)
{
    load->phase = phase;
    load->phase_end_ns = clock_now_ns() + limit_ns;
}

// ---- Requests and replies

// Counts a connection that failed because of `error`. As long as no address has
// answered, that only says that it is not this one.
static void fail(struct load *load, int error)
{
    load->last_error = error;
    if (load->reached)
        result_count_failure(load->result, error);
}

// What is to be asked in this phase; NULL: nothing.
static struct request *next_request(struct load *load)
{
    uint64_t max = (uint64_t)load->opt->requests;
    if (load->phase <= PHASE_HELLO)
        return &load->hello;
    if (load->phase == PHASE_WARMUP ||
        (load->phase == PHASE_MEASURE && (max == 0 || load->asked < max)))
        return &load->request;
    return NULL;
}

static void ask(struct load *load, struct connection *c)
{
    struct request *request = next_request(load);
    if (c->idle || request == NULL)
        return;
    load->asked += load->phase == PHASE_MEASURE;
    if (pool_ask(&load->pool, c, request) != 0)
        fail(load, errno);
}

static void ask_all(struct load *load)
{
    for (int i = 0; i < load->pool.tried; i++)
        if (load->pool.connections[i].state == CONNECTION_QUIET)
            ask(load, &load->pool.connections[i]);
}

// Whether what becomes of the request of `c` is part of the measurement. One of
// the warm-up is if it ends later: at any moment as many are under way. Not so
// if exactly N are to be measured.
static bool is_measured(const struct load *load, const struct connection *c)
{
    return load->phase >= PHASE_MEASURE &&
           (c->since_ns >= load->begin_ns || load->opt->requests == 0);
}

static void count_reply(struct load *load, struct connection *c,
                        enum reply_verdict verdict, int64_t now_ns)
{
    int64_t latency_ns = now_ns - c->since_ns;

    if (load->phase >= PHASE_MEASURE) {
        load->result->replies++;
        load->last_reply_ns = now_ns;
    }
    if (verdict != REPLY_RIGHT) {
        result_count_bad(load->result, verdict);
    } else if (is_measured(load, c)) {
        bool in_window = load->phase == PHASE_MEASURE;
        result_count_right(load->result, c, latency_ns, in_window);
        progress_count(&load->progress, latency_ns);
        if (load->opt->each)
            report_each(load->opt, latency_ns);
    }
}

static bool is_overdue(const struct load *load, const struct connection *c,
                       int64_t now_ns)
{
    return c->state == CONNECTION_ASKED &&
           now_ns - c->since_ns >= load->opt->timeout_ns;
}

static void give_up(struct load *load, struct connection *c, int64_t now_ns)
{
    load->result->timeouts++;
    if (is_measured(load, c))
        histogram_add(&load->result->latency, (uint64_t)(now_ns - c->since_ns));
    pool_drop(&load->pool, c);
}

// Judges received bytes, which came at `now_ns`. Goes on with the next request
// if they were a whole reply.
static void take(struct load *load, struct connection *c, const char *bytes,
                 size_t len, int64_t now_ns)
{
    enum reply_verdict verdict = REPLY_WRONG;
    size_t used = 0;
    if (c->state == CONNECTION_ASKED)
        used = reply_take(&c->reply, &c->request->wanted, bytes, len, &verdict);
    if (verdict == REPLY_INCOMPLETE)
        return;
    if (used < len)
        verdict = REPLY_ENDLESS;  // More than we asked for.

    count_reply(load, c, verdict, now_ns);
    if (verdict == REPLY_ENDLESS) {
        pool_drop(&load->pool, c);
        return;
    }
    pool_answered(c);
    if (load->phase > PHASE_HELLO)  // One hello is enough.
        ask(load, c);
}

static void receive(struct load *load, struct connection *c)
{
    char buf[RECEIVE_SIZE];
    long len = connection_receive(c, buf, sizeof buf);
    int64_t now_ns = clock_now_ns();

    if (len < 0 && errno == EAGAIN)
        return;
    if (len <= 0) {
        fail(load, len == 0 ? 0 : errno);
        pool_drop(&load->pool, c);
    } else if (is_overdue(load, c, now_ns)) {
        give_up(load, c, now_ns);
    } else {
        take(load, c, buf, (size_t)len, now_ns);
    }
}

static void on_event(struct load *load, struct connection *c, uint32_t events)
{
    if (c->state == CONNECTION_OPENING) {
        if (pool_opened(&load->pool, c) != 0) {
            fail(load, errno);
            return;
        }
        load->reached = true;
        load->alive_ns = clock_now_ns();
        ask(load, c);
        return;
    }
    if ((events & EPOLLOUT) && pool_push(&load->pool, c) != 0) {
        fail(load, errno);
        return;
    }
    if (events & ~(uint32_t)EPOLLOUT)
        receive(load, c);
}

// ---- Now and then

static void look_at(struct load *load, struct connection *c, int64_t now_ns)
{
    int64_t age_ns = now_ns - c->since_ns;

    if (is_overdue(load, c, now_ns)) {
        give_up(load, c, now_ns);
    } else if (c->state == CONNECTION_OPENING && age_ns >= CONNECT_NS) {
        pool_drop(&load->pool, c);
        fail(load, ETIMEDOUT);
    } else if (c->state == CONNECTION_CLOSED && age_ns >= REOPEN_NS &&
               load->phase < PHASE_GRACE) {
        if (pool_open(&load->pool, c) != 0)
            fail(load, errno);
    }
}

// Looks for requests and connections that take too long, for lost connections
// to be opened again, and whether the server is still there.
static void look(struct load *load, int64_t now_ns)
{
    if (now_ns < load->look_ns)
        return;
    load->look_ns = now_ns + load->look_interval_ns;
    if (load->pool.open > 0)
        load->alive_ns = now_ns;
    for (int i = 0; i < load->pool.tried; i++)
        look_at(load, &load->pool.connections[i], now_ns);
    if (load->reached && load->phase < PHASE_GRACE)
        load->result->gone = now_ns - load->alive_ns > GONE_NS;
}

// ---- Phases

// Tries address by address with one connection: a name may have several, and
// the server may listen on one of them.
static void reach(struct load *load, int64_t now_ns)
{
    struct pool *pool = &load->pool;

    if (pool->opening > 0 && now_ns >= load->phase_end_ns) {
        pool_drop(pool, &pool->connections[0]);
        load->last_error = ETIMEDOUT;
    }
    while (pool->opening == 0 && load->next_address != NULL) {
        pool->address = load->next_address;
        load->next_address = load->next_address->ai_next;
        enter(load, PHASE_REACH, CONNECT_NS);
        if (pool_open(pool, &pool->connections[0]) != 0)
            fail(load, errno);
    }
    if (pool->opening == 0)
        load->phase = PHASE_OVER;
}

static void begin_hello(struct load *load)
{
    int64_t limit_ns = HELLO_WARMUPS * load->opt->warmup_ns;
    enter(load, PHASE_HELLO, limit_ns > HELLO_MIN_NS ? limit_ns : HELLO_MIN_NS);
}

static void begin_warmup(struct load *load)
{
    for (int i = 0; i < load->pool.count; i++) {
        const struct connection *c = &load->pool.connections[i];
        load->result->greeted += c->state == CONNECTION_QUIET && !c->idle;
    }
    enter(load, PHASE_WARMUP, load->opt->warmup_ns);
    if (load->opt->warmup_ns > 0)
        ask_all(load);
}

// The server is looked at while it has nothing to do: with a thousand processes
// that takes a while.
static void begin_measuring(struct load *load)
{
    if (load->opt->server_pid != 0)
        load->result->server_known =
            usage_read_times(load->opt->server_pid, &load->server_before) == 0;
    enter(load, PHASE_MEASURE, load->opt->duration_ns);
    load->result->measured = true;
    load->begin_cpu_ns = clock_cpu_ns();
    load->begin_ns = clock_now_ns();
    progress_begin(&load->progress, load->opt, load->begin_ns);
    ask_all(load);
}

static void end_measuring(struct load *load)
{
    struct result *r = load->result;
    r->client_cpu_share = clock_seconds(clock_cpu_ns() - load->begin_cpu_ns);
    r->duration_s = clock_seconds(clock_now_ns() - load->begin_ns);
    r->client_cpu_share /= r->duration_s;
    enter(load, PHASE_GRACE, load->opt->grace_ns);
}

// Looks at the server again, before its clients leave.
static void end_grace(struct load *load)
{
    struct result *r = load->result;
    struct usage after;

    load->phase = PHASE_OVER;
    if (load->last_reply_ns == 0)
        load->last_reply_ns = clock_now_ns();
    r->server_known =
        r->server_known && usage_read(load->opt->server_pid, &after) == 0;
    if (r->server_known) {
        r->server = usage_between(&load->server_before, &after);
        r->server_wall_s = clock_seconds(load->last_reply_ns - load->begin_ns);
    }
}

static bool phase_is_done(struct load *load, int64_t now_ns)
{
    bool time_is_up = now_ns >= load->phase_end_ns;
    bool all_open = load->pool.open == load->pool.count;

    switch (load->phase) {
    case PHASE_REACH:
        return load->reached;
    case PHASE_RAMP:
        return time_is_up || all_open;
    case PHASE_HELLO:
        return time_is_up || (all_open && load->hello.under_way == 0);
    case PHASE_MEASURE:
        return time_is_up ||
               (next_request(load) == NULL && load->request.under_way == 0);
    case PHASE_SETTLE:
    case PHASE_GRACE:
        return time_is_up ||
               load->hello.under_way + load->request.under_way == 0;
    case PHASE_WARMUP:
    case PHASE_OVER:
        break;
    }
    return time_is_up;
}

static void begin_next_phase(struct load *load)
{
    switch (load->phase) {
    case PHASE_REACH:
        enter(load, PHASE_RAMP, RAMP_NS);
        break;
    case PHASE_RAMP:
        begin_hello(load);
        break;
    case PHASE_HELLO:
        begin_warmup(load);
        break;
    case PHASE_WARMUP:
        enter(load, PHASE_SETTLE, SETTLE_NS);
        break;
    case PHASE_SETTLE:
        begin_measuring(load);
        break;
    case PHASE_MEASURE:
        end_measuring(load);
        break;
    case PHASE_GRACE:
        end_grace(load);
        break;
    case PHASE_OVER:
        break;
    }
}

// Ends the run before its time: with what was measured, if anything was.
static void cut_short(struct load *load)
{
    load->result->interrupted = interrupted;
    if (load->phase == PHASE_MEASURE)
        end_measuring(load);
    else
        load->phase = PHASE_OVER;
}

// Does what it is time for, but for events. Returns whether the run goes on.
static bool advance(struct load *load, int64_t now_ns)
{
    look(load, now_ns);
    if (load->phase == PHASE_REACH && !load->reached)
        reach(load, now_ns);
    else if (load->phase < PHASE_GRACE && pool_open_some(&load->pool) != 0)
        fail(load, errno);
    if ((interrupted || load->result->gone) && load->phase < PHASE_GRACE)
        cut_short(load);
    while (load->phase != PHASE_OVER && phase_is_done(load, now_ns))
        begin_next_phase(load);
    if (load->phase == PHASE_MEASURE)
        progress_tick(&load->progress, load->result, now_ns);
    return load->phase != PHASE_OVER;
}

// How long to wait for events at most, in ms, rounded up.
static int wait_ms(const struct load *load, int64_t now_ns)
{
    int64_t until_ns = load->look_ns;
    if (load->phase_end_ns < until_ns)
        until_ns = load->phase_end_ns;
    if (load->phase == PHASE_MEASURE && load->progress.due_ns < until_ns)
        until_ns = load->progress.due_ns;
    if (until_ns <= now_ns)
        return 0;
    return (int)((until_ns - now_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS);
}

static void run_loop(struct load *load)
{
    struct epoll_event events[EVENTS_AT_ONCE];

    for (;;) {
        int64_t now_ns = clock_now_ns();
        if (!advance(load, now_ns))
            return;
        int count = pool_wait(&load->pool, events, EVENTS_AT_ONCE,
                              wait_ms(load, now_ns));
        for (int i = 0; i < count; i++)
            on_event(load, events[i].data.ptr, events[i].events);
    }
}

// ---- Beginning and end

static void prepare(struct load *load)
{
    const struct options *opt = load->opt;

    *load->result =
        (struct result){.connections = opt->connections, .idle = opt->idle};
    request_make(&load->hello, HELLO_N);
    request_make(&load->request, opt->n);
    // Often enough for a timeout to be noticed soon after it.
    load->look_interval_ns = opt->timeout_ns / 4;
    if (load->look_interval_ns > LOOK_MAX_NS)
        load->look_interval_ns = LOOK_MAX_NS;
}

int load_run(const struct options *opt, const struct addrinfo *target,
             struct result *result)
{
    struct load *load = calloc(1, sizeof *load);
    if (load == NULL)
        return -1;
    load->opt = opt;
    load->result = result;
    load->next_address = target;
    prepare(load);

    int failed = pool_create(&load->pool, opt->idle, opt->connections);
    if (failed == 0) {
        run_loop(load);
        result_sum_up(result, load->pool.connections, load->pool.count);
        failed = load->reached || interrupted ? 0 : -1;
        errno = load->last_error;
    }
    int saved = errno;
    pool_destroy(&load->pool);
    free(load);
    errno = saved;
    return failed;
}

// load.c - the connections, and the loop that keeps them busy.
//
// One thread, one epoll: each event is a reply that can be read, and reading it
// sends the next request. That makes two system calls per request, and a part
// of an epoll_wait() that is the smaller the more connections there are.

#include "load.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"
#include "report.h"

enum {
    EVENTS_AT_ONCE = 256,
    OPENING_AT_ONCE = 128,  // more would overrun a backlog
    OWN_DESCRIPTORS = 16,
    RECEIVE_SIZE = 4096,
};

#define RAMP_NS (5 * (int64_t)CLOCK_NS_PER_S)       // for all connections
#define LOOK_NS (100 * (int64_t)CLOCK_NS_PER_MS)    // between looks around
#define REOPEN_NS (100 * (int64_t)CLOCK_NS_PER_MS)  // after a failure

enum phase {
    PHASE_RAMP,     // connections are opened
    PHASE_WARMUP,   // requests, not yet counted
    PHASE_MEASURE,  // requests, counted
    PHASE_GRACE,    // no new requests, outstanding replies are waited for
    PHASE_OVER,
};

struct load {
    const struct options *opt;
    struct load_result *result;
    struct addrinfo *target;
    int epoll;
    struct connection *connections;  // first the idle ones, then the others
    int count;
    enum phase phase;
    int64_t phase_end_ns;
    int64_t look_ns;   // when to look for timeouts and lost connections next
    int64_t alive_ns;  // when a connection was last seen open
    int tried;         // connections that connection_open() was called for
    bool ever_open;    // one connection, at least, was open once
    int last_error;    // why the last connection failed
    int opening;       // connections in that state
    int outstanding;   // requests under way
    uint64_t asked;    // requests sent since the measurement began
    int64_t begin_ns, end_ns;  // of the measurement
    int64_t begin_cpu_ns;
    struct usage server_before;
    int64_t tick_ns;  // when the current interval began
    struct histogram interval;
    char request[8];
    size_t request_len;
    struct reply_wanted wanted;
};

static volatile sig_atomic_t interrupted;

void load_interrupt(void)
{
    interrupted = 1;
}

// ---- Connections

static int watch(struct load *load, struct connection *c, uint32_t events,
                 int operation)
{
    struct epoll_event wanted = {.events = events, .data.ptr = c};
    return epoll_ctl(load->epoll, operation, c->fd, &wanted);
}

// Closes a connection for which we have no use any more. look() opens it again.
static void drop(struct load *load, struct connection *c)
{
    load->opening -= c->state == CONNECTION_OPENING;
    load->outstanding -= c->state == CONNECTION_ASKED;
    if (c->state != CONNECTION_CLOSED)
        connection_close(c);
    c->since_ns = clock_now_ns();
}

// Counts a connection that broke, or could not be made, because of `error` (0:
// the server closed it).
static void fail(struct load *load, struct connection *c, int error)
{
    load->result->failed++;
    load->result->failed_by_errno[error < LOAD_ERRNO_MAX ? error : EPROTO]++;
    load->last_error = error;
    drop(load, c);
}

static void open_one(struct load *load, struct connection *c)
{
    if (connection_open(c, load->target) != 0) {
        fail(load, c, errno);
        return;
    }
    load->opening++;
    c->since_ns = clock_now_ns();
    if (watch(load, c, EPOLLOUT, EPOLL_CTL_ADD) != 0)
        fail(load, c, errno);
}

static void open_some(struct load *load)
{
    while (load->tried < load->count && load->opening < OPENING_AT_ONCE)
        open_one(load, &load->connections[load->tried++]);
}

static bool may_ask(const struct load *load)
{
    if (load->phase == PHASE_MEASURE)
        return load->opt->requests == 0 ||
               load->asked < (uint64_t)load->opt->requests;
    return load->phase == PHASE_WARMUP;
}

static void ask(struct load *load, struct connection *c, int64_t now_ns)
{
    if (c->idle || !may_ask(load))
        return;
    load->asked += load->phase == PHASE_MEASURE;
    load->outstanding++;
    if (connection_ask(c, load->request, load->request_len, now_ns) != 0 ||
        (c->unsent > 0 &&
         watch(load, c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD) != 0))
        fail(load, c, errno);
}

static void ask_all(struct load *load, int64_t now_ns)
{
    for (int i = 0; i < load->tried; i++)
        if (load->connections[i].state == CONNECTION_QUIET)
            ask(load, &load->connections[i], now_ns);
}

// ---- Replies

static void count_right(struct load *load, struct connection *c,
                        int64_t latency_ns)
{
    struct load_result *r = load->result;

    if (load->phase == PHASE_MEASURE)
        r->right++;
    else
        r->late++;
    if (c->replies++ == 0)
        r->served++;
    histogram_add(&r->latency, (uint64_t)latency_ns);
    if (load->opt->interval_ns > 0)
        histogram_add(&load->interval, (uint64_t)latency_ns);
    if (load->opt->each)
        report_each(load->opt->n, latency_ns);
}

static void count_reply(struct load *load, struct connection *c,
                        enum reply_verdict verdict, int64_t now_ns)
{
    // A request of the warm-up counts if its reply comes later: at any moment
    // as many are under way. Not so if exactly N are to be measured.
    bool from_warmup = c->since_ns < load->begin_ns;
    if (load->phase < PHASE_MEASURE || (from_warmup && load->opt->requests > 0))
        return;
    if (verdict == REPLY_RIGHT)
        count_right(load, c, now_ns - c->since_ns);
    else if (verdict == REPLY_ERROR)
        load->result->error_replies++;
    else
        load->result->wrong++;
}

static void receive(struct load *load, struct connection *c)
{
    char buf[RECEIVE_SIZE];
    long len = connection_receive(c, buf, sizeof buf);
    if (len <= 0) {
        if (len == 0 || errno != EAGAIN)
            fail(load, c, len == 0 ? 0 : errno);
        return;
    }

    int64_t now_ns = clock_now_ns();
    enum reply_verdict verdict = REPLY_WRONG;
    size_t used = 0;
    if (c->state == CONNECTION_ASKED)
        used = reply_take(&c->reply, &load->wanted, buf, (size_t)len, &verdict);
    if (verdict == REPLY_INCOMPLETE)
        return;
    if (used < (size_t)len)
        verdict = REPLY_ENDLESS;  // More than we asked for.

    count_reply(load, c, verdict, now_ns);
    if (verdict == REPLY_ENDLESS) {
        drop(load, c);
        return;
    }
    load->outstanding--;
    c->state = CONNECTION_QUIET;
    ask(load, c, now_ns);
}

static void handle(struct load *load, struct connection *c, uint32_t events)
{
    if (c->state == CONNECTION_OPENING) {
        if (connection_opened(c) != 0 ||
            watch(load, c, EPOLLIN, EPOLL_CTL_MOD) != 0) {
            fail(load, c, errno);
            return;
        }
        load->opening--;
        load->ever_open = true;
        load->alive_ns = clock_now_ns();
        ask(load, c, clock_now_ns());
        return;
    }
    if (events & EPOLLOUT) {  // The rest of a request that was cut short.
        if (connection_ask(c, load->request, load->request_len, 0) != 0 ||
            (c->unsent == 0 && watch(load, c, EPOLLIN, EPOLL_CTL_MOD) != 0)) {
            fail(load, c, errno);
            return;
        }
    }
    if (events & ~(uint32_t)EPOLLOUT)
        receive(load, c);
}

// ---- Now and then

static void give_up(struct load *load, struct connection *c, int64_t age_ns)
{
    if (load->phase >= PHASE_MEASURE) {
        load->result->timeouts++;
        histogram_add(&load->result->latency, (uint64_t)age_ns);
    }
    drop(load, c);
}

static bool is_open(const struct connection *c)
{
    return c->state == CONNECTION_QUIET || c->state == CONNECTION_ASKED;
}

// Looks for requests and connections that take too long, and for lost
// connections to be opened again.
static void look(struct load *load, int64_t now_ns)
{
    if (now_ns < load->look_ns)
        return;
    load->look_ns = now_ns + LOOK_NS;
    for (int i = 0; i < load->tried; i++) {
        struct connection *c = &load->connections[i];
        int64_t age_ns = now_ns - c->since_ns;
        bool late = age_ns >= load->opt->timeout_ns;
        if (is_open(c))
            load->alive_ns = now_ns;
        if (c->state == CONNECTION_ASKED && late)
            give_up(load, c, age_ns);
        else if (c->state == CONNECTION_OPENING && late)
            fail(load, c, ETIMEDOUT);
        else if (c->state == CONNECTION_CLOSED && age_ns >= REOPEN_NS &&
                 load->phase < PHASE_GRACE)
            open_one(load, c);
    }
    if (load->ever_open && now_ns - load->alive_ns > load->opt->timeout_ns)
        load->phase_end_ns = now_ns;  // The server has gone for good.
}

static double seconds(int64_t ns)
{
    return (double)ns / CLOCK_NS_PER_S;
}

static double left_s(const struct load *load, int64_t now_ns)
{
    double left = seconds(load->phase_end_ns - now_ns);
    uint64_t done = load->result->right;
    if (load->opt->requests > 0 && done > 0) {
        double rate = (double)done / seconds(now_ns - load->begin_ns);
        double by_count = ((double)load->opt->requests - (double)done) / rate;
        return by_count < left ? by_count : left;
    }
    return left;
}

static void tick(struct load *load, int64_t now_ns)
{
    if (load->opt->interval_ns == 0 || load->phase != PHASE_MEASURE ||
        now_ns - load->tick_ns < load->opt->interval_ns)
        return;
    const struct load_result *r = load->result;
    struct progress progress = {
        .elapsed_s = seconds(now_ns - load->begin_ns),
        .left_s = left_s(load, now_ns),
        .interval_s = seconds(now_ns - load->tick_ns),
        .latency = &load->interval,
        .served = r->served,
        .connections = r->connections,
        .problems = r->wrong + r->error_replies + r->failed + r->timeouts,
    };
    report_progress(&progress);
    load->tick_ns = now_ns;
    load->interval = (struct histogram){0};
}

// ---- Phases

static void begin_measuring(struct load *load)
{
    load->phase = PHASE_MEASURE;
    if (load->opt->server_pid != 0)
        load->result->server_known =
            usage_read_times(load->opt->server_pid, &load->server_before) == 0;
    load->begin_cpu_ns = clock_cpu_ns();
    load->begin_ns = load->tick_ns = clock_now_ns();
    load->phase_end_ns = load->begin_ns + load->opt->duration_ns;
}

static void begin_asking(struct load *load, int64_t now_ns)
{
    load->phase = PHASE_WARMUP;
    load->phase_end_ns = now_ns + load->opt->warmup_ns;
    if (load->opt->warmup_ns == 0)
        begin_measuring(load);
    ask_all(load, clock_now_ns());
}

static void end_measuring(struct load *load)
{
    struct load_result *r = load->result;
    int64_t cpu_ns = clock_cpu_ns() - load->begin_cpu_ns;
    struct usage after;

    load->end_ns = clock_now_ns();
    load->phase = PHASE_GRACE;
    load->phase_end_ns = load->end_ns + load->opt->grace_ns;
    r->duration_s = seconds(load->end_ns - load->begin_ns);
    r->client_cpu_share = seconds(cpu_ns) / r->duration_s;
    r->server_known =
        r->server_known && usage_read(load->opt->server_pid, &after) == 0;
    if (r->server_known)
        r->server = usage_between(&load->server_before, &after);
}

static bool all_open(const struct load *load)
{
    if (load->tried < load->count || load->opening > 0)
        return false;
    for (int i = 0; i < load->count; i++)
        if (load->connections[i].state == CONNECTION_CLOSED)
            return false;
    return true;
}

static bool measured_enough(const struct load *load, int64_t now_ns)
{
    bool asked_all = load->opt->requests > 0 && !may_ask(load);
    return now_ns >= load->phase_end_ns ||
           (asked_all && load->outstanding == 0) || interrupted;
}

static void advance(struct load *load, int64_t now_ns)
{
    bool time_is_up = now_ns >= load->phase_end_ns;

    switch (load->phase) {
    case PHASE_RAMP:
        open_some(load);
        if (interrupted || (!load->ever_open && load->opening == 0))
            load->phase = PHASE_OVER;  // As when nobody listens there.
        else if (time_is_up || all_open(load))
            begin_asking(load, now_ns);
        break;
    case PHASE_WARMUP:
        if (interrupted)
            load->phase = PHASE_OVER;
        else if (time_is_up)
            begin_measuring(load);
        break;
    case PHASE_MEASURE:
        if (measured_enough(load, now_ns))
            end_measuring(load);
        break;
    case PHASE_GRACE:
        if (time_is_up || load->outstanding == 0)
            load->phase = PHASE_OVER;
        break;
    case PHASE_OVER:
        break;
    }
}

// How long to wait for events at most, in ms, rounded up.
static int wait_ms(const struct load *load, int64_t now_ns)
{
    int64_t until_ns = load->look_ns;
    if (load->phase_end_ns < until_ns)
        until_ns = load->phase_end_ns;
    if (load->opt->interval_ns > 0 && load->phase == PHASE_MEASURE &&
        load->tick_ns + load->opt->interval_ns < until_ns)
        until_ns = load->tick_ns + load->opt->interval_ns;
    if (until_ns <= now_ns)
        return 0;
    return (int)((until_ns - now_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS);
}

static void run_loop(struct load *load)
{
    struct epoll_event events[EVENTS_AT_ONCE];

    for (;;) {
        int64_t now_ns = clock_now_ns();
        advance(load, now_ns);
        if (load->phase == PHASE_OVER)
            return;
        look(load, now_ns);
        tick(load, now_ns);
        int count = epoll_wait(load->epoll, events, EVENTS_AT_ONCE,
                               wait_ms(load, now_ns));
        for (int i = 0; i < count; i++)
            handle(load, events[i].data.ptr, events[i].events);
    }
}

// ---- Beginning and end

static struct addrinfo *resolve(const struct options *opt)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(opt->host, opt->port, &hints, &found);
    if (error != 0)
        fprintf(stderr, "fibload: %s: %s\n", opt->host, gai_strerror(error));
    return error == 0 ? found : NULL;
}

// Makes sure that `count` connections can be open at once.
static bool raise_descriptor_limit(int count)
{
    struct rlimit limit = {0};
    rlim_t wanted = (rlim_t)count + OWN_DESCRIPTORS;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted && limit.rlim_max >= wanted) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= wanted)
        return true;
    fprintf(stderr,
            "fibload: %d connections need %llu descriptors, the limit "
            "(ulimit -Hn) is %llu\n",
            count, (unsigned long long)wanted,
            (unsigned long long)limit.rlim_max);
    return false;
}

static bool prepare(struct load *load)
{
    const struct options *opt = load->opt;
    struct load_result *r = load->result;

    *r = (struct load_result){.connections = opt->connections,
                              .idle = opt->idle};
    load->count = opt->connections + opt->idle;
    load->request_len =
        (size_t)snprintf(load->request, sizeof load->request, "%d\n", opt->n);
    reply_expect(&load->wanted, opt->n);
    load->target = resolve(opt);
    if (load->target == NULL || !raise_descriptor_limit(load->count))
        return false;
    load->connections = calloc((size_t)load->count, sizeof *load->connections);
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->connections == NULL || load->epoll < 0) {
        perror("fibload");
        return false;
    }
    for (int i = 0; i < opt->idle; i++)
        load->connections[i].idle = true;
    load->phase_end_ns = clock_now_ns() + RAMP_NS;
    return true;
}

// Enters what is still unanswered, at its age.
static void count_unanswered(struct load *load, const struct connection *c)
{
    struct load_result *r = load->result;
    int64_t age_ns = clock_now_ns() - c->since_ns;

    r->unanswered++;
    histogram_add(&r->latency, (uint64_t)age_ns);
    if (age_ns > r->oldest_ns)
        r->oldest_ns = age_ns;
}

// Jain's index: (sum x)^2 / (n * sum x^2), 1 when all x are equal, 1/n when one
// gets everything (Jain, Chiu, Hawe, DEC TR-301, 1984).
static void sum_up(struct load *load)
{
    struct load_result *r = load->result;
    double sum = 0, squares = 0;

    r->interrupted = interrupted;
    r->least = UINT64_MAX;
    for (int i = 0; i < load->count; i++) {
        const struct connection *c = &load->connections[i];
        if (c->idle) {
            r->idle_connected += is_open(c);
            continue;
        }
        r->connected += is_open(c);
        if (c->state == CONNECTION_ASKED)
            count_unanswered(load, c);
        r->least = c->replies < r->least ? c->replies : r->least;
        r->most = c->replies > r->most ? c->replies : r->most;
        sum += (double)c->replies;
        squares += (double)c->replies * (double)c->replies;
    }
    r->jain = squares > 0 ? sum * sum / (r->connections * squares) : 0;
}

static void clean_up(struct load *load)
{
    for (int i = 0; i < load->tried; i++)
        if (load->connections[i].state != CONNECTION_CLOSED)
            connection_close(&load->connections[i]);
    free(load->connections);
    if (load->target != NULL)
        freeaddrinfo(load->target);
    if (load->epoll >= 0)
        close(load->epoll);
    free(load);
}

int load_run(const struct options *opt, struct load_result *result)
{
    struct load *load = calloc(1, sizeof *load);
    if (load == NULL)
        return -1;
    load->opt = opt;
    load->result = result;
    load->epoll = -1;

    bool prepared = prepare(load);
    if (prepared)
        run_loop(load);
    bool reached = load->ever_open || interrupted;
    if (prepared && !reached)
        fprintf(stderr, "fibload: cannot connect to %s:%s: %s\n", opt->host,
                opt->port, strerror(load->last_error));
    sum_up(load);
    clean_up(load);
    return prepared && reached ? 0 : -1;
}

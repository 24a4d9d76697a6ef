// worker.c - one thread of the load: sends requests and reads replies.
//
// A reply passes through these functions:
//
//     worker_run     waits in epoll, or tries one connection after the other
//     receive        reads the bytes, and the time
//     take_replies   checks the reply (reply.c)
//     count_replies  counts its outcome and its latency (count.c)
//     make_ready     puts the connection into the queue of those that may send
//     send_due       sends the next request, in a closed loop at once
//
// Each request takes two system calls, and a share of an epoll_wait() that
// reports many replies.

#include "worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    PROBE_N = 1,
    EVENTS_MAX = 256,
    RECEIVE_SIZE = 8192,  // more than all replies that can be outstanding
    OPENING_MAX = 128,    // more would overrun the backlog of a server
    ACCEPT_BATCH = 1000,  // connections to open before the server must accept
    CONNS_PER_SOURCE = 10000,
    SWEEP_EVENTS_MIN = 16,  // events of one epoll_wait() that start a sweep
    SWEEP_TRIES_MAX = 256,  // connections per sweep
    HITS_PER_MISS = 8,      // least ratio for which the sweep is repeated
};

#define CONNECT_TIMEOUT_NS MS(5000)
#define REOPEN_NS MS(100)   // time from a failure to the next connect()
#define CHECK_NS MS(100)    // longest time between checks of all connections
#define ACCEPT_NS MS(1000)  // longest wait for the server to accept a batch
#define SWEEP_NS MS(20)     // longest time between two calls of epoll_wait()
#define SPIN_NS (60 * (int64_t)NS_PER_US)  // how late the kernel may wake us

// ---- Connections

// Closes a connection. Its outstanding requests are lost or timed out, as
// `outcome` says.
static void end_conn(struct worker *w, struct conn *c, enum counter outcome)
{
    count_unreplied(w, c, outcome);
    conn_close(c, w->opt->churn && w->phase > PHASE_PROBE);
}

// Closes a connection that could not be made or that broke. `error` is the
// errno, or 0 if the server closed the connection.
static void fail(struct worker *w, struct conn *c, int error)
{
    int kind = error < STATS_ERRNO_MAX ? error : EPROTO;
    count_add(w, (enum counter)(COUNT_FAILED + kind), 1);
    end_conn(w, c, COUNT_LOST);
}

static bool is_overdue(const struct worker *w, const struct conn *c)
{
    return c->in_flight > 0 &&
           w->now_ns - conn_oldest(c)->sent_ns >= w->opt->timeout_ns;
}

// Returns the source address of a connection for conn_connect(). One address
// has 28,000 ports, and once half of them are in use the kernel takes long to
// find a free one.
static uint16_t source_of(const struct worker *w, int number)
{
    const struct sockaddr_in *to = (const void *)&w->control->server->storage;
    bool is_loopback = to->sin_family == AF_INET &&
                       ntohl(to->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    if (options_connections(w->opt) <= CONNS_PER_SOURCE || !is_loopback)
        return 0;
    return (uint16_t)(number / CONNS_PER_SOURCE + 1);
}

// Gives a closed connection the socket `fd`; -1: conn_connect() has failed.
static void take_socket(struct worker *w, struct conn *c, int fd)
{
    if (fd < 0 || conn_open(c, w->epoll, fd) != 0)
        fail(w, c, errno);
}

// Starts to open a closed connection.
static void open_conn(struct worker *w, struct conn *c)
{
    int fd = conn_connect(w->control->server, source_of(w, c->number),
                          !w->opt->no_stamps);
    take_socket(w, c, fd);
}

// Returns whether to wait until the server has accepted the last batch. It has
// done so when it replies to the probe request on the last connection of the
// batch. Without this wait, the accept queue of a slow server would become
// full; the kernel would then drop our SYN, and repeat it only after a second.
// A server that has not replied to the probe of the batch before serves one
// client after the other: waiting would not help.
static bool is_batch_pending(const struct worker *w)
{
    if (w->tried == 0 || w->tried % ACCEPT_BATCH != 0)
        return false;
    const struct conn *c = &w->conns[w->tried - 1];
    bool answers = w->tried == ACCEPT_BATCH || c[-ACCEPT_BATCH].in_flight == 0;
    return answers && (c->state == CONN_OPENING || c->in_flight > 0) &&
           w->now_ns - c->since_ns < ACCEPT_NS;
}

// Opens connections for the first time, OPENING_MAX at once.
static void open_more(struct worker *w)
{
    while (w->phase < PHASE_GRACE && w->tried < w->conn_count &&
           w->states[CONN_OPENING] < OPENING_MAX && !is_batch_pending(w))
        open_conn(w, &w->conns[w->tried++]);
}

// Applies the timeouts to a connection, and opens it again after a failure.
static void check_conn(struct worker *w, struct conn *c)
{
    int64_t age_ns = w->now_ns - c->since_ns;
    bool waits_for_request = w->opt->churn && c->ready;
    if (is_overdue(w, c))
        end_conn(w, c, COUNT_TIMEOUTS);
    else if (c->state == CONN_OPENING && age_ns >= CONNECT_TIMEOUT_NS)
        fail(w, c, ETIMEDOUT);
    else if (c->state == CONN_CLOSED && age_ns >= REOPEN_NS &&
             w->phase < PHASE_GRACE && !waits_for_request)
        open_conn(w, c);
}

// Counts the time in which the worker should have run, and could not. Since the
// last check it may have slept for up to CHECK_NS, or computed. If much more
// time has passed, the process was stopped, or blocked on a disk, or had no
// core.
static void count_stop(struct worker *w)
{
    int64_t cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    int64_t idle_ns = w->now_ns - w->check_ns - (cpu_ns - w->check_cpu_ns);
    if (w->window_ns != INT64_MAX && idle_ns > 2 * CHECK_NS)
        w->stopped_ns += idle_ns - CHECK_NS;
    w->check_ns = w->now_ns;
    w->check_cpu_ns = cpu_ns;
}

// Checks all connections once their next check is due: at least four times per
// timeout.
static void check_conns(struct worker *w)
{
    if (w->now_ns < w->next_check_ns)
        return;
    w->next_check_ns = w->now_ns + clock_min(w->opt->timeout_ns / 4, CHECK_NS);
    w->wall_offset_ns = clock_wall_offset_ns();
    count_stop(w);
    if (w->states[CONN_OPEN] > 0)
        w->control->alive_ns = w->now_ns;
    for (int i = 0; i < w->tried; i++)
        check_conn(w, &w->conns[i]);
}

// ---- Sending

static void append(struct conn_queue *queue, struct conn *c)
{
    *queue->end = c;
    queue->end = &c->next_ready;
}

static struct conn *take_first(struct conn_queue *queue)
{
    struct conn *c = queue->first;
    queue->first = c->next_ready;
    c->next_ready = NULL;
    if (queue->first == NULL)
        queue->end = &queue->first;
    return c;
}

// Appends a connection of the stream to a queue, unless it is in one already.
// It may send its next request from `ready_ns` on.
static void make_ready(struct worker *w, struct conn *c, int64_t ready_ns)
{
    if (c->ready)
        return;
    c->ready = true;
    c->ready_ns = ready_ns;
    append(ready_ns > w->now_ns ? &w->thinking : &w->ready, c);
}

// Returns whether more requests are to be sent in this phase, now or later.
static bool has_more_to_send(const struct worker *w)
{
    int64_t due_ns = w->open_loop ? w->schedule.due_ns : w->now_ns;
    return w->requests_left > 0 && due_ns < w->control->end_ns;
}

// Returns when the next request may be sent; INT64_MAX: not before an event.
static int64_t next_send_ns(const struct worker *w)
{
    const struct conn *next =
        w->ready.first != NULL ? w->ready.first : w->thinking.first;
    if (next == NULL || !has_more_to_send(w))
        return INT64_MAX;
    int64_t due_ns = w->open_loop ? w->schedule.due_ns : w->control->begin_ns;
    return clock_max(next->ready_ns, due_ns);
}

static void send_requests(struct worker *w, struct conn *c,
                          struct request *request, int n, int64_t due_ns)
{
    if (conn_send(c, request, n, due_ns) != 0)
        fail(w, c, errno);
}

// Takes the next request of an open loop from the schedule, for a connection
// that has been free since `ready_ns`. Counts the send delay. Returns when the
// request was due.
static int64_t take_due(struct worker *w, int64_t ready_ns)
{
    int64_t due_ns = schedule_take(&w->schedule);
    int64_t delay_ns = clock_now_ns() - clock_max(ready_ns, due_ns);
    if (w->phase >= PHASE_MEASURE) {
        count_add(w, COUNT_QUEUED, ready_ns > due_ns);
        count_time(w, TIME_DELAY, delay_ns, 1);
    }
    return due_ns;
}

// Returns how many requests to send at once on a connection: as many as the
// pipeline allows, but with -n no more than its part of those that are left.
// Else the first connections could leave none for the others.
static int batch_size(const struct worker *w, const struct conn *c)
{
    int n = c->depth - c->in_flight;
    if (w->open_loop || n == 1)
        return 1;
    return (int)clock_min(n, (w->requests_left - 1) / w->stream_count + 1);
}

// Sends the next request on a connection, or in a closed loop several. With
// --churn, starts to open a new connection, on which handle_connected() sends
// the request.
static void send_next(struct worker *w, struct conn *c)
{
    int n = batch_size(w, c);
    int64_t ready_ns = c->ready_ns;
    int64_t due_ns = w->open_loop ? take_due(w, ready_ns) : 0;

    w->requests_left -= n;
    if (!w->opt->churn) {
        send_requests(w, c, &w->request, n, due_ns);
    } else {
        end_conn(w, c, COUNT_LOST);
        c->request_waits = true;
        c->due_ns = due_ns;
        open_conn(w, c);
    }
    if (conn_has_room(c))
        make_ready(w, c, ready_ns);
}

static void send_due(struct worker *w)
{
    struct conn_queue *thinking = &w->thinking;
    while (thinking->first != NULL && thinking->first->ready_ns <= w->now_ns)
        append(&w->ready, take_first(thinking));
    while (next_send_ns(w) <= w->now_ns) {
        struct conn *c = take_first(&w->ready);
        c->ready = false;
        bool usable =
            w->opt->churn ? c->state != CONN_OPENING : conn_has_room(c);
        if (usable)
            send_next(w, c);
    }
}

// Returns whether hogs may send: in the second interval of the window.
static bool is_hog_time(const struct worker *w)
{
    return w->phase == PHASE_MEASURE && w->now_ns >= w->control->during_ns &&
           w->now_ns < w->control->hog_end_ns;
}

// Lets a connection continue, if it may send a request: one of the stream joins
// the ready queue, and a hog sends at once.
static void continue_conn(struct worker *w, struct conn *c)
{
    if (!conn_has_room(c))
        return;
    if (c->role == ROLE_HOG && is_hog_time(w))
        send_requests(w, c, &w->hog, 1, 0);
    if (c->role != ROLE_STREAM)
        return;
    c->slow = w->opt->slow > 0;
    if (w->opt->churn && w->phase > PHASE_PROBE)
        end_conn(w, c, COUNT_LOST);
    make_ready(w, c, w->now_ns + w->opt->think_ns);
}

// ---- Receiving

// Checks received bytes, and counts the replies in them. Counts right replies
// to requests that were sent together in one step.
static void take_replies(struct worker *w, struct conn *c, const char *bytes,
                         size_t len)
{
    while (len > 0 && c->in_flight > 0) {
        struct reply_found found;
        size_t used = reply_take(&c->reply, &c->request->expected, bytes, len,
                                 conn_oldest(c)->count, &found);
        bytes += used;
        len -= used;
        if (found.verdict == REPLY_INCOMPLETE)
            continue;
        count_replies(w, c, &found);
        conn_remove_oldest(c, found.count);
        if (found.verdict == REPLY_ENDLESS)
            end_conn(w, c, COUNT_LOST);
    }
    if (len > 0 && c->state == CONN_OPEN) {  // more than was requested
        count_surplus(w, bytes, len);
        end_conn(w, c, COUNT_LOST);
    }
}

// Reads the bytes that have arrived on a connection, and sends the requests
// that are then due. Returns false if nothing had arrived.
static bool receive(struct worker *w, struct conn *c)
{
    char buf[RECEIVE_SIZE];
    int64_t stamp_ns;
    long len = conn_receive(c, buf, c->slow ? 1 : sizeof buf, &stamp_ns);
    if (len < 0 && errno == EAGAIN)
        return false;
    w->host_ns = stamp_ns != 0 ? stamp_ns - w->wall_offset_ns : 0;
    w->now_ns = clock_now_ns();
    if (len <= 0)
        fail(w, c, len == 0 ? 0 : errno);
    else if (is_overdue(w, c))
        end_conn(w, c, COUNT_TIMEOUTS);
    else
        take_replies(w, c, buf, (size_t)len);
    continue_conn(w, c);
    send_due(w);
    return true;
}

static void flush(struct worker *w, struct conn *c)
{
    if (c->unsent > 0 && conn_flush(c) != 0)
        fail(w, c, errno);
}

// Sends or receives one byte on each slow connection, once that is due.
static void step_slow(struct worker *w)
{
    if (w->now_ns < w->next_slow_ns)
        return;
    w->next_slow_ns = w->now_ns + NS_PER_S / w->opt->slow;
    for (int i = 0; i < w->conn_count; i++) {
        struct conn *c = &w->conns[i];
        if (c->slow && c->in_flight > 0 && c->unsent > 0)
            flush(w, c);
        else if (c->slow && c->in_flight > 0)
            receive(w, c);
    }
}

// Handles the end of connect(). Sends the request for which the connection was
// opened, or, before the load, a probe. Of the idle connections, only the last
// of each batch sends a probe.
static void handle_connected(struct worker *w, struct conn *c)
{
    bool ends_batch = (c - w->conns + 1) % ACCEPT_BATCH == 0;
    int64_t began_ns = c->since_ns;
    bool request_waits = c->request_waits;
    if (conn_finish_opening(c) != 0) {
        fail(w, c, errno);
        return;
    }
    w->control->alive_ns = w->now_ns = c->since_ns;
    c->request_waits = false;
    if (request_waits && w->phase == PHASE_MEASURE)
        count_time(w, TIME_CONNECT, c->since_ns - began_ns, 1);
    c->slow = request_waits && w->opt->slow > 0;
    if (request_waits)
        send_requests(w, c, &w->request, 1, c->due_ns);
    else if (w->phase > PHASE_PROBE)
        continue_conn(w, c);
    else if (c->role != ROLE_IDLE || ends_batch)
        send_requests(w, c, &w->probe, 1, 0);
}

// Handles an event. Events are edge-triggered: epoll reports each change once.
// One read takes all the data. If the server has closed the connection, a
// second read reports it.
static void handle_event(struct worker *w, struct conn *c, uint32_t events)
{
    bool more = events & ~(uint32_t)EPOLLOUT;
    if (c->state == CONN_OPENING)
        handle_connected(w, c);
    else if (c->state == CONN_OPEN && !c->slow)
        flush(w, c);
    while (more && c->state == CONN_OPEN && !c->slow)
        more = receive(w, c) && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
}

// Tries to receive on the connections, round-robin, without asking epoll. This
// saves a tenth of the CPU time while nearly all of them have a reply. Returns
// whether they had.
static bool sweep(struct worker *w)
{
    int conns = w->stream_count + w->hogs, hits = 0;
    int tries = conns < SWEEP_TRIES_MAX ? conns : SWEEP_TRIES_MAX;
    if (w->now_ns >= w->sweep_until_ns || w->states[CONN_OPENING] > 0)
        return false;
    for (int i = 0; i < tries; i++) {
        struct conn *c = &w->stream[w->next_sweep];
        if (++w->next_sweep == conns)
            w->next_sweep = 0;
        hits += c->in_flight > 0 && !c->slow && receive(w, c);
    }
    return (tries - hits) * HITS_PER_MISS <= tries;
}

// ---- Phases

static void count_probed(struct worker *w)
{
    for (int i = 0; i < w->stream_count; i++) {
        const struct conn *c = &w->stream[i];
        count_add(w, COUNT_PROBED, c->state == CONN_OPEN && c->in_flight == 0);
    }
}

// Returns the share of `total` that worker `index` of `workers` has.
static int64_t part_of(int64_t total, int64_t index, int64_t workers)
{
    return total / workers + (index < total % workers);
}

static void enter_window(struct worker *w)
{
    const struct options *opt = w->opt;
    w->window_ns = w->control->begin_ns;
    w->next_hogs_ns = w->hogs > 0 ? w->control->during_ns : INT64_MAX;
    for (int i = 0; i < w->stream_count; i++)
        w->stream[i].last_reply_ns = w->window_ns;
    // Each worker has a fixed share of -n. If they took requests from a common
    // count, fast workers could leave none for a slow one.
    if (opt->requests > 0)
        w->requests_left = part_of(opt->requests, w->index, opt->threads);
}

// Starts the schedule of an open loop. The rate of a ramp changes in the window
// only; the warm-up has the first rate.
static void start_schedule(struct worker *w)
{
    const struct options *opt = w->opt;
    double from = (double)(opt->ramp_to > 0 ? opt->ramp_from : opt->rate);
    double rise = (double)(opt->ramp_to - opt->ramp_from);
    if (w->phase == PHASE_WARM_UP)
        rise = 0;
    schedule_start(&w->schedule, from, rise / clock_seconds(opt->duration_ns),
                   opt->poisson != 0, w->control->begin_ns, w->index,
                   (int)opt->threads);
}

static void follow_phase(struct worker *w)
{
    enum phase phase = w->control->phase;
    if (phase == w->phase)
        return;
    if (w->phase == PHASE_PROBE)
        count_probed(w);
    w->phase = phase;
    if (phase == PHASE_SETTLE || (phase == PHASE_GRACE && !w->open_loop))
        w->requests_left = 0;
    if (phase != PHASE_WARM_UP && phase != PHASE_MEASURE)
        return;
    w->requests_left = INT64_MAX;
    if (phase == PHASE_MEASURE)
        enter_window(w);
    if (w->open_loop)
        start_schedule(w);
}

// Starts the hogs when the second interval begins, and ends this interval when
// the last hog has its reply.
static void step_hogs(struct worker *w)
{
    struct control *control = w->control;
    if (w->window_ns != INT64_MAX && w->hogs > 0 && w->hog.in_flight == 0 &&
        w->now_ns >= control->hog_end_ns && w->now_ns < control->after_ns)
        control->after_ns = w->now_ns;
    if (w->now_ns < w->next_hogs_ns)
        return;
    w->next_hogs_ns =
        w->now_ns < control->hog_end_ns ? control->hog_end_ns : INT64_MAX;
    for (int i = 0; i < w->hogs; i++)
        continue_conn(w, &w->stream[w->stream_count + i]);
}

static bool has_nothing_to_do(const struct worker *w)
{
    bool all_open = w->states[CONN_OPEN] == w->conn_count;
    bool all_answered = !has_more_to_send(w) && w->request.in_flight == 0 &&
                        !(w->opt->churn && w->states[CONN_OPENING] > 0);
    switch (w->phase) {
    case PHASE_CONNECT:
        return all_open;
    case PHASE_PROBE:
        return all_open && w->probe.in_flight == 0;
    case PHASE_SETTLE:
        // Do not wait for probes: the PROBE phase has. Those that are still
        // outstanding may never be answered.
        return all_answered;
    case PHASE_MEASURE:
        return all_answered && w->opt->requests > 0;
    case PHASE_GRACE:
        return all_answered && w->probe.in_flight + w->hog.in_flight == 0;
    default:
        return false;
    }
}

static void tell_when_done(struct worker *w)
{
    if (w->done_phase == (int)w->phase || !has_nothing_to_do(w))
        return;
    w->done_ns = w->now_ns;
    w->done_phase = (int)w->phase;
    eventfd_write(w->control->done_bell, 1);
}

// ---- The loop

// Returns how long to sleep. The kernel wakes a thread some 40 us late, so the
// worker spins for the last SPIN_NS before a request is due.
static int64_t sleep_ns(const struct worker *w)
{
    int64_t send_ns = clock_min(next_send_ns(w), w->next_slow_ns);
    int64_t until_ns = clock_min(w->next_check_ns, w->next_hogs_ns);
    until_ns = clock_min(until_ns, send_ns - SPIN_NS);
    return until_ns > w->now_ns && !w->opt->spin ? until_ns - w->now_ns : 0;
}

static void wait_for_events(struct worker *w)
{
    struct epoll_event events[EVENTS_MAX];
    int n = conn_wait(w->epoll, events, EVENTS_MAX, sleep_ns(w));
    w->now_ns = clock_now_ns();
    w->sweep_until_ns = n >= SWEEP_EVENTS_MIN ? w->now_ns + SWEEP_NS : 0;
    for (int i = 0; i < n; i++)
        if (events[i].data.ptr != NULL)  // NULL: the bell
            handle_event(w, events[i].data.ptr, events[i].events);
}

void *worker_run(void *argument)
{
    struct worker *w = argument;
    w->tid = (pid_t)syscall(SYS_gettid);
    prctl(PR_SET_TIMERSLACK, 1);  // Else the kernel adds 50 us to any sleep.
    for (;;) {
        w->now_ns = clock_now_ns();
        follow_phase(w);
        if (w->phase == PHASE_END)
            return NULL;
        check_conns(w);
        open_more(w);
        step_hogs(w);
        step_slow(w);
        send_due(w);
        tell_when_done(w);
        if (!sweep(w))
            wait_for_events(w);
    }
}

// ---- Before and after

// Creates the connections of a worker. They are numbered over all workers, in
// the order of these. Returns 0, or -1 if there is too little memory.
static int create_conns(struct worker *w)
{
    const struct options *opt = w->opt;
    int first = w->index == 0 ? 0 : (int)(opt->idle + opt->hogs);
    for (int i = 0; i < w->index; i++)
        first += (int)part_of(opt->connections, i, opt->threads);
    int idle = w->index == 0 ? (int)opt->idle : 0;
    w->hogs = w->index == 0 ? (int)opt->hogs : 0;
    w->stream_count = (int)part_of(opt->connections, w->index, opt->threads);
    w->conn_count = idle + w->stream_count + w->hogs;
    size_t count = (size_t)w->conn_count, depth = (size_t)opt->pipeline;
    w->conns = calloc(count, sizeof *w->conns);
    w->batches = calloc(count * depth, sizeof *w->batches);
    if (w->conns == NULL || w->batches == NULL)
        return -1;
    w->stream = w->conns + idle;
    w->states[CONN_CLOSED] = w->conn_count;
    for (int i = 0; i < w->conn_count; i++) {
        struct conn *c = &w->conns[i];
        c->number = first + i;
        c->depth = (uint16_t)depth;
        c->batches = w->batches + (size_t)i * depth;
        c->states = w->states;
        if (c < w->stream)
            c->role = ROLE_IDLE;
        else if (c >= w->stream + w->stream_count)
            c->role = ROLE_HOG;
    }
    return 0;
}

// Does not set all fields, only those that are not zero: to write to the
// histograms would take most of the time and memory.
int worker_create(struct worker *w, struct control *control, int index, int fd)
{
    const struct options *opt = control->opt;
    w->control = control;
    w->opt = opt;
    w->index = index;
    w->done_phase = -1;
    w->open_loop = opt->rate > 0;
    w->window_ns = w->next_hogs_ns = INT64_MAX;
    w->next_slow_ns = opt->slow > 0 ? 0 : INT64_MAX;
    w->ready.end = &w->ready.first;
    w->thinking.end = &w->thinking.first;
    request_make(&w->probe, PROBE_N);
    request_make(&w->request, (int)opt->n);
    request_make(&w->hog, (int)opt->hog_n);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll < 0 || create_conns(w) != 0)
        return -1;
    if (fd >= 0)
        take_socket(w, &w->conns[w->tried++], fd);
    // Edge-triggered: each ring is an event, although no worker reads the bell.
    struct epoll_event rings = {.events = EPOLLIN | EPOLLET};
    return epoll_ctl(w->epoll, EPOLL_CTL_ADD, control->bell, &rings);
}

void worker_destroy(struct worker *w)
{
    for (int i = 0; i < w->tried; i++)
        conn_close(&w->conns[i], false);
    free(w->conns);
    free(w->batches);
    if (w->epoll >= 0)
        close(w->epoll);
}

void worker_sum_up(struct worker *w)
{
    bool measured = w->window_ns != INT64_MAX;
    w->now_ns = clock_now_ns();
    for (; w->open_loop && measured && has_more_to_send(w); w->requests_left--)
        count_unsent(w, schedule_take(&w->schedule));
    for (int i = 0; i < w->conn_count; i++) {
        struct conn *c = &w->conns[i];
        bool open = c->state == CONN_OPEN;
        count_add(w, COUNT_CONNECTED, open && c->role == ROLE_STREAM);
        count_add(w, COUNT_IDLE_CONNECTED, open && c->role == ROLE_IDLE);
        count_add(w, COUNT_HOGS_UNANSWERED,
                  c->in_flight > 0 && c->role == ROLE_HOG);
        if (measured)
            count_unreplied(w, c, COUNT_UNANSWERED);
    }
}

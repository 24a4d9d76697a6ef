// trial.c - tests a server with one fault.

#include "trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../conversation/await.h"
#include "../conversation/peer.h"
#include "../conversation/resources.h"
#include "residents.h"

enum {
    VICTIMS = 5,  // more than the four failures in a row
    OFFLOAD_THREADS = 2,
    WATCH_MS = 100,
    TRIES_MAX = 40,  // in WATCH_MS, for all waiting clients together
};

static const char *quiet[] = {"--quiet", NULL};

struct fault_counts *trial_set_fault(const char *fault)
{
    static struct fault_counts *counts;
    static int file = -1;
    char number[16];
    if (counts != NULL) {
        munmap(counts, sizeof *counts);
        close(file);
    }
    file = memfd_create("counts", 0);
    if (ftruncate(file, sizeof *counts) != 0)
        abort();
    counts =
        mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (counts == MAP_FAILED)
        abort();
    snprintf(number, sizeof number, "%d", file);
    setenv("FAULT_COUNTS", number, true);
    if (fault != NULL)
        setenv("FAULT", fault, true);
    else
        unsetenv("FAULT");
    return counts;
}

int trial_failed(const struct fault_counts *counts)
{
    int failed = 0;
    for (int i = 0; i < CALL_COUNT; i++)
        failed += counts->failed[i];
    return failed;
}

bool trial_await_stopped(const struct server *s)
{
    siginfo_t event = {0};
    return waitid(P_PID, (id_t)s->pid, &event, WSTOPPED | WEXITED | WNOWAIT) ==
               0 &&
           event.si_code == CLD_STOPPED;
}

// ---- Clients

// The requests of each client, sent at once, and their replies.
static const char script[] = "10\n 20 \r\nx\n7";
static const char *const replies[] = {"fib: 55\n", "fib: 6765\n",
                                      "error: not a number (want 1 to 45)\n",
                                      "fib: 13\n", ""};

void trial_begin(struct peer *p, int port)
{
    if (peer_connect(p, port)) {
        peer_say(p, script);
        peer_finish(p);
    } else {
        p->fd = -1;
    }
}

enum reception trial_finish(struct peer *p)
{
    enum reception reception = p->fd < 0 ? LOST : SERVED;
    for (size_t i = 0;
         i < sizeof replies / sizeof *replies && reception == SERVED; i++) {
        const char *line = peer_line(p);
        if (line == NULL || (*line == '\0' && *replies[i] != '\0'))
            reception = i == 0 ? LOST : CUT;
        else if (strcmp(line, replies[i]) != 0)
            reception = WRONG;
    }
    peer_close(p);
    return reception;
}

static void begin_all(struct peer peers[VICTIMS], int port)
{
    for (int i = 0; i < VICTIMS; i++)
        trial_begin(&peers[i], port);
}

// Receives the replies of all victims. Returns how many victims did not get all
// of them, or -1 if one got a wrong reply.
static int finish_all(struct peer peers[VICTIMS])
{
    int lost = 0, wrong = 0;
    for (int i = 0; i < VICTIMS; i++) {
        enum reception reception = trial_finish(&peers[i]);
        lost += reception == LOST || reception == CUT;
        wrong += reception == WRONG;
    }
    return wrong > 0 ? -1 : lost;
}

int trial_count_lost(int port)
{
    struct peer peers[VICTIMS];
    begin_all(peers, port);
    return finish_all(peers);
}

static enum reception serve_one_more(int port)
{
    struct peer p;
    trial_begin(&p, port);
    return trial_finish(&p);
}

// ---- Parts of a trial

// The clients of a trial. Victims connect after the fault has begun.
struct clients {
    struct residents residents;
    struct peer victims[VICTIMS];
};

static bool judge_lost(int lost, bool harmless,
                       const struct fault_counts *counts, struct outcome *o)
{
    int failed = trial_failed(counts);
    o->had_effect = o->had_effect || lost > 0;
    if (lost < 0)
        return fails(o, "a wrong reply");
    if (lost > (harmless ? 0 : failed))
        return fails(o, "%d lost, %d calls failed", lost, failed);
    return true;
}

// Returns whether the server sleeps and retries at most TRIES_MAX times in
// WATCH_MS. On a busy machine it retries less often, so the check still holds.
static bool tries_seldom(const struct server *s,
                         const struct fault_counts *counts, struct outcome *o)
{
    if (!server_await_rest(s))
        return fails(o, "it does not sleep");
    int before = trial_failed(counts);
    int64_t start_ms = now_ms();
    sleep_ms(WATCH_MS);
    int tries = trial_failed(counts) - before;
    int elapsed_ms = (int)(now_ms() - start_ms);
    if (tries * WATCH_MS > TRIES_MAX * elapsed_ms)
        return fails(o, "%d tries in %d ms: it spins", tries, elapsed_ms);
    return true;
}

void trial_await_failure(const struct fault_counts *counts)
{
    int64_t until_ms = now_ms() + patience_ms();
    while (trial_failed(counts) == 0 && now_ms() < until_ms)
        sleep_ms(CHECK_PAUSE_MS);
}

// Checks that the server is not busy while a lasting fault keeps new clients
// waiting. Returns false if it is; `o` says why. nonblocking is always busy, so
// there only waits until the fault has begun.
static bool sleeps_during_fault(const struct fault_case *c,
                                const struct server *s,
                                const struct fault_counts *counts,
                                struct outcome *o)
{
    if (strstr(s->out_text, "nonblocking") == NULL)
        return tries_seldom(s, counts, o);
    if (c->memory_kib == 0)
        trial_await_failure(counts);
    return true;
}

// Checks that all residents get the replies to some requests.
static bool serve_residents(struct residents *r, struct outcome *o)
{
    int served = residents_ask(r);
    return served == r->count || fails(o,
                                       "of the clients it had, %d of %d are "
                                       "served",
                                       served, r->count);
}

static bool serve_next(const struct server *s, const struct resources *before,
                       struct outcome *o)
{
    if (serve_one_more(s->port) != SERVED)
        return fails(o, "the next client is not served");
    struct resources limit = *before;
    limit.threads += OFFLOAD_THREADS;  // offload keeps its worker threads.
    struct resources after = server_settle(s, &limit);
    if (after.descriptors > before->descriptors ||
        after.processes > before->processes || after.zombies > before->zombies)
        return fails(o, "descriptors %d, then %d; processes %d, then %d",
                     before->descriptors, after.descriptors, before->processes,
                     after.processes + after.zombies);
    return true;
}

static bool serve_clients(const struct fault_case *c, const struct server *s,
                          struct clients *clients, struct fault_counts *counts,
                          struct outcome *o)
{
    struct resources before = server_resources(s);
    if (c->variant == SERVING)
        counts->armed = true;
    begin_all(clients->victims, s->port);
    if (c->lasting)
        return sleeps_during_fault(c, s, counts, o) &&
               serve_residents(&clients->residents, o);
    return serve_residents(&clients->residents, o) &&
           judge_lost(finish_all(clients->victims), c->harmless, counts, o) &&
           serve_next(s, &before, o);
}

// Two clients while the server stops: one is idle, the other waits for a reply.
struct last_clients {
    struct peer idle, asking;
};

static bool begin_last(struct last_clients *last, const struct fault_case *c,
                       int port, struct fault_counts *counts)
{
    last->idle.fd = last->asking.fd = -1;
    if (c->lasting)
        return true;
    bool connected = peer_connect(&last->asking, port) &&
                     peer_asks(&last->asking, "10\n", "fib: 55\n");
    if (c->variant == STOPPING)
        counts->armed = true;
    bool asked = connected && peer_connect(&last->idle, port) &&
                 peer_say(&last->asking, "25\n");
    await_arrived(&last->asking);  // Fails if a fault closed the connection.
    return asked;
}

static bool end_last(struct last_clients *last, const struct fault_case *c,
                     const struct fault_counts *counts, struct outcome *o)
{
    const char *line = c->lasting ? NULL : peer_line(&last->asking);
    bool lost = line == NULL || *line == '\0';
    bool wrong = !lost && strcmp(line, "fib: 75025\n") != 0;
    peer_close(&last->idle);
    peer_close(&last->asking);
    return c->lasting || judge_lost(wrong ? -1 : lost, c->harmless, counts, o);
}

// Finds the victims of a lasting fault that the server has accepted: it must
// still send their replies. Moves these victims to the front, closes the
// others, and returns how many it has found.
static int keep_accepted(const struct fault_case *c, struct clients *clients)
{
    int accepted = 0;
    for (int i = 0; i < VICTIMS && c->lasting; i++) {
        struct peer *p = &clients->victims[i];
        if (c->serves_residents && p->fd >= 0 && peer_is_accepted(p))
            clients->victims[accepted++] = *p;
        else
            peer_close(p);
    }
    return accepted;
}

// Stops the server and sets its exit status. Returns false if it did not serve
// a client that it had accepted; `o` says why.
static bool end_server(const struct fault_case *c, struct server *s,
                       struct clients *clients, int *status, struct outcome *o)
{
    struct residents *residents = &clients->residents;
    int accepted = keep_accepted(c, clients), served = 0;
    bool asked = residents_ask_last(residents);
    *status = server_end(s, SIGTERM);
    int left = residents_leave(residents);
    for (int i = 0; i < accepted; i++)
        served += trial_finish(&clients->victims[i]) == SERVED;
    if (!asked || left < residents->count)
        return fails(o, "at the end, %d of the %d clients it had are served",
                     left, residents->count);
    return served == accepted ||
           fails(o, "at the end, %d of %d accepted clients are served", served,
                 accepted);
}

static bool stop_server(const struct fault_case *c, struct server *s,
                        struct clients *clients, struct fault_counts *counts,
                        struct outcome *o)
{
    struct last_clients last;
    bool begun = begin_last(&last, c, s->port, counts);
    int status;
    bool ended = end_server(c, s, clients, &status, o);
    if (!begun)
        return fails(o, "no client before the end");
    if (!end_last(&last, c, counts, o) || !ended)
        return false;
    bool unwritable =
        counts->failed[CALL_write] > 0 && strstr(c->fault, "EINTR") == NULL;
    if (status == 1 && (unwritable || counts->failed[CALL_fflush] > 0))
        return true;  // The server could not write its summary.
    if (status != 0 || strstr(s->out_text, ": stopped after ") == NULL)
        return fails(o, "status %d at the end, said: %.100s %.200s", status,
                     s->out_text, s->err_text);
    return true;
}

// Checks that a server that did not start has ended with status 1 or 2 and one
// line of explanation.
static bool judge_refusal(struct server *s, struct outcome *o)
{
    int status = server_wait(s);
    const char *newline = strchr(s->err_text, '\n');
    if ((status == 1 || status == 2) && newline != NULL && newline[1] == '\0')
        return true;
    return fails(o, "does not start: status %d, said: %.200s", status,
                 s->err_text);
}

// Tests a server that has started. Returns false if a check fails; `o` says
// why.
static bool try_server(const struct fault_case *c, struct server *s,
                       struct fault_counts *counts, struct outcome *o)
{
    struct clients clients = {0};
    if (c->serves_residents && !residents_connect(&clients.residents, s)) {
        server_end(s, SIGKILL);
        return fails(o, "it does not serve the clients before the fault");
    }
    bool served = serve_clients(c, s, &clients, counts, o);
    return stop_server(c, s, &clients, counts, o) && served;
}

void trial_run(const struct fault_case *c, struct outcome *o)
{
    struct server s;
    bool has_fault = c->memory_kib == 0;
    const struct limits limits = {.memory_bytes = (rlim_t)c->memory_kib * 1024};
    struct fault_counts *counts = trial_set_fault(has_fault ? c->fault : NULL);
    counts->armed = c->variant == AT_START;
    if (server_launch(&s, COMMAND(c->path), quiet, &limits)) {
        o->passed = try_server(c, &s, counts, o);
    } else {
        o->passed = judge_refusal(&s, o);
        o->had_effect = true;
        if (c->variant != AT_START)
            o->passed = fails(o, "does not start, without a fault");
    }
    o->reached = trial_failed(counts) > 0;
}

// Counts the calls that a server makes at one moment, in a run without faults.
// Returns false if the run fails; `o` says why.
static bool count_calls(const char *path, int moment, int *seen,
                        struct outcome *o)
{
    struct fault_case none = {
        .path = path, .variant = moment, .harmless = true};
    struct server s;
    struct fault_counts *counts = trial_set_fault(NULL);
    counts->armed = moment == AT_START;
    if (!server_launch(&s, COMMAND(path), quiet, NULL))
        return fails(o, "does not start: %.200s", s.err_text);
    if (moment == AT_START)
        counts->armed = false;
    struct clients clients = {0};
    bool works = serve_clients(&none, &s, &clients, counts, o);
    if (moment == SERVING)
        counts->armed = false;
    works = stop_server(&none, &s, &clients, counts, o) && works;
    for (int i = 0; i < CALL_COUNT; i++)
        seen[i] = counts->seen[i];
    return works;
}

bool trial_count_calls(const char *path, struct call_counts *calls,
                       struct outcome *o)
{
    bool works = true;
    for (int moment = 0; moment < MOMENT_COUNT; moment++)
        works = count_calls(path, moment, calls->seen[moment], o) && works;
    return works;
}

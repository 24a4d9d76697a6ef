// trial.c - a server with a fault: started, asked, stopped, judged.

#include "trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../conversation/await.h"
#include "../conversation/peer.h"
#include "../conversation/resources.h"
#include "../conversation/server.h"

enum {
    VICTIMS = 5,  // one more than the faults in a row
    OFFLOAD_THREADS = 2,
    WATCH_MS = 100,
    TRIES_MAX = 40,  // in that time, for all clients that have to wait
};

static const char *quiet[] = {"--quiet", NULL};

struct fault_counts *trial_announce(const char *fault)
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

// ---- Clients

// All that is said at once, and what must come back.
static const char script[] = "10\n 20 \r\nx\n7";
static const char *const replies[] = {"fib: 55\n", "fib: 6765\n",
                                      "error: not a number (want 1 to 45)\n",
                                      "fib: 13\n", ""};

enum fate { SERVED, LOST, WRONG };

// Begins a conversation. It may be lost at once.
static void begin(struct peer *p, int port)
{
    if (peer_connect(p, port)) {
        peer_say(p, script);
        peer_finish(p);
    } else {
        p->fd = -1;
    }
}

// Hears all replies, as far as they come.
static enum fate finish(struct peer *p)
{
    enum fate fate = p->fd < 0 ? LOST : SERVED;
    for (size_t i = 0; i < sizeof replies / sizeof *replies && fate == SERVED;
         i++) {
        const char *line = peer_line(p);
        if (line == NULL || (*line == '\0' && *replies[i] != '\0'))
            fate = LOST;
        else if (strcmp(line, replies[i]) != 0)
            fate = WRONG;
    }
    peer_close(p);
    return fate;
}

int trial_lose_some(int port)
{
    struct peer peers[VICTIMS];
    int lost = 0, wrong = 0;
    for (int i = 0; i < VICTIMS; i++)
        begin(&peers[i], port);
    for (int i = 0; i < VICTIMS; i++) {
        enum fate fate = finish(&peers[i]);
        lost += fate == LOST;
        wrong += fate == WRONG;
    }
    return wrong > 0 ? -1 : lost;
}

static enum fate one_more(int port)
{
    struct peer p;
    begin(&p, port);
    return finish(&p);
}

// ---- Parts of a trial

static bool judge_lost(int lost, bool harmless,
                       const struct fault_counts *counts, struct outcome *o)
{
    int failed = trial_failed(counts);
    o->felt = o->felt || lost > 0;
    if (lost < 0)
        return fails(o, "a wrong reply");
    if (lost > (harmless ? 0 : failed))
        return fails(o, "%d lost, %d calls failed", lost, failed);
    return true;
}

// Whether the server sleeps between two tries, and how often it tries. A busy
// machine only makes that less often.
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

// Waits until a call has failed, for a server that is always busy.
static void await_failure(const struct fault_counts *counts)
{
    int64_t until_ms = now_ms() + patience_ms();
    while (trial_failed(counts) == 0 && now_ms() < until_ms)
        sleep_ms(1);
}

// While the fault goes on, clients wait. The server must not be busy with that.
static bool endure(const struct fault_case *c, const struct server *s,
                   const struct fault_counts *counts, struct outcome *o)
{
    struct peer peers[VICTIMS];
    bool seldom = true;
    for (int i = 0; i < VICTIMS; i++)
        begin(&peers[i], s->port);
    if (strstr(s->out_text, "nonblocking") == NULL)
        seldom = tries_seldom(s, counts, o);
    else if (c->memory_kib == 0)
        await_failure(counts);
    for (int i = 0; i < VICTIMS; i++)
        peer_close(&peers[i]);
    return seldom;
}

static bool serve(const struct fault_case *c, const struct server *s,
                  struct fault_counts *counts, struct outcome *o)
{
    struct resources before = server_resources(s);
    if (c->variant == SERVING)
        counts->armed = true;
    if (c->lasting)
        return endure(c, s, counts, o);
    if (!judge_lost(trial_lose_some(s->port), c->harmless, counts, o))
        return false;
    if (one_more(s->port) != SERVED)
        return fails(o, "the next client is not served");
    before.threads += OFFLOAD_THREADS;  // Those of --offload stay.
    struct resources after = server_settle(s, &before);
    if (after.descriptors > before.descriptors ||
        after.processes > before.processes || after.zombies > before.zombies)
        return fails(o, "descriptors %d, then %d; processes %d, then %d",
                     before.descriptors, after.descriptors, before.processes,
                     after.processes + after.zombies);
    return true;
}

// Two clients at the end: one is silent, the other waits for a reply.
struct last_clients {
    struct peer silent, asking;
};

static bool begin_last(struct last_clients *last, const struct fault_case *c,
                       int port, struct fault_counts *counts)
{
    last->silent.fd = last->asking.fd = -1;
    if (c->lasting)
        return true;
    bool connected = peer_connect(&last->asking, port) &&
                     peer_asks(&last->asking, "10\n", "fib: 55\n");
    if (c->variant == STOPPING)
        counts->armed = true;
    bool asked = connected && peer_connect(&last->silent, port) &&
                 peer_say(&last->asking, "25\n");
    await_arrived(&last->asking);  // Or a fault has ended it.
    return asked;
}

static bool end_last(struct last_clients *last, const struct fault_case *c,
                     const struct fault_counts *counts, struct outcome *o)
{
    const char *line = c->lasting ? NULL : peer_line(&last->asking);
    bool lost = line == NULL || *line == '\0';
    bool wrong = !lost && strcmp(line, "fib: 75025\n") != 0;
    peer_close(&last->silent);
    peer_close(&last->asking);
    return c->lasting || judge_lost(wrong ? -1 : lost, c->harmless, counts, o);
}

static bool stop(const struct fault_case *c, struct server *s,
                 struct fault_counts *counts, struct outcome *o)
{
    struct last_clients last;
    bool begun = begin_last(&last, c, s->port, counts);
    int status = server_end(s, SIGTERM);
    if (!begun)
        return fails(o, "no client before the end");
    if (!end_last(&last, c, counts, o))
        return false;
    bool unwritable =
        counts->failed[CALL_write] > 0 && strstr(c->fault, "EINTR") == NULL;
    if (status == 1 && (unwritable || counts->failed[CALL_fflush] > 0))
        return true;  // Its summary could not be written.
    if (status != 0 || strstr(s->out_text, ": stopped after ") == NULL)
        return fails(o, "status %d at the end, said: %.100s %.200s", status,
                     s->out_text, s->err_text);
    return true;
}

// It did not start: was that with a clear message?
static bool judge_refusal(struct server *s, struct outcome *o)
{
    int status = server_wait(s);
    const char *newline = strchr(s->err_text, '\n');
    if ((status == 1 || status == 2) && newline != NULL && newline[1] == '\0')
        return true;
    return fails(o, "does not start: status %d, said: %.200s", status,
                 s->err_text);
}

void trial_run(const struct fault_case *c, struct outcome *o)
{
    struct server s;
    bool has_fault = c->memory_kib == 0;
    const struct limits limits = {.memory_bytes = (rlim_t)c->memory_kib * 1024};
    struct fault_counts *counts = trial_announce(has_fault ? c->fault : NULL);
    counts->armed = c->variant == AT_START;
    if (server_launch(&s, COMMAND(c->path), quiet, &limits)) {
        bool served = serve(c, &s, counts, o);
        o->passed = stop(c, &s, counts, o) && served;
    } else {
        o->passed = judge_refusal(&s, o);
        o->felt = true;
        if (c->variant != AT_START)
            o->passed = fails(o, "does not start, without a fault");
    }
    o->reached = trial_failed(counts) > 0;
}

// Counts the calls of one moment, from its beginning to its end.
static bool observe(const char *path, int moment, int *seen, struct outcome *o)
{
    struct fault_case none = {
        .path = path, .variant = moment, .harmless = true};
    struct server s;
    struct fault_counts *counts = trial_announce(NULL);
    counts->armed = moment == AT_START;
    if (!server_launch(&s, COMMAND(path), quiet, NULL))
        return fails(o, "does not start: %.200s", s.err_text);
    if (moment == AT_START)
        counts->armed = false;
    bool works = serve(&none, &s, counts, o);
    if (moment == SERVING)
        counts->armed = false;
    works = stop(&none, &s, counts, o) && works;
    for (int i = 0; i < CALL_COUNT; i++)
        seen[i] = counts->seen[i];
    return works;
}

bool trial_habits(const char *path, struct habits *habits, struct outcome *o)
{
    bool works = true;
    for (int moment = 0; moment < MOMENT_COUNT; moment++)
        works = observe(path, moment, habits->seen[moment], o) && works;
    return works;
}

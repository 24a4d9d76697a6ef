// cases.c - the list of faults to test, each with a program.

#include "cases.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"

enum {
    MEMORY_MIN_KIB = 2800,
    MEMORY_MAX_KIB = 32 * 1024,
    EACH_MAX = 6,  // how many of the first calls fail, one per case
    BURST = 50,    // how many calls fail in a row
    CUT_MAX = 14,  // bytes; the longest reply of the tests has 15
};

struct fault_case cases[CASES_MAX];
int case_count;

struct fault_case *cases_add(const char *path, int variant, const char *format,
                             ...)
{
    va_list arguments;
    if (case_count == CASES_MAX)
        abort();
    struct fault_case *c = &cases[case_count++];
    *c = (struct fault_case){.path = path, .variant = variant};
    va_start(arguments, format);
    vsnprintf(c->fault, sizeof c->fault, format, arguments);
    va_end(arguments);
    return c;
}

// Returns whether the server may lose a client when this call fails with this
// errno. That is so for calls on a client's connection. Other calls are about
// the server itself, which must try again.
static bool costs_a_client(const char *call, const char *error)
{
    if (strcmp(error, "EINTR") == 0)
        return false;
    if (strcmp(call, "epoll_ctl") == 0)
        return strcmp(error, "EPERM") == 0;
    return fault_is_listed("recv send ioctl getsockopt", call);
}

// Returns whether a server learns from this call which clients are ready. If it
// always fails, the server can serve no client.
static bool reports_ready_clients(const char *call)
{
    return fault_is_listed("poll select", call);
}

bool cases_can_last(const char *error)
{
    return !fault_is_listed("EINTR ECONNABORTED", error);
}

static void add_error(const char *path, int moment,
                      const struct fault_call_info *call, const char *error)
{
    bool harmless = !costs_a_client(call->name, error);
    cases_add(path, moment, "%s:%s:1", call->name, error)->harmless = harmless;
    if (moment != SERVING)
        return;
    cases_add(path, moment, "%s:%s:1-4", call->name, error)->harmless =
        harmless;
    if (!cases_can_last(error))
        return;
    struct fault_case *c =
        cases_add(path, moment, "%s:%s:1-", call->name, error);
    c->lasting = true;
    c->serves_residents = harmless && !reports_ready_clients(call->name);
}

// Adds a case in which a call fails BURST times in a row, with its first errno
// that costs no client. Afterwards the server must serve all clients, residents
// and new ones.
static void add_burst(const char *path, const struct fault_call_info *call)
{
    char error[FAULT_SIZE];
    for (const char *rest = call->errnos; *rest != '\0';) {
        rest = cases_next_word(rest, error);
        if (costs_a_client(call->name, error) || !cases_can_last(error))
            continue;
        struct fault_case *c =
            cases_add(path, SERVING, "%s:%s:1-%d", call->name, error, BURST);
        c->harmless = c->serves_residents = true;
        return;
    }
}

const char *cases_next_word(const char *list, char *word)
{
    size_t len = strcspn(list, " ");
    snprintf(word, FAULT_SIZE, "%.*s", (int)len, list);
    return list + len + strspn(list + len, " ");
}

// Returns whether the case may make this call move fewer bytes. Coroutines use
// edge-triggered epoll(7): after a short read, they conclude that no bytes are
// left. If the layer makes up a short read, they wait for bytes that are
// already there. Other tests send them a byte at a time.
static bool can_be_cut(const char *path, const char *call)
{
    const char *model = strrchr(path, '/') + 1;
    return !fault_is_listed("coroutine offload multiloop", model) ||
           strcmp(call, "recv") != 0;
}

static void add_cuts(const char *path, int moment, const char *call)
{
    if (!can_be_cut(path, call))
        return;
    for (int bytes = 1; bytes <= CUT_MAX; bytes++)
        cases_add(path, moment, "%s:%d:1-", call, bytes)->harmless = true;
    cases_add(path, moment, "%s:1:50%%", call)->harmless = true;
}

static void add_call(const char *path, int moment,
                     const struct fault_call_info *call, int seen)
{
    char first[FAULT_SIZE], error[FAULT_SIZE];
    cases_next_word(call->errnos, first);
    for (const char *rest = call->errnos; *rest != '\0';) {
        rest = cases_next_word(rest, error);
        add_error(path, moment, call, error);
    }
    for (int number = 2; number <= seen && number <= EACH_MAX; number++)
        cases_add(path, moment, "%s:%s:%d", call->name, first, number)
            ->harmless = !costs_a_client(call->name, first);
    if (moment == SERVING)
        add_burst(path, call);
    for (int number = 1;
         moment == SERVING && number <= seen && number <= EACH_MAX; number++)
        cases_add(path, moment, "%s:SIGTERM:%d", call->name, number)->kind =
            SUDDEN;
    if (call->is_transfer && moment != STOPPING)
        add_cuts(path, moment, call->name);
}

// Returns whether one thread of the server accepts and serves all clients, and
// calls accept4() itself.
static bool has_one_thread(const char *path)
{
    return fault_is_listed("nonblocking select poll callback signal generator "
                           "coroutine offload",
                           strrchr(path, '/') + 1);
}

// Adds cases with a limit on the address space: from hardly enough to load the
// program up to plenty.
static void add_memory(const char *path)
{
#ifdef SANITIZED  // The sanitizers need terabytes of address space.
    (void)path;
#else
    for (int kib = MEMORY_MIN_KIB; kib < MEMORY_MAX_KIB; kib += kib / 16) {
        struct fault_case *c =
            cases_add(path, AT_START, "%d KiB of memory", kib);
        c->memory_kib = kib;
        c->lasting = true;
    }
#endif
}

// Adds a case with a clock that leaps, for the server with `option`, or without
// an option if it is NULL.
static void add_leaps(const char *path, const char *option)
{
    struct fault_case *c = cases_add(path, SERVING, "a clock that leaps%s%s",
                                     option != NULL ? ", with " : "",
                                     option != NULL ? option : "");
    c->kind = LEAPS;
    c->option = option;
}

void cases_add_server(const char *path, const struct call_counts *counts)
{
    for (int moment = 0; moment < MOMENT_COUNT; moment++)
        for (int call = 0; call < CALL_COUNT; call++)
            if (counts->seen[moment][call] > 0)
                add_call(path, moment, &fault_calls[call],
                         counts->seen[moment][call]);
    cases_add(path, AT_START, "all:EINTR:7%%")->harmless = true;
    cases_add(path, AT_START, "all:EINTR:50%%")->harmless = true;
    cases_add(path, SERVING, "signals without end")->kind = STORM;
    cases_add(path, AT_START, "listen:SIGSTOP:1")->kind = EARLY;
    if (counts->seen[SERVING][CALL_fork] > 0)
        cases_add(path, STOPPING, "fork:EAGAIN:1-")->kind = SECOND;
    if (counts->seen[SERVING][CALL_pthread_create] > 0)
        cases_add(path, STOPPING, "pthread_create:EAGAIN:1-")->kind = SECOND;
    add_leaps(path, NULL);
    if (strcmp(strrchr(path, '/') + 1, "callback") == 0)
        add_leaps(path, "--edge");
    if (has_one_thread(path)) {
        // The model `signal` makes eight steps for each resident before it
        // accepts.
        cases_add(path, SERVING, "send:SIGSTOP:%d",
                  strcmp(strrchr(path, '/') + 1, "signal") == 0 ? 25 : 7)
            ->kind = CROWD;
        cases_add(path, SERVING, "accept4:SIGSTOP:%d", CROWD_SIZE)->kind =
            QUEUE;
        cases_add(path, STOPPING, "recv:SIGSTOP:1")->kind = LATE;
        cases_add(path, STOPPING, "send:SIGSTOP:40")->kind = TURNS;
    }
    add_memory(path);
}

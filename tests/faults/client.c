// client.c - fibload with a fault: it must end, with a report or a reason.

#include "client.h"

#include <stdio.h>
#include <string.h>

#include "../conversation/server.h"

enum { WORDS_MAX = 12, TEXT_SIZE = 160, MANY = 4 };

// What it is asked to do. Between them, these make all its calls.
static const char *const errands[] = {
    "--warmup 0 -c 4 -n 100 --csv /dev/null --json /dev/null",
    "--warmup 0 -c 2 -d 50ms --hist /dev/null --timeline /dev/null",
    "--warmup 0 -c 2 -n 20 --churn --interval 10ms",
    "--warmup 0 -c 2 -R 200 -n 20 --idle 2 --each",
    "--warmup 0 -c 2 -n 4 --slow 1000",
    "--calibrate --warmup 0 -d 5ms",
};
enum { ERRANDS = sizeof errands / sizeof errands[0] };

int client_port;

// Runs an errand against a server. Returns the exit status, or -1 if it crashed
// or did not end.
static int run(struct server *client, const char *path, int errand)
{
    static const char *const limits = "--timeout 100ms --grace 50ms";
    char text[TEXT_SIZE], target[16];
    const char *words[WORDS_MAX + 8];
    int count = 0;
    snprintf(text, sizeof text, "%s %s", limits, errands[errand]);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = word;
    snprintf(target, sizeof target, "%d", client_port);
    if (strstr(errands[errand], "--calibrate") == NULL)
        words[count++] = target;
    words[count] = NULL;
    return server_try(client, COMMAND(path), words);
}

// Adds the faults of a call. The first errand that makes it gets all errnos.
// The calibration, which makes a thousand connections, only shows its own.
static void add_faults(const char *path, int errand,
                       const struct fault_call_info *call, int seen, bool first)
{
    char error[FAULT_SIZE];
    int middle = seen / 2 + 1;
    bool brief = errand == ERRANDS - 1;
    if (brief && !first)
        return;
    for (const char *rest = call->errnos; *rest != '\0';) {
        rest = cases_next_word(rest, error);
        cases_add(path, errand, "%s:%s:1", call->name, error);
        if (brief)
            continue;
        cases_add(path, errand, "%s:%s:%d-%d", call->name, error, middle,
                  middle + MANY);
        if (cases_can_last(error) && first)
            cases_add(path, errand, "%s:%s:1-", call->name, error);
        if (!first)
            return;
    }
}

void client_add_cases(const char *path, struct outcome *o)
{
    bool known[CALL_COUNT] = {false};
    for (int errand = 0; errand < ERRANDS; errand++) {
        struct server client;
        struct fault_counts *counts = trial_announce(NULL);
        counts->armed = true;
        int status = run(&client, path, errand);
        if (status != 0)
            fails(o, "%s: status %d, said: %.200s", errands[errand], status,
                  client.err_text);
        for (int i = 0; i < CALL_COUNT; i++) {
            if (counts->seen[i] > 0)
                add_faults(path, errand, &fault_calls[i], counts->seen[i],
                           !known[i]);
            known[i] = known[i] || counts->seen[i] > 0;
        }
        cases_add(path, errand, "all:EINTR:20%%");
        cases_add(path, errand, "recvmsg:1:1-");
        cases_add(path, errand, "send:1:1-");
    }
    o->passed = o->said[0] == '\0';
}

void client_try(const struct fault_case *c, struct outcome *o)
{
    struct server client;
    struct fault_counts *counts = trial_announce(c->fault);
    counts->armed = true;
    int status = run(&client, c->path, c->variant);
    bool reported = strstr(client.out_text, "\n  verdict ") != NULL ||
                    strstr(client.out_text, "client CPU") != NULL;
    bool explained = client.err_text[0] != '\0';
    o->passed = ((status == 0 || status == 1) && (reported || explained)) ||
                (status == 2 && explained) ||
                fails(o, "%s: status %d, said: %.100s", errands[c->variant],
                      status, client.err_text);
    o->reached = trial_failed(counts) > 0;
    o->felt = status != 0;
}

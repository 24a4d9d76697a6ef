// client.c - fibload with a fault: it must end, with a report or an error
// message.

#include "client.h"

#include <stdio.h>
#include <string.h>

#include "../conversation/server.h"

enum { WORDS_MAX = 12, TEXT_SIZE = 160, MANY = 4, TRIES = 5 };

// With a fault, a reply may never come, so the client must not wait for long.
// Without a fault, a reply may come late, so the client must be patient.
#define BRIEF "--timeout 100ms --grace 50ms"
#define PATIENT "--timeout 20s --grace 20s"

// The options of the runs. Together, these runs make all calls of the client.
static const char *const command_lines[] = {
    "--warmup 0 -c 4 -n 100 --csv /dev/null --json /dev/null",
    "--warmup 0 -c 2 -d 50ms --hist /dev/null --timeline /dev/null",
    "--warmup 0 -c 2 -n 20 --churn --interval 10ms",
    "--warmup 0 -c 2 -R 200 -n 20 --idle 2 --each",
    "--warmup 0 -c 2 -n 4 --slow 1000",
    "--calibrate --warmup 0 -d 5ms",
};
enum { LINES = sizeof command_lines / sizeof command_lines[0] };

int client_port;

// Runs the client with one of the command lines and these limits. Returns its
// exit status, 256 + the signal that ended it, or -1 if it had to be killed.
static int run(struct server *client, const char *path, int line,
               const char *limits)
{
    char text[TEXT_SIZE], target[16];
    const char *words[WORDS_MAX + 8];
    int count = 0;
    snprintf(text, sizeof text, "%s %s", limits, command_lines[line]);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = word;
    snprintf(target, sizeof target, "%d", client_port);
    if (strstr(command_lines[line], "--calibrate") == NULL)
        words[count++] = target;
    words[count] = NULL;
    return server_try(client, COMMAND(path), words);
}

// Adds the cases of a call. Tests the first command line that makes this call
// with all errnos, and later ones with the first errno only. --calibrate takes
// long, so it is tested only with calls that no other command line makes.
static void add_faults(const char *path, int line,
                       const struct fault_call_info *call, int seen, bool first)
{
    char error[FAULT_SIZE];
    int middle = seen / 2 + 1;
    bool brief = line == LINES - 1;
    if (brief && !first)
        return;
    for (const char *rest = call->errnos; *rest != '\0';) {
        rest = cases_next_word(rest, error);
        cases_add(path, line, "%s:%s:1", call->name, error);
        if (brief)
            continue;
        cases_add(path, line, "%s:%s:%d-%d", call->name, error, middle,
                  middle + MANY);
        if (cases_can_last(error) && first)
            cases_add(path, line, "%s:%s:1-", call->name, error);
        if (!first)
            return;
    }
}

// Runs the client without a fault, and returns which calls it makes. On a busy
// machine it may happen that no reply comes within a window of 50 ms. Then runs
// the client again.
static struct fault_counts *count_calls(const char *path, int line,
                                        struct outcome *o)
{
    struct server client;
    struct fault_counts *counts = NULL;
    int status = -1;
    for (int i = 0; i < TRIES && status != 0; i++) {
        counts = trial_set_fault(NULL);
        counts->armed = true;
        status = run(&client, path, line, PATIENT);
    }
    if (status != 0)
        fails(o, "%s: status %d, said: %.200s", command_lines[line], status,
              client.err_text);
    return counts;
}

void client_add_cases(const char *path, struct outcome *o)
{
    bool known[CALL_COUNT] = {false};
    for (int line = 0; line < LINES; line++) {
        struct fault_counts *counts = count_calls(path, line, o);
        for (int i = 0; i < CALL_COUNT; i++) {
            if (counts->seen[i] > 0)
                add_faults(path, line, &fault_calls[i], counts->seen[i],
                           !known[i]);
            known[i] = known[i] || counts->seen[i] > 0;
        }
        cases_add(path, line, "all:EINTR:20%%");
        cases_add(path, line, "recvmsg:1:1-");
        cases_add(path, line, "send:1:1-");
    }
    o->passed = o->said[0] == '\0';
}

void client_try(const struct fault_case *c, struct outcome *o)
{
    struct server client;
    struct fault_counts *counts = trial_set_fault(c->fault);
    counts->armed = true;
    int status = run(&client, c->path, c->variant, BRIEF);
    bool reported = strstr(client.out_text, "\n  verdict ") != NULL ||
                    strstr(client.out_text, "client CPU") != NULL;
    bool explained = client.err_text[0] != '\0';
    o->passed = ((status == 0 || status == 1) && (reported || explained)) ||
                (status == 2 && explained) ||
                fails(o, "%s: status %d, said: %.100s",
                      command_lines[c->variant], status, client.err_text);
    o->reached = trial_failed(counts) > 0;
    o->had_effect = status != 0;
}

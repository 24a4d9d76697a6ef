// storm.c - a server whose system calls are interrupted all the time.
//
// The layer's handler of SIGUSR1 (layer.c) only counts the signal. So the
// effect is that a blocked call fails with EINTR. SIGSTOP and SIGCONT do this
// to some calls without a handler: see signal(7).

#include "storm.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../conversation/server.h"
#include "../tap.h"
#include "trial.h"

enum {
    ROUNDS = 10,  // at least, of clients
    SIGNALS_MIN = 500,
    PAUSE_US = 300,
    STOP_EVERY = 50,  // rounds of signals between two SIGSTOPs
};

// Sends SIGUSR1 to all threads of a process. Returns false if the process is
// gone.
static bool interrupt_threads(pid_t process)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)process);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return false;
    for (struct dirent *e; (e = readdir(tasks)) != NULL;)
        syscall(SYS_tgkill, process, (pid_t)strtol(e->d_name, NULL, 10),
                SIGUSR1);
    closedir(tasks);
    return true;
}

static void interrupt_children(pid_t process)
{
    char path[64];
    int child;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)process,
             (int)process);
    FILE *children = fopen(path, "re");
    while (children != NULL && fscanf(children, "%d", &child) == 1)
        interrupt_threads(child);
    if (children != NULL)
        fclose(children);
}

// Sends signals to the server and its children until the server is gone.
_Noreturn static void interrupt_without_end(pid_t server)
{
    for (int round = 1; interrupt_threads(server); round++) {
        interrupt_children(server);
        if (round % STOP_EVERY == 0) {
            kill(server, SIGSTOP);
            kill(server, SIGCONT);
        }
        usleep(PAUSE_US);
    }
    _exit(EXIT_SUCCESS);
}

// Runs rounds of clients until there were ROUNDS of them and SIGNALS_MIN
// signals. Returns false if a client was lost; `o` says why.
static bool run_clients(int port, const struct fault_counts *counts,
                        struct outcome *o)
{
    int64_t until_ms = now_ms() + patience_ms();
    for (int round = 0; round < ROUNDS || counts->interrupted < SIGNALS_MIN;
         round++) {
        if (trial_count_lost(port) != 0)
            return fails(o, "a client is lost");
        if (now_ms() > until_ms)
            return fails(o, "%d signals only", counts->interrupted);
    }
    return true;
}

void storm_run(const struct fault_case *c, struct outcome *o)
{
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    const struct fault_counts *counts = trial_set_fault(NULL);
    if (!server_launch(&s, COMMAND(c->path), arguments, NULL)) {
        server_wait(&s);
        fails(o, "it does not start");
        return;
    }
    pid_t parent = getpid(), storm = tap_fork();
    if (storm == 0) {
        tap_end_with_parent(parent);
        interrupt_without_end(s.pid);
    }
    bool served = run_clients(s.port, counts, o);
    int status = server_end(&s, SIGTERM);
    kill(storm, SIGKILL);
    waitpid(storm, NULL, 0);
    o->reached = counts->interrupted >= SIGNALS_MIN;
    o->passed = served && (status == 0 || fails(o, "status %d", status));
}

// storm.c - signals without end, to all threads and processes of a server.
//
// The layer (fault.h) handles SIGUSR1 by doing nothing: what remains is that
// the call that waits returns EINTR. SIGSTOP and SIGCONT do the same to some
// calls although there is no handler, see signal(7).

#include "storm.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../conversation/server.h"
#include "../tap.h"
#include "trial.h"

enum {
    ROUNDS = 10,  // of clients, and so many signals, before the end
    SIGNALS_MIN = 500,
    PAUSE_US = 300,
    STOP_EVERY = 50,  // rounds of signals
};

// Interrupts all threads of a process. Returns whether there is one.
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

// Continues until the server is gone or this process is killed.
_Noreturn static void rage(pid_t server)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
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

// Has clients ask, until there were enough of them and of signals. Returns
// false, having said why, if one was lost.
static bool ask_in_storm(int port, const struct fault_counts *counts,
                         struct outcome *o)
{
    int64_t until_ms = now_ms() + patience_ms();
    for (int round = 0; round < ROUNDS || counts->interrupted < SIGNALS_MIN;
         round++) {
        if (trial_lose_some(port) != 0)
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
    const struct fault_counts *counts = trial_announce(NULL);
    if (!server_launch(&s, COMMAND(c->path), arguments, NULL)) {
        server_wait(&s);
        fails(o, "it does not start");
        return;
    }
    pid_t storm = tap_fork();
    if (storm == 0)
        rage(s.pid);
    bool served = ask_in_storm(s.port, counts, o);
    int status = server_end(&s, SIGTERM);
    kill(storm, SIGKILL);
    waitpid(storm, NULL, 0);
    o->reached = counts->interrupted >= SIGNALS_MIN;
    o->passed = served && (status == 0 || fails(o, "status %d", status));
}

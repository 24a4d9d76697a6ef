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
    ROUNDS = 10,
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

// Goes on until the server is gone or this process is killed.
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

void storm_test(const char *path)
{
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    int lost = 0;
    trial_announce(NULL);
    if (!server_start(&s, path, arguments, NULL))
        return;
    pid_t storm = tap_fork();
    if (storm == 0)
        rage(s.pid);
    for (int round = 0; round < ROUNDS && lost == 0; round++)
        lost = trial_lose_some(s.port);
    ok(lost == 0, "%s loses nobody in a storm of signals", path);
    server_stop(&s, path);
    kill(storm, SIGKILL);
    waitpid(storm, NULL, 0);
}

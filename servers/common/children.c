// children.c - the children of a server that forks: counted, reaped, ended.

#include "children.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net.h"
#include "stop.h"

int children_count;
static pid_t *children;  // The first children_count are in use.
static pid_t parent;

int children_open(int count_max)
{
    parent = getpid();
    children = calloc((size_t)count_max, sizeof *children);
    return children != NULL ? stop_block_signals() : -1;
}

void children_add(pid_t pid)
{
    children[children_count++] = pid;
}

bool children_has(pid_t pid)
{
    for (int i = 0; i < children_count; i++)
        if (children[i] == pid)
            return true;
    return false;
}

// LESSON zombies: a child that has exited keeps its entry in the process table
// until its parent calls waitpid(). Try it: make `return;` the first line of
// this function, connect and disconnect, and look for <defunct> in `ps`.
void children_reap(void)
{
    pid_t exited;
    while ((exited = waitpid(-1, NULL, WNOHANG)) > 0)
        for (int i = 0; i < children_count; i++)
            if (children[i] == exited)
                children[i] = children[--children_count];
}

bool children_backoff(void)
{
    if (net_backoff("fork")) {
        children_reap();
        return true;
    }
    bool had_children = children_count > 0;
    children_end();
    return had_children;
}

void children_end(void)
{
    for (int i = 0; i < children_count; i++)
        kill(children[i], SIGTERM);
    for (children_reap(); children_count > 0; children_reap())
        stop_wait(-1, -1);
}

// LESSON orphans: a child outlives its parent. With prctl(), the child asks the
// kernel to kill it when the parent dies. If the parent has died before
// prctl(), no signal comes, but then getppid() returns the id of another
// process.
void child_begin(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    stop_unblock_signals();
}

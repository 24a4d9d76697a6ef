// procstat.c - what a server costs, over the whole tree of its processes and
// threads; and the CPU time of other programs.

#include "procstat.h"

#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// The fields of /proc/PID/stat that we need.
struct process {
    int pid, parent, threads;
    bool in_tree;
    long user_ticks, sys_ticks;  // of the process and all its threads
    long ended_user_ticks, ended_sys_ticks;  // of children it has reaped
};

// Reads a small file of /proc. Returns its length, or 0 with errno if it
// cannot.
__attribute__((format(printf, 3, 4))) static size_t
read_file(char *text, size_t size, const char *format, ...)
{
    char path[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    text[0] = '\0';
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    size_t len = fread(text, 1, size - 1, file);
    fclose(file);
    text[len] = '\0';
    return len;
}

// Returns the number after `name`, or 0.
static double number_after(const char *text, const char *name)
{
    const char *found = strstr(text, name);
    return found != NULL ? strtod(found + strlen(name), NULL) : 0;
}

// ---- The tree

static bool read_process(int pid, struct process *p)
{
    char text[1024];
    if (read_file(text, sizeof text, "/proc/%d/stat", pid) == 0)
        return false;
    // The process may have chosen any name, even ") R 1". So the fields begin
    // after the last parenthesis.
    const char *fields = strrchr(text, ')');
    *p = (struct process){.pid = pid};
    return fields != NULL &&
           sscanf(fields,
                  ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld %ld "
                  "%ld %*d %*d %d",
                  &p->parent, &p->user_ticks, &p->sys_ticks,
                  &p->ended_user_ticks, &p->ended_sys_ticks, &p->threads) == 6;
}

// Returns a list of all processes, for the caller to free, or NULL if there is
// no memory.
static struct process *list_processes(size_t *count)
{
    static const char folder[] = "/proc/";
    glob_t names = {0};
    glob("/proc/[0-9]*", GLOB_NOSORT, NULL, &names);
    struct process *list = calloc(names.gl_pathc, sizeof *list);
    *count = 0;
    for (size_t i = 0; list != NULL && i < names.gl_pathc; i++) {
        const char *name = names.gl_pathv[i] + strlen(folder);
        *count += read_process((int)strtol(name, NULL, 10), &list[*count]);
    }
    globfree(&names);
    return list;
}

// Marks a process and all its descendants.
static void mark_tree(struct process *list, size_t count, int root)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].pid == root)
            list[i].in_tree = true;
    for (size_t i = 0; i < count; i++)
        if (list[i].parent == root && !list[i].in_tree)
            mark_tree(list, count, list[i].pid);
}

// ---- The costs of its processes

static double ticks_to_s(double ticks)
{
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

// Adds the CPU time of a process. That of a living process comes from its
// clock, in ns, because /proc counts in ticks of 10 ms.
static void add_times(struct procstat *tree, const struct process *p)
{
    clockid_t id;
    struct timespec used = {0};
    if (clock_getcpuclockid(p->pid, &id) == 0)
        clock_gettime(id, &used);
    tree->cpu_s +=
        (double)used.tv_sec + (double)used.tv_nsec / 1e9 +
        ticks_to_s((double)(p->ended_user_ticks + p->ended_sys_ticks));
    tree->user_ticks += (double)(p->user_ticks + p->ended_user_ticks);
    tree->sys_ticks += (double)(p->sys_ticks + p->ended_sys_ticks);
    tree->processes++;
    tree->threads += p->threads;
}

static void add_switches(struct procstat *tree, int pid)
{
    char threads[32], text[4096];
    glob_t names = {0};
    snprintf(threads, sizeof threads, "/proc/%d/task/*", pid);
    glob(threads, GLOB_NOSORT, NULL, &names);
    for (size_t i = 0; i < names.gl_pathc; i++)
        if (read_file(text, sizeof text, "%s/status", names.gl_pathv[i]) > 0)
            tree->switches +=
                number_after(text, "\nvoluntary_ctxt_switches:") +
                number_after(text, "\nnonvoluntary_ctxt_switches:");
    globfree(&names);
}

// Adds the memory of a process: 0 if it has just ended. If we may not read it,
// the sum becomes NAN.
static void add_memory(struct procstat *tree, int pid)
{
    char text[2048];
    errno = 0;
    read_file(text, sizeof text, "/proc/%d/smaps_rollup", pid);
    bool refused = errno == EACCES || errno == EPERM;
    tree->rss_kib += refused ? NAN : number_after(text, "\nRss:");
    tree->pss_kib += refused ? NAN : number_after(text, "\nPss:");
}

int procstat_read(pid_t root, bool with_memory, struct procstat *tree)
{
    size_t count;
    struct process *list = list_processes(&count);
    mark_tree(list, count, root);
    *tree = (struct procstat){0};
    for (size_t i = 0; i < count; i++)
        if (list[i].in_tree)
            add_times(tree, &list[i]);  // All times first: they keep growing.
    for (size_t i = 0; i < count; i++) {
        if (list[i].in_tree)
            add_switches(tree, list[i].pid);
        if (list[i].in_tree && with_memory)
            add_memory(tree, list[i].pid);
    }
    free(list);
    return tree->processes > 0 ? 0 : -1;
}

// If a process ended between two readings, the later one lacks its figures. So
// a difference may be below 0.
void procstat_subtract(struct procstat *tree, const struct procstat *earlier)
{
    tree->cpu_s = fmax(0, tree->cpu_s - earlier->cpu_s);
    tree->user_ticks = fmax(0, tree->user_ticks - earlier->user_ticks);
    tree->sys_ticks = fmax(0, tree->sys_ticks - earlier->sys_ticks);
    tree->switches = fmax(0, tree->switches - earlier->switches);
}

// ---- On another host

void procstat_print(const struct procstat *tree)
{
    printf("%.9f %.0f %.0f %.0f %.0f %.0f %.0f %.0f\n", tree->cpu_s,
           tree->user_ticks, tree->sys_ticks, tree->switches, tree->processes,
           tree->threads, tree->rss_kib, tree->pss_kib);
}

// Receives a line, after which the sender sends nothing until the next request.
// Returns false if the connection is broken, or the line does not fit.
static bool receive_line(int fd, char *line, size_t size)
{
    size_t len = 0;
    line[0] = '\0';
    while (strchr(line, '\n') == NULL) {
        ssize_t received = recv(fd, line + len, size - 1 - len, 0);
        if (received == 0 || (received < 0 && errno != EINTR))
            return false;
        len += received > 0 ? (size_t)received : 0;
        line[len] = '\0';
    }
    return true;
}

int procstat_ask(int fd, struct procstat *tree)
{
    static const char request[] = "usage\n";
    const ssize_t len = sizeof request - 1;
    char line[256];
    *tree = (struct procstat){0};
    if (send(fd, request, (size_t)len, MSG_NOSIGNAL) != len ||
        !receive_line(fd, line, sizeof line))
        return -1;
    int found = sscanf(line, "%lf %lf %lf %lf %lf %lf %lf %lf", &tree->cpu_s,
                       &tree->user_ticks, &tree->sys_ticks, &tree->switches,
                       &tree->processes, &tree->threads, &tree->rss_kib,
                       &tree->pss_kib);
    return found == 8 && tree->processes > 0 ? 0 : -1;
}

int procstat_name(pid_t pid, char name[PROCSTAT_NAME_SIZE])
{
    size_t len = read_file(name, PROCSTAT_NAME_SIZE, "/proc/%d/comm", (int)pid);
    name[strcspn(name, "\n")] = '\0';
    return len > 0 ? 0 : -1;
}

// ---- The machine

// Leaves out the fourth and fifth number, which are idle time, without and with
// outstanding disk I/O. The eighth is time that the host gave to other virtual
// machines (steal).
double machine_busy_s(void)
{
    char text[256];
    double n[8] = {0};
    read_file(text, sizeof text, "/proc/stat");
    int found = sscanf(text, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &n[0],
                       &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]);
    double ticks = n[0] + n[1] + n[2] + n[5] + n[6] + n[7];
    return found == 8 ? ticks_to_s(ticks) : NAN;
}

double machine_delay_s(pid_t thread)
{
    char text[128];
    double delay_ns = NAN;
    read_file(text, sizeof text, "/proc/self/task/%d/schedstat", (int)thread);
    sscanf(text, "%*u %lf", &delay_ns);
    return delay_ns / 1e9;
}

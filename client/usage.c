// usage.c - what a server costs: the whole tree of its processes and threads.

#include "usage.h"

#include <ctype.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// A line of /proc/PID/stat, as far as we need it.
struct process {
    pid_t pid, parent;
    bool in_tree;
    int threads;
    unsigned long user_ticks, sys_ticks;  // of the process and all its threads
    long ended_user_ticks, ended_sys_ticks;  // of children it has waited for
};

struct process_list {
    struct process *items;
    size_t count, size;
};

// Reads a small file of /proc whole. Returns its length, 0 if there is none.
__attribute__((format(printf, 3, 4))) static size_t
read_file(char *text, size_t size, const char *format, ...)
{
    char path[64];
    va_list arguments;
    text[0] = '\0';
    va_start(arguments, format);
    vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);

    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    size_t len = fread(text, 1, size - 1, file);
    fclose(file);
    text[len] = '\0';
    return len;
}

// The number after `name` at the beginning of a line, or 0.
static uint64_t number_after(const char *text, const char *name)
{
    const char *found = strstr(text, name);
    return found != NULL ? strtoull(found + strlen(name), NULL, 10) : 0;
}

static bool read_process(pid_t pid, struct process *p)
{
    char text[1024];
    if (read_file(text, sizeof text, "/proc/%d/stat", (int)pid) == 0)
        return false;
    // The name may contain anything, even ") R 1": the fields begin after the
    // last parenthesis.
    const char *fields = strrchr(text, ')');
    *p = (struct process){.pid = pid};
    return fields != NULL &&
           sscanf(fields,
                  ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld "
                  "%ld %*d %*d %d",
                  &p->parent, &p->user_ticks, &p->sys_ticks,
                  &p->ended_user_ticks, &p->ended_sys_ticks, &p->threads) == 6;
}

static bool append(struct process_list *list, struct process p)
{
    if (list->count == list->size) {
        size_t size = list->size > 0 ? 2 * list->size : 256;
        struct process *items = realloc(list->items, size * sizeof *items);
        if (items == NULL)
            return false;
        list->items = items;
        list->size = size;
    }
    list->items[list->count++] = p;
    return true;
}

static void list_processes(struct process_list *list)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    if (proc == NULL)
        return;
    while ((entry = readdir(proc)) != NULL) {
        struct process p;
        if (isdigit((unsigned char)entry->d_name[0]) &&
            read_process((pid_t)strtol(entry->d_name, NULL, 10), &p) &&
            !append(list, p))
            break;
    }
    closedir(proc);
}

// Marks `root` and, generation by generation, everything that descends from it.
static void mark_tree(struct process_list *list, pid_t root)
{
    bool grown = true;
    for (size_t i = 0; i < list->count; i++)
        list->items[i].in_tree = list->items[i].pid == root;
    while (grown) {
        grown = false;
        for (size_t i = 0; i < list->count; i++)
            for (size_t j = 0; j < list->count && !list->items[i].in_tree; j++)
                if (list->items[j].in_tree &&
                    list->items[i].parent == list->items[j].pid)
                    list->items[i].in_tree = grown = true;
    }
}

// CPU time of a living process to the nanosecond; /proc counts in ticks of
// 10 ms. 0 if it has just ended.
static double cpu_s_of(pid_t pid)
{
    clockid_t id;
    struct timespec used;
    if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &used) != 0)
        return 0;
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void add_times(struct usage *usage, const struct process *p)
{
    long ended_ticks = p->ended_user_ticks + p->ended_sys_ticks;

    usage->cpu_s +=
        cpu_s_of(p->pid) + (double)ended_ticks / (double)sysconf(_SC_CLK_TCK);
    usage->user_ticks += p->user_ticks + (uint64_t)p->ended_user_ticks;
    usage->sys_ticks += p->sys_ticks + (uint64_t)p->ended_sys_ticks;
    usage->processes++;
    usage->threads += p->threads;
}

static void add_switches(struct usage *usage, pid_t pid)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    struct dirent *entry;
    if (tasks == NULL)
        return;
    while ((entry = readdir(tasks)) != NULL) {
        char text[4096];
        if (isdigit((unsigned char)entry->d_name[0]) &&
            read_file(text, sizeof text, "/proc/%d/task/%s/status", (int)pid,
                      entry->d_name) > 0)
            usage->switches +=
                number_after(text, "\nvoluntary_ctxt_switches:") +
                number_after(text, "\nnonvoluntary_ctxt_switches:");
    }
    closedir(tasks);
}

static void add_memory(struct usage *usage, pid_t pid)
{
    char text[2048];
    if (read_file(text, sizeof text, "/proc/%d/smaps_rollup", (int)pid) == 0)
        return;
    usage->rss_kib += number_after(text, "\nRss:");
    usage->pss_kib += number_after(text, "\nPss:");
}

static int read_tree(pid_t root, struct usage *usage, bool with_memory)
{
    struct process_list list = {0};
    list_processes(&list);
    mark_tree(&list, root);
    *usage = (struct usage){0};

    for (size_t i = 0; i < list.count; i++)
        if (list.items[i].in_tree)
            add_times(usage, &list.items[i]);  // All times first: they run on.
    for (size_t i = 0; i < list.count; i++)
        if (list.items[i].in_tree) {
            add_switches(usage, list.items[i].pid);
            if (with_memory)
                add_memory(usage, list.items[i].pid);
        }
    free(list.items);
    return usage->processes > 0 ? 0 : -1;
}

int usage_read(pid_t root, struct usage *usage)
{
    return read_tree(root, usage, true);
}

int usage_read_times(pid_t root, struct usage *usage)
{
    return read_tree(root, usage, false);
}

// A process that ended between two readings takes what it used along.
static uint64_t growth(uint64_t before, uint64_t after)
{
    return after > before ? after - before : 0;
}

struct usage usage_between(const struct usage *before,
                           const struct usage *after)
{
    struct usage usage = *after;
    double cpu_s = after->cpu_s - before->cpu_s;
    usage.cpu_s = cpu_s > 0 ? cpu_s : 0;
    usage.user_ticks = growth(before->user_ticks, after->user_ticks);
    usage.sys_ticks = growth(before->sys_ticks, after->sys_ticks);
    usage.switches = growth(before->switches, after->switches);
    return usage;
}

double usage_user_share(const struct usage *usage)
{
    uint64_t ticks = usage->user_ticks + usage->sys_ticks;
    return ticks > 0 ? (double)usage->user_ticks / (double)ticks : 0.5;
}

int usage_name(pid_t pid, char name[USAGE_NAME_SIZE])
{
    if (read_file(name, USAGE_NAME_SIZE, "/proc/%d/comm", (int)pid) == 0)
        return -1;
    name[strcspn(name, "\n")] = '\0';
    return 0;
}

// Idle and waiting for a disk are the fourth and fifth number; a host that
// gives our core to somebody else (steal) is the eighth.
static double busy_s(void)
{
    char text[256];
    unsigned long long n[8] = {0};
    read_file(text, sizeof text, "/proc/stat");
    int found = sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu",
                       &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]);
    unsigned long long ticks = n[0] + n[1] + n[2] + n[5] + n[6] + n[7];
    return found == 8 ? (double)ticks / (double)sysconf(_SC_CLK_TCK) : 0;
}

static double delay_s(void)
{
    char text[128];
    unsigned long long delay_ns = 0;
    read_file(text, sizeof text, "/proc/thread-self/schedstat");
    return sscanf(text, "%*u %llu", &delay_ns) == 1 ? (double)delay_ns / 1e9
                                                    : 0;
}

void machine_read(struct machine *m)
{
    m->busy_s = busy_s();
    m->delay_s = delay_s();
}

int machine_cores(void)
{
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

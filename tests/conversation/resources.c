// resources.c - the resources that a server and its child processes use.

#include "resources.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../tap.h"

enum {
    SHARE_MS = 20,  // of this process's CPU time, in the first attempt
    NAME_SIZE = 64,
    NUMBERS_MAX = 1 << 16,
    PROCESSES_MAX = 4096,
};

// Reads /proc/`name` into `text`. Returns false if there is no such file.
static bool read_proc(const char *name, char *text, size_t size)
{
    char path[NAME_SIZE];
    snprintf(path, sizeof path, "/proc/%s", name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t len = read(file, text, size - 1);
    close(file);
    text[len > 0 ? len : 0] = '\0';
    return len >= 0;
}

// Reads the entries of a directory of /proc whose names are numbers: processes,
// threads or descriptors. Returns how many there are, at most NUMBERS_MAX.
static int list_numbers(const char *folder, int numbers[NUMBERS_MAX])
{
    char path[NAME_SIZE];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%s", folder);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return 0;
    for (struct dirent *e; (e = readdir(directory)) != NULL;)
        if (isdigit((unsigned char)e->d_name[0]) && count < NUMBERS_MAX)
            numbers[count++] = (int)strtol(e->d_name, NULL, 10);
    closedir(directory);
    return count;
}

// ---- Processes

struct process {
    pid_t pid;
    char state;  // R: runs or is ready to run; S: sleeps; Z: zombie
    long resident_kib, cpu_ms;
};

// Reads /proc/PID/stat: see proc_pid_stat(5). Returns false if there is no such
// process, or if it is neither `root` nor one of its children.
static bool read_process(struct process *p, pid_t pid, pid_t root)
{
    char name[NAME_SIZE], text[1024];
    int parent = 0;
    unsigned long user = 0, sys = 0, children_user = 0, children_sys = 0;
    long pages = 0;
    snprintf(name, sizeof name, "%d/stat", (int)pid);
    if (!read_proc(name, text, sizeof text))
        return false;
    const char *fields = strrchr(text, ')');
    if (fields == NULL ||
        sscanf(fields,
               ") %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu "
               "%*d %*d %*d %*d %*u %*u %ld",
               &p->state, &parent, &user, &sys, &children_user, &children_sys,
               &pages) != 7)
        return false;
    p->pid = pid;
    p->resident_kib = pages * sysconf(_SC_PAGESIZE) / 1024;
    p->cpu_ms = (long)(user + sys + children_user + children_sys) * 1000 /
                sysconf(_SC_CLK_TCK);
    return pid == root || parent == root;
}

// Lists the process `root` and its children. Lists all processes of the machine
// if the kernel has no /proc/PID/task/TID/children. Returns how many.
static int list_family(pid_t root, int pids[NUMBERS_MAX])
{
    static char children[NUMBERS_MAX];
    char name[NAME_SIZE], *end = children;
    snprintf(name, sizeof name, "%d/task/%d/children", (int)root, (int)root);
    if (!read_proc(name, children, sizeof children))
        return list_numbers("", pids);
    int count = 0;
    pids[count++] = root;
    while (*end != '\0' && count < NUMBERS_MAX) {
        pids[count++] = (int)strtol(end, &end, 10);
        end += strspn(end, " ");
    }
    return count;
}

// Reads /proc/PID/stat of the server and its children. Returns how many
// processes these are.
static int list_processes(const struct server *s,
                          struct process processes[PROCESSES_MAX])
{
    static int pids[NUMBERS_MAX];
    int count = 0, pid_count = list_family(s->pid, pids);
    for (int i = 0; i < pid_count && count < PROCESSES_MAX; i++)
        count += read_process(&processes[count], pids[i], s->pid);
    return count;
}

static int count_descriptors(pid_t pid)
{
    static int descriptors[NUMBERS_MAX];
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%d/fd", (int)pid);
    return list_numbers(name, descriptors);
}

// Returns how many threads a process has. Does not count those that the kernel
// adds for io_uring: it starts and ends them when it likes.
static int count_threads(pid_t pid)
{
    static int threads[NUMBERS_MAX];
    char name[NAME_SIZE], command[NAME_SIZE];
    snprintf(name, sizeof name, "%d/task", (int)pid);
    int count = 0, listed = list_numbers(name, threads);
    for (int i = 0; i < listed; i++) {
        snprintf(name, sizeof name, "%d/task/%d/comm", (int)pid, threads[i]);
        count += read_proc(name, command, sizeof command) &&
                 strncmp(command, "iou-", 4) != 0;
    }
    return count;
}

pid_t server_child(const struct server *s)
{
    static struct process processes[PROCESSES_MAX];
    int count = list_processes(s, processes);
    for (int i = 0; i < count; i++)
        if (processes[i].pid != s->pid && processes[i].state != 'Z')
            return processes[i].pid;
    return 0;
}

bool server_await_reaped(const struct server *s, pid_t child)
{
    struct process p;
    int64_t until_ms = now_ms() + patience_ms();
    while (read_process(&p, child, s->pid)) {
        if (now_ms() > until_ms)
            return false;
        sleep_ms(CHECK_PAUSE_MS);
    }
    return true;
}

struct resources server_resources(const struct server *s)
{
    static struct process processes[PROCESSES_MAX];
    struct resources r = {0};
    int count = list_processes(s, processes);
    for (const struct process *p = processes; p < processes + count; p++) {
        bool zombie = p->state == 'Z';
        r.zombies += zombie;
        r.processes += !zombie;
        r.threads += zombie ? 0 : count_threads(p->pid);
        r.descriptors += zombie ? 0 : count_descriptors(p->pid);
        r.resident_kib += p->resident_kib;
        r.cpu_ms += p->cpu_ms;
    }
    return r;
}

struct resources server_settle(const struct server *s,
                               const struct resources *limit)
{
    int64_t until_ms = now_ms() + patience_ms();
    struct resources r = server_resources(s);
    while ((r.descriptors > limit->descriptors ||
            r.processes > limit->processes || r.threads > limit->threads ||
            r.zombies > limit->zombies) &&
           now_ms() < until_ms) {
        sleep_ms(CHECK_PAUSE_MS);
        r = server_resources(s);
    }
    return r;
}

long server_address_space_kib(const struct server *s)
{
    char name[NAME_SIZE], text[4096];
    snprintf(name, sizeof name, "%d/status", (int)s->pid);
    const char *field =
        read_proc(name, text, sizeof text) ? strstr(text, "VmSize:") : NULL;
    return field != NULL ? strtol(field + strlen("VmSize:"), NULL, 10) : 0;
}

void server_check_memory(const struct server *s, long before_kib,
                         long limit_kib, const char *what)
{
#ifdef SANITIZED
    (void)s, (void)before_kib, (void)limit_kib, (void)what;
#else
    long grown_kib = server_resources(s).resident_kib - before_kib;
    ok(grown_kib <= limit_kib, "%s (%ld KiB more)", what, grown_kib);
#endif
}

// ---- Threads

// All threads of a server, read one after the other.
struct snapshot {
    bool asleep;  // all of them sleep or have ended
    int threads;
    unsigned long long runs;  // how often the kernel has given one a core
};

// Returns whether a thread sleeps or has ended.
static bool is_asleep(pid_t pid, int thread)
{
    char name[NAME_SIZE], text[1024];
    snprintf(name, sizeof name, "%d/task/%d/stat", (int)pid, thread);
    const char *name_end =
        read_proc(name, text, sizeof text) ? strrchr(text, ')') : NULL;
    return name_end == NULL || name_end[2] == 'S' || name_end[2] == 'Z';
}

// Adds a thread to the snapshot. The last number of its schedstat is how often
// the kernel has given it a core.
static void add_thread(struct snapshot *s, pid_t pid, int thread)
{
    char name[NAME_SIZE], text[1024];
    unsigned long long runs = 0;
    s->threads++;
    s->asleep = s->asleep && is_asleep(pid, thread);
    snprintf(name, sizeof name, "%d/task/%d/schedstat", (int)pid, thread);
    if (read_proc(name, text, sizeof text) &&
        sscanf(text, "%*u %*u %llu", &runs) == 1)
        s->runs += runs;
}

static struct snapshot take_snapshot(const struct server *s)
{
    static struct process processes[PROCESSES_MAX];
    static int threads[NUMBERS_MAX];
    char name[NAME_SIZE];
    struct snapshot snapshot = {.asleep = true};
    int count = list_processes(s, processes);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%d/task", (int)processes[i].pid);
        int thread_count = list_numbers(name, threads);
        for (int j = 0; j < thread_count; j++)
            add_thread(&snapshot, processes[i].pid, threads[j]);
    }
    return snapshot;
}

// Returns whether all threads of the server sleep at the same time. That is so
// if they sleep in two snapshots and did not run in between.
static bool is_at_rest(const struct server *s)
{
    if (!is_asleep(s->pid, s->pid))
        return false;  // A cheap test, which is mostly enough.
    struct snapshot first = take_snapshot(s);
    if (!first.asleep)
        return false;
    struct snapshot second = take_snapshot(s);
    return second.asleep && second.threads == first.threads &&
           second.runs == first.runs;
}

bool server_await_rest(const struct server *s)
{
    int64_t until_ms = now_ms() + patience_ms();
    bool rests = is_at_rest(s);
    while (!rests && now_ms() < until_ms) {
        sleep_ms(CHECK_PAUSE_MS);
        rests = is_at_rest(s);
    }
    return rests;
}

// ---- CPU time

static long own_cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Returns the CPU time of the server in percent of that of this process,
// measured while this process uses `ms` of CPU time.
static int cpu_share(const struct server *s, long ms)
{
    long before_ms = server_resources(s).cpu_ms;
    long until_ms = own_cpu_ms() + ms;
    while (own_cpu_ms() < until_ms)
        ;
    return (int)((server_resources(s).cpu_ms - before_ms) * 100 / ms);
}

// Each attempt takes twice as long as the previous one. So work left over from
// before, and luck in the assignment of cores, matter less each time.
int server_await_cpu_share(const struct server *s, int min_percent,
                           int max_percent)
{
    int64_t until_ms = now_ms() + patience_ms();
    long ms = SHARE_MS;
    int percent = cpu_share(s, ms);
    while ((percent < min_percent || percent > max_percent) &&
           now_ms() < until_ms) {
        ms *= 2;
        percent = cpu_share(s, ms);
    }
    return percent;
}

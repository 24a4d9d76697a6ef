// server.c - a server under test: started, watched and stopped.

#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tap.h"

enum {
    PATIENCE_S = 30,
    ARGUMENTS_MAX = 16,
    PATH_SIZE = 256,
    ANOTHER_USER = 50000,
    USERS = 10000
};

int patience_ms(void)
{
    const char *wanted = getenv("PATIENCE");
    return 1000 * (wanted != NULL ? atoi(wanted) : PATIENCE_S);
}

void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void apply(const struct limits *limits)
{
    const struct rlimit descriptors = {limits->descriptors,
                                       limits->descriptors};
    const struct rlimit memory = {limits->memory_bytes, limits->memory_bytes};
    const struct rlimit processes = {limits->processes, limits->processes};

    if (limits->descriptors > 0)
        setrlimit(RLIMIT_NOFILE, &descriptors);
    if (limits->memory_bytes > 0)
        setrlimit(RLIMIT_AS, &memory);
    // Root may always have more processes: be somebody else, who perhaps may
    // not see the path of the program, but can run an open file. And somebody
    // of our own: other tests may run at the same time.
    const uid_t user = ANOTHER_USER + (uid_t)getpid() % USERS;
    if (limits->processes > 0 &&
        (setrlimit(RLIMIT_NPROC, &processes) != 0 || setuid(user) != 0))
        _exit(126);
}

// In the child: becomes the server.
static void become(struct server *s, const char *path, char **arguments,
                   const struct limits *limits)
{
    int program = open(path, O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // No server outlives its test.
    dup2(s->out, STDOUT_FILENO);
    dup2(s->err, STDERR_FILENO);
    if (limits != NULL)
        apply(limits);
    fexecve(program, arguments, environ);
    execv(path, arguments);  // A script: its interpreter needs the path.
    _exit(127);
}

static void spawn(struct server *s, const char *path, const char **arguments,
                  const struct limits *limits)
{
    char words[PATH_SIZE], *all[ARGUMENTS_MAX + 4] = {words};
    int count = 0;
    snprintf(words, sizeof words, "%s", path);
    for (char *word = strtok(words, " "); word != NULL && count < 3;
         word = strtok(NULL, " "))
        all[count++] = word;
    for (; arguments != NULL && *arguments != NULL; arguments++)
        all[count++] = (char *)(uintptr_t)*arguments;

    *s = (struct server){.out = memfd_create("out", MFD_CLOEXEC),
                         .err = memfd_create("err", MFD_CLOEXEC)};
    fflush(stdout);
    s->pid = fork();
    if (s->pid == 0)
        become(s, words, all, limits);
}

static void read_text(int file, char *text)
{
    ssize_t len = pread(file, text, SERVER_TEXT_SIZE - 1, 0);
    text[len > 0 ? len : 0] = '\0';
}

// Reads what it has printed and forgets the process.
static int ended(struct server *s, int status)
{
    read_text(s->out, s->out_text);
    read_text(s->err, s->err_text);
    close(s->out);
    close(s->err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

int server_wait(struct server *s)
{
    int status = 0;
    int64_t until_ms = now_ms() + patience_ms();
    while (waitpid(s->pid, &status, WNOHANG) == 0) {
        if (now_ms() > until_ms) {
            kill(s->pid, SIGKILL);
            waitpid(s->pid, &status, 0);
            ended(s, status);
            return -1;
        }
        sleep_ms(1);
    }
    return ended(s, status);
}

bool server_launch(struct server *s, const char *path, const char **arguments,
                   const struct limits *limits)
{
    const char *all[ARGUMENTS_MAX] = {"--port", "0"};
    for (int i = 0; arguments != NULL && arguments[i] != NULL; i++)
        all[i + 2] = arguments[i];
    spawn(s, path, all, limits);

    int64_t until_ms = now_ms() + patience_ms();
    siginfo_t end = {0};
    while (now_ms() < until_ms && end.si_pid == 0) {
        read_text(s->out, s->out_text);
        const char *colon = strrchr(s->out_text, ':');
        if (strchr(s->out_text, '\n') != NULL && colon != NULL) {
            s->port = (int)strtol(colon + 1, NULL, 10);
            return true;
        }
        sleep_ms(1);
        waitid(P_PID, (id_t)s->pid, &end, WEXITED | WNOHANG | WNOWAIT);
    }
    read_text(s->err, s->err_text);
    return false;
}

bool server_start(struct server *s, const char *path, const char **arguments,
                  const struct limits *limits)
{
    bool started = server_launch(s, path, arguments, limits);
    if (!started)
        ok(false, "it starts: %s", s->err_text);
    return started;
}

int server_try(struct server *s, const char *path, const char **arguments)
{
    spawn(s, path, arguments, NULL);
    return server_wait(s);
}

int server_end(struct server *s, int signo)
{
    kill(s->pid, signo);
    return server_wait(s);
}

void server_stop(struct server *s, const char *what)
{
    int status = server_end(s, SIGTERM);
    bool right = status == 0 &&
                 strstr(s->out_text, ": stopped after ") != NULL &&
                 s->err_text[0] == '\0';
    if (!ok(right, "%s, and it stops cleanly", what))
        printf("# status %d, out: %s, err: %s\n", status, s->out_text,
               s->err_text);
}

// ---- /proc

// Reads a file of /proc/PID. Returns false if there is none.
static bool read_proc(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t len = read(file, text, size - 1);
    close(file);
    text[len > 0 ? len : 0] = '\0';
    return len > 0;
}

static int count_entries(pid_t pid, const char *name)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return 0;
    for (struct dirent *e; (e = readdir(directory)) != NULL;)
        count += e->d_name[0] != '.';
    closedir(directory);
    return count;
}

static void add_process(struct resources *r, pid_t pid, pid_t root)
{
    char text[1024], state = 0;
    int parent = 0, threads = 0;
    unsigned long user = 0, sys = 0, ended_user = 0, ended_sys = 0;
    long resident = 0;
    if (!read_proc(pid, "stat", text, sizeof text))
        return;
    const char *fields = strrchr(text, ')');
    if (fields == NULL ||
        sscanf(fields,
               ") %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu "
               "%*d %*d %d %*d %*u %*u %ld",
               &state, &parent, &user, &sys, &ended_user, &ended_sys, &threads,
               &resident) != 8 ||
        (pid != root && parent != root))
        return;
    if (state == 'Z') {
        r->zombies++;
        return;
    }
    r->processes++;
    r->threads += threads;
    r->descriptors += count_entries(pid, "fd");
    r->resident_kib += resident * sysconf(_SC_PAGESIZE) / 1024;
    r->cpu_ms += (long)(user + sys + ended_user + ended_sys) * 1000 /
                 sysconf(_SC_CLK_TCK);
}

struct resources server_resources(const struct server *s)
{
    struct resources r = {0};
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        return r;
    for (struct dirent *e; (e = readdir(proc)) != NULL;) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        if (pid > 0)
            add_process(&r, pid, s->pid);
    }
    closedir(proc);
    return r;
}

struct resources server_grown(const struct server *s)
{
    struct resources r = server_resources(s);
    int before;
    do {
        before = r.processes;
        sleep_ms(50);
        r = server_resources(s);
    } while (r.processes > before);
    return r;
}

struct resources server_settle(const struct server *s,
                               const struct resources *wanted)
{
    int64_t until_ms = now_ms() + patience_ms();
    struct resources r;
    do {
        r = server_resources(s);
        if (r.descriptors <= wanted->descriptors &&
            r.processes <= wanted->processes && r.threads <= wanted->threads &&
            r.zombies <= wanted->zombies)
            break;
        sleep_ms(10);
    } while (now_ms() < until_ms);
    return r;
}

void server_check_memory(const struct server *s, long before_kib, long most_kib,
                         const char *what)
{
#ifdef SANITIZED
    (void)s, (void)before_kib, (void)most_kib, (void)what;
#else
    long grown_kib = server_resources(s).resident_kib - before_kib;
    ok(grown_kib <= most_kib, "%s (%ld KiB more)", what, grown_kib);
#endif
}

int server_cpu_percent(const struct server *s, int ms)
{
    long before_ms = server_resources(s).cpu_ms;
    int64_t begin_ms = now_ms();
    sleep_ms(ms);
    return (int)((server_resources(s).cpu_ms - before_ms) * 100 /
                 (now_ms() - begin_ms));
}

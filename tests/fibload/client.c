// client.c - runs fibload, and reads its results.

#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tap.h"
#include "record.h"

enum { PATIENCE_S = 120, LINE_MAX_SIZE = 256, FIELD_COUNT = 6 };

static const double NS_PER_S = 1e9;

int client_descriptors_max;
const char *client_output_file;
int client_core = -1;
void (*client_prepare)(void);

static const char *program;
static struct outcome last;

// ---- Runs

static void print_as_comments(const char *what, const char *text)
{
    while (*text != '\0') {
        int len = (int)strcspn(text, "\n");
        printf("#   %s: %.*s\n", what, len, text);
        text += len + (text[len] == '\n');
    }
}

static void explain(void)
{
    printf("#   the last run ended with status %d\n", last.status);
    print_as_comments("out", last.out);
    print_as_comments("err", last.err);
    print_as_comments("csv", last.header);
    print_as_comments("csv", last.row);
}

void client_is(const char *path)
{
    program = path;
    tap_explain(explain);
}

void read_text(int fd, char *text, size_t size)
{
    ssize_t len = pread(fd, text, size - 1, 0);
    text[len > 0 ? len : 0] = '\0';
}

_Noreturn static void become_client(const char **arguments, int out, int err)
{
    const char *all[ARGUMENTS_MAX] = {program};
    rlim_t limit = (rlim_t)client_descriptors_max;
    cpu_set_t cores;

    for (int i = 0; arguments[i] != NULL; i++)
        all[i + 1] = arguments[i];
    if (limit > 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){limit, limit});
    CPU_ZERO(&cores);
    if (client_core >= 0) {
        CPU_SET((size_t)client_core, &cores);
        sched_setaffinity(0, sizeof cores, &cores);
    }
    if (client_output_file != NULL)
        out = open(client_output_file, O_WRONLY | O_CLOEXEC);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    alarm(PATIENCE_S);
    if (client_prepare != NULL)
        client_prepare();
    execv(program, (char **)(uintptr_t)all);
    _exit(127);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

const struct outcome *client_run(const char **arguments)
{
    struct rusage usage = {0};
    int status = 0;
    int out = memfd_create("out", MFD_CLOEXEC);
    int err = memfd_create("err", MFD_CLOEXEC);

    fflush(stdout);
    last = (struct outcome){.status = -1};
    pid_t pid = fork();
    if (pid == 0)
        become_client(arguments, out, err);
    if (record != NULL)
        record->client = pid;
    wait4(pid, &status, 0, &usage);
    last.cpu_s = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    if (WIFEXITED(status))
        last.status = WEXITSTATUS(status);
    read_text(out, last.out, sizeof last.out);
    read_text(err, last.err, sizeof last.err);
    close(out);
    close(err);
    return &last;
}

void make_file(char *path)
{
    int fd = mkstemp(path);
    if (fd < 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    close(fd);
}

static void read_row(const char *csv)
{
    FILE *file = fopen(csv, "re");
    if (file == NULL)
        return;
    (void)!fgets(last.header, sizeof last.header, file);
    (void)!fgets(last.row, sizeof last.row, file);
    fclose(file);
}

const struct outcome *client_run_for_row(const char **arguments)
{
    char csv[] = TEMPORARY_FILE;
    const char *all[ARGUMENTS_MAX - 1] = {"--csv", csv};
    int count = 2;

    make_file(csv);
    for (int i = 0; arguments[i] != NULL; i++)
        all[count++] = arguments[i];
    client_run(all);
    read_row(csv);
    unlink(csv);
    return &last;
}

const struct outcome *client_run_against(const struct script *script,
                                         const char **arguments)
{
    char target[16], pid[16];
    const char *all[ARGUMENTS_MAX - 3] = {"--server-pid", pid};
    int count = 2;

    struct server server = server_start(script);
    snprintf(target, sizeof target, "%d", server.port);
    snprintf(pid, sizeof pid, "%d", (int)server.pid);
    for (int i = 0; arguments[i] != NULL; i++)
        all[count++] = arguments[i];
    all[count] = target;
    client_run_for_row(all);
    server_stop(&server);
    return &last;
}

const struct outcome *client_run_at(const char *target, const char **arguments)
{
    const char *all[ARGUMENTS_MAX - 1] = {0};
    int count = 0;
    for (; arguments[count] != NULL; count++)
        all[count] = arguments[count];
    all[count] = target;
    return client_run(all);
}

// ---- The results of a run

double column(const struct outcome *outcome, const char *name)
{
    const char *header = outcome->header, *row = outcome->row;
    while (strcspn(header, ",\n") != strlen(name) ||
           strncmp(header, name, strlen(name)) != 0) {
        header = strchr(header, ',');
        row = strchr(row, ',');
        if (header == NULL || row == NULL)
            return NAN;
        header++;
        row++;
    }
    return strtod(row, NULL);
}

bool near(double a, double b, double tolerance)
{
    return a - b <= tolerance && b - a <= tolerance;
}

bool says(const struct outcome *outcome, const char *text)
{
    return strstr(outcome->out, text) != NULL;
}

bool refused(const struct outcome *outcome, const char *because)
{
    const char *end = strchr(outcome->err, '\n');
    return outcome->status == 2 && strstr(outcome->err, because) != NULL &&
           end != NULL && end[1] == '\0';
}

// ---- Timelines

static double time_of(const char *field)
{
    return *field != '\0' ? strtod(field, NULL) / NS_PER_S : NAN;
}

// Splits a line "connection,kind,due_ns,sent_ns,done_ns,outcome" into its
// fields.
static struct timeline_line parse_line(char *text)
{
    struct timeline_line line;
    char *field[FIELD_COUNT] = {text};
    for (int i = 1; i < FIELD_COUNT; i++) {
        field[i] = field[i - 1] + strcspn(field[i - 1], ",\n");
        *field[i]++ = '\0';
    }
    line.is_hog = strcmp(field[1], "hog") == 0;
    line.due_s = time_of(field[2]);
    line.sent_s = time_of(field[3]);
    line.done_s = time_of(field[4]);
    field[5][strcspn(field[5], "\n")] = '\0';
    snprintf(line.outcome, sizeof line.outcome, "%s", field[5]);
    return line;
}

const struct timeline *timeline_read(const char *path)
{
    static struct timeline t;
    char line[LINE_MAX_SIZE] = "";
    FILE *file = fopen(path, "re");
    t.has_header = false;
    t.count = 0;
    if (file == NULL)
        return &t;
    (void)!fgets(line, sizeof line, file);
    t.has_header =
        strcmp(line, "connection,kind,due_ns,sent_ns,done_ns,outcome\n") == 0;
    while (t.count < TIMELINE_MAX && fgets(line, sizeof line, file) != NULL)
        t.lines[t.count++] = parse_line(line);
    fclose(file);
    return &t;
}

int timeline_count(const struct timeline *timeline, const char *outcome)
{
    int count = 0;
    for (int i = 0; i < timeline->count; i++)
        count += strcmp(timeline->lines[i].outcome, outcome) == 0;
    return count;
}

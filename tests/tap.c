// tap.c - the test harness.

#include "tap.h"

#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_ONCE = 4, LINE_SIZE = 1024 };

static int passed_count, failed_count;
static const char *prefix;
static void (*explain_failure)(void);

void tap_subject(const char *subject)
{
    prefix = subject;
}

void tap_explain(void (*explain)(void))
{
    explain_failure = explain;
}

bool tap_check(bool passed, const char *file, int line, const char *name, ...)
{
    va_list arguments;

    passed ? passed_count++ : failed_count++;
    printf("%sok %d - ", passed ? "" : "not ", passed_count + failed_count);
    if (prefix != NULL)
        printf("%s: ", prefix);
    va_start(arguments, name);
    vprintf(name, arguments);
    va_end(arguments);
    printf("\n");
    if (!passed)
        printf("#   failed at %s:%d\n", file, line);
    if (!passed && explain_failure != NULL)
        explain_failure();
    fflush(stdout);
    return passed;
}

// ---- Tests side by side

// A part, its process, the file it prints to, and how it ended.
struct job {
    const struct tap_part *part;
    pid_t pid;
    int output, status;
    bool ended;
};

pid_t tap_fork(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        abort();
    }
    return pid;
}

void tap_end_with_parent(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        raise(SIGKILL);
}

static void start(struct job *job)
{
    job->output = memfd_create(job->part->name, MFD_CLOEXEC);
    job->pid = tap_fork();
    if (job->pid == 0) {
        dup2(job->output, STDOUT_FILENO);
        job->part->run();
        fflush(stdout);
        exit(EXIT_SUCCESS);
    }
}

// Waits until one of the jobs has ended.
static void wait_for_one(struct job *jobs, int count)
{
    int status;
    pid_t pid = wait(&status);
    for (int i = 0; i < count; i++)
        if (jobs[i].pid == pid && !jobs[i].ended) {
            jobs[i].status = status;
            jobs[i].ended = true;
        }
}

// Prints a line of a job. A check gets the next number of this process.
static void repeat_line(const char *line)
{
    bool passed = strncmp(line, "ok ", 3) == 0;
    if (!passed && strncmp(line, "not ok ", 7) != 0) {
        fputs(line, stdout);
        return;
    }
    passed ? passed_count++ : failed_count++;
    printf("%sok %d%s", passed ? "" : "not ", passed_count + failed_count,
           strstr(line, " - "));
}

static void show(const struct job *job)
{
    char line[LINE_SIZE];
    FILE *output = fdopen(job->output, "r");
    rewind(output);
    printf("# %s\n", job->part->name);
    while (fgets(line, sizeof line, output) != NULL)
        repeat_line(line);
    fclose(output);
    if (!WIFEXITED(job->status) || WEXITSTATUS(job->status) != EXIT_SUCCESS)
        ok(false, "%s comes to its end", job->part->name);
}

// Runs all jobs, a few at the same time. Prints the output of each as soon as
// all jobs before it are printed.
static void run_all(struct job *jobs, int count)
{
    int started = 0, ended = 0, shown = 0;
    while (shown < count) {
        for (; started < count && started < ended + AT_ONCE; started++)
            start(&jobs[started]);
        wait_for_one(jobs, started);
        ended++;
        for (; shown < started && jobs[shown].ended; shown++)
            show(&jobs[shown]);
    }
}

static struct job *allocate_jobs(int count)
{
    struct job *jobs = calloc((size_t)count, sizeof *jobs);
    if (jobs == NULL)
        abort();
    return jobs;
}

void tap_side_by_side(void (*const tests[])(void), int count)
{
    struct tap_part *parts = calloc((size_t)count, sizeof *parts);
    struct job *jobs = allocate_jobs(count);
    if (parts == NULL)
        abort();
    for (int i = 0; i < count; i++) {
        parts[i] = (struct tap_part){"the test", tests[i]};
        jobs[i].part = &parts[i];
    }
    run_all(jobs, count);
    free(parts);
    free(jobs);
}

// ---- A program with parts

static const struct tap_part *find_part(const struct tap_part *parts, int count,
                                        const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(parts[i].name, name) == 0)
            return &parts[i];
    return NULL;
}

// Chooses the parts that `only` names, in that order. Returns how many. An
// unknown name is a failed check, or it would look like a part without checks.
static int choose(struct job *jobs, const struct tap_part *parts, int count,
                  const char *only)
{
    char *words = strdup(only);
    int chosen = 0;
    for (char *name = strtok(words, " "); name != NULL;
         name = strtok(NULL, " ")) {
        const struct tap_part *part = find_part(parts, count, name);
        if (part == NULL)
            ok(false, "ONLY: there is a part called '%s'", name);
        else if (chosen < count)
            jobs[chosen++].part = part;
    }
    free(words);
    return chosen;
}

int tap_main(int argc, char **argv, const struct tap_part *parts, int count)
{
    const char *only = getenv("ONLY");
    if (strcmp(argv[argc - 1], "--parts") == 0) {
        for (int i = 0; i < count; i++)
            puts(parts[i].name);
        return EXIT_SUCCESS;
    }
    struct job *jobs = allocate_jobs(count);
    for (int i = 0; i < count; i++)
        jobs[i].part = &parts[i];
    run_all(jobs, only != NULL ? choose(jobs, parts, count, only) : count);
    free(jobs);
    return done_testing();
}

int done_testing(void)
{
    printf("1..%d\n# %d passed, %d failed\n", passed_count + failed_count,
           passed_count, failed_count);
    return failed_count != 0;
}

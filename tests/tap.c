// tap.c - the whole test harness.

#include "tap.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_ONCE = 4, LINE_SIZE = 1024 };

static int passed_count, failed_count;
static const char *prefix;

void tap_subject(const char *subject)
{
    prefix = subject;
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
    fflush(stdout);
    return passed;
}

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

// A test in a process of its own, what it prints, and how it ended.
struct job {
    pid_t pid;
    int output, status;
    bool ended;
};

static struct job begin(void (*test)(void))
{
    struct job job = {.output = memfd_create("test", MFD_CLOEXEC)};
    job.pid = tap_fork();
    if (job.pid == 0) {
        dup2(job.output, STDOUT_FILENO);
        test();
        fflush(stdout);
        exit(EXIT_SUCCESS);
    }
    return job;
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

// Checks have our numbers here; what else was said follows as it is.
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
    while (fgets(line, sizeof line, output) != NULL)
        repeat_line(line);
    fclose(output);
    if (!WIFEXITED(job->status) || WEXITSTATUS(job->status) != EXIT_SUCCESS)
        ok(false, "the test comes to its end");
}

void tap_side_by_side(void (*const tests[])(void), int count)
{
    int started = 0, ended = 0, shown = 0;
    struct job *jobs = calloc((size_t)count, sizeof *jobs);
    if (jobs == NULL)
        abort();
    while (shown < count) {
        for (; started < count && started < ended + AT_ONCE; started++)
            jobs[started] = begin(tests[started]);
        wait_for_one(jobs, started);
        ended++;
        for (; shown < started && jobs[shown].ended; shown++)
            show(&jobs[shown]);
    }
    free(jobs);
}

int done_testing(void)
{
    printf("1..%d\n# %d passed, %d failed\n", passed_count + failed_count,
           passed_count, failed_count);
    return failed_count != 0;
}

// main.c - fibload, the load client: asks a fib server, checks, measures.
//
//     options.c    the command line
//     run.c        the coordinator: what happens when
//     worker.c     a thread of the load: sends and receives
//     count.c      what it counts of that, and where
//     conn.c       one connection         reply.c      one reply, checked
//     schedule.h   when requests are due  clock.h      what time it is
//     stats.h      what is counted        histogram.c  many latencies
//     procstat.c   what the server costs, and what other programs do
//     figures.c    what follows from all that, the verdict, and limits
//     trials.c     runs in a row: the highest rate within limits, calibration
//     output.c     the summary            files.c      CSV, timeline, ...
//     json.c       the result as JSON, and several of these added

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "run.h"

enum { EXIT_NOT_GOOD = 1, EXIT_CANNOT_RUN = 2 };

_Noreturn static void fail(const char *what, const char *why)
{
    fprintf(stderr, "fibload: %s%s%s\n", what, why[0] != '\0' ? ": " : "", why);
    exit(EXIT_CANNOT_RUN);
}

// Ends the program if there is a problem.
static void fail_if(const char *problem)
{
    if (problem != NULL)
        fail(problem, "");
}

// Every column must have a name of its own.
static void check_labels(const struct options *opt)
{
    for (int i = 0; i < opt->label_count; i++) {
        const char *name = opt->labels[i].name;
        bool taken = figures_find(name) != NULL;
        for (int j = 0; j < i; j++)
            taken = taken || strcmp(opt->labels[j].name, name) == 0;
        if (taken)
            fail(name, "--label needs a name that no other column has");
    }
}

static void check_limits(const char *limits)
{
    if (limits != NULL && figures_bad_limit(limits) != NULL)
        fail(figures_bad_limit(limits),
             "--require and --find-rate take "
             "NAME=LIMIT, and --columns lists the names");
}

// Names the server after its process, if the user has not. Characters that CSV
// or JSON would have to escape become underscores.
static void name_server(struct options *opt)
{
    static char name[PROCSTAT_NAME_SIZE] = "-";
    if (opt->server_pid != 0 &&
        procstat_name((pid_t)opt->server_pid, name) != 0)
        fail("--server-pid", "there is no process of this number");
    for (char *c = name; *c != '\0'; c++)
        if (!isprint((unsigned char)*c) || strchr(",\"", *c) != NULL)
            *c = '_';
    if (opt->model == NULL)
        opt->model = name;
}

static int explain_columns(void)
{
    output_columns();
    int status = files_close("standard output", stdout);
    return status == 0 ? EXIT_SUCCESS : EXIT_NOT_GOOD;
}

// For a fibload on another host, see procstat_ask(). Zeros say that there is no
// such process: there must be an answer.
static int print_usage(const struct options *opt)
{
    struct procstat tree;
    int result = procstat_read((pid_t)opt->server_pid, true, &tree);
    procstat_print(&tree);
    return result == 0 ? EXIT_SUCCESS : EXIT_CANNOT_RUN;
}

static int calibrate(const struct options *opt)
{
    const char *why = trials_calibrate(opt);
    if (why != NULL)
        fail("--calibrate", why);
    return EXIT_SUCCESS;
}

// The first Ctrl-C, or closing the terminal, ends the load early: the report is
// still printed. The second ends the program. A fibload that nohup has started
// keeps running when the terminal is closed.
static void catch_interrupts(void)
{
    struct sigaction hang_up,
        action = {.sa_handler = run_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, NULL, &hang_up);
    if (hang_up.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
}

// Opens the files only once there is a server: a run without one does not empty
// the files of an earlier run.
static void load_server(struct options *opt, struct result *result)
{
    struct target target;
    fail_if(run_raise_limit(opt));
    fail_if(run_reach(opt, &target));
    fail_if(files_open(opt));
    fail_if(opt->find_rate != NULL ? trials_find_rate(opt, &target, result)
                                   : run_load(opt, &target, result));
}

// Returns whether the run was as good as the user wants it.
static bool is_good(const struct result *r)
{
    const struct options *opt = r->opt;
    bool strictly = !opt->strict || r->marked == VERDICT_OK;
    if (opt->require != NULL)
        return figures_check_limits(stderr, opt->require, r) == LIMITS_KEPT &&
               strictly;
    return opt->strict ? strictly : figures_are_good(r);
}

int main(int argc, char **argv)
{
    static struct result result;
    struct options *opt = options_parse(argc, argv);
    catch_interrupts();
    if (opt->columns)
        return explain_columns();
    if (opt->usage)
        return print_usage(opt);
    if (opt->calibrate)
        return calibrate(opt);
    check_labels(opt);
    check_limits(opt->require);
    check_limits(opt->find_rate);
    if (opt->merge) {
        fail_if(json_merge(opt, &result));
        fail_if(files_open(opt));
    } else {
        name_server(opt);
        load_server(opt, &result);
    }
    output_summary(&result);
    bool whole = files_write(&result) == 0;
    return is_good(&result) && whole ? EXIT_SUCCESS : EXIT_NOT_GOOD;
}

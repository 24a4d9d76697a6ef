// main.c - fibload, the load client. It sends requests to a fib server, checks
// every reply, and measures how long the replies take.
//
//     options.c    the command line
//     run.c        a run: a coordinator tells the workers when to do what
//     worker.c     a worker: one thread that sends requests and reads replies
//     count.c      what a worker counts
//     conn.c       a connection           reply.c      the check of replies
//     schedule.h   when requests are due  clock.h      the clock
//     stats.h      the counters           histogram.c  latencies
//     procstat.c   what the server costs, and what other programs use
//     figures.c    the figures that follow, the verdict, and limits
//     trials.c     several runs: the highest rate within limits, calibration
//     output.c     the summary            files.c      CSV, timeline, ...
//     json.c       results as JSON, written by --json and added by --merge

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "run.h"

enum { EXIT_NOT_GOOD = 1, EXIT_CANNOT_RUN = 2 };

_Noreturn static void fail(const char *what, const char *why)
{
    fprintf(stderr, "fibload: %s%s%s\n", what, why[0] != '\0' ? ": " : "", why);
    exit(EXIT_CANNOT_RUN);
}

// Ends the program with a message, unless `problem` is NULL.
static void fail_if(const char *problem)
{
    if (problem != NULL)
        fail(problem, "");
}

// Ends the program if a label would give two columns the same name.
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
    const char *bad = limits != NULL ? figures_bad_limit(limits) : NULL;
    if (bad != NULL)
        fail(bad, "--require and --find-rate take NAME=LIMIT, and --columns "
                  "lists the names");
}

// Ends the program if it cannot read what the server has used. A thread has a
// number, too, but its process counts.
static void check_usage(const struct options *opt)
{
    struct procstat tree;
    if (opt->server_pid != 0 &&
        procstat_read((pid_t)opt->server_pid, false, &tree) != 0)
        fail("--server-pid", "there is no process of this number");
    if (opt->usage_fd != 0 && procstat_ask((int)opt->usage_fd, &tree) != 0)
        fail("--usage-fd", "it does not answer as --usage does");
}

// Names the server after its process, unless the user has named it. Replaces
// the characters that CSV or JSON would have to escape with underscores.
static void name_server(struct options *opt)
{
    static char name[PROCSTAT_NAME_SIZE];
    if (opt->server_pid == 0 ||
        procstat_name((pid_t)opt->server_pid, name) != 0)
        snprintf(name, sizeof name, "-");  // It may just have ended.
    for (char *c = name; *c != '\0'; c++)
        if (!isprint((unsigned char)*c) || strchr(",\"", *c) != NULL)
            *c = '_';
    if (opt->model == NULL)
        opt->model = name;
}

// Prints a line for procstat_ask(), which waits for it in a fibload on another
// host. If there is no such process, the line has zeros. Returns the exit
// status.
static int print_usage(const struct options *opt)
{
    struct procstat tree;
    int result = procstat_read((pid_t)opt->server_pid, true, &tree);
    procstat_print(&tree);
    return result == 0 ? EXIT_SUCCESS : EXIT_CANNOT_RUN;
}

// Does what needs no target. Returns the exit status.
static int run_without_target(const struct options *opt)
{
    int status = EXIT_SUCCESS;
    const char *why = opt->calibrate ? trials_calibrate(opt) : NULL;
    if (why != NULL)
        fail("--calibrate", why);
    if (opt->columns)
        output_columns();
    if (opt->usage)
        status = print_usage(opt);
    return files_close("standard output", stdout) == 0 ? status : EXIT_NOT_GOOD;
}

// Takes the descriptors of standard streams that the caller has closed. Else a
// file or socket could get descriptor 1, and with it the summary. Writing to
// these streams still fails, because they are open for reading only.
static void take_standard_streams(void)
{
    int fd = 0;
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
}

// Makes the first Ctrl-C, or closing the terminal, end the load early, with a
// report. The second Ctrl-C ends the program. A fibload that nohup has started
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

// Loads the server. Opens the files only after it has reached the server, so
// that a run without one leaves the timeline of an earlier run as it is.
static void load_server(struct options *opt, struct result *result)
{
    struct target target;
    fail_if(run_raise_limit(opt));
    fail_if(run_reach(opt, &target));
    fail_if(files_open(opt));
    fail_if(opt->find_rate != NULL ? trials_find_rate(opt, &target, result)
                                   : run_load(opt, &target, result));
}

// Returns whether the exit status is 0: --require and --strict decide, or that
// every reply was right.
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
    take_standard_streams();
    struct options *opt = options_parse(argc, argv);
    catch_interrupts();
    signal(SIGXFSZ, SIG_IGN);  // Beyond ulimit -f, write() fails instead.
    if (opt->columns || opt->usage || opt->calibrate)
        return run_without_target(opt);
    check_labels(opt);
    check_limits(opt->require);
    check_limits(opt->find_rate);
    if (opt->merge) {
        fail_if(json_merge(opt, &result));
        fail_if(files_open(opt));
    } else {
        check_usage(opt);
        name_server(opt);
        load_server(opt, &result);
    }
    output_summary(&result);
    bool whole = files_write(&result) == 0;
    return is_good(&result) && whole ? EXIT_SUCCESS : EXIT_NOT_GOOD;
}

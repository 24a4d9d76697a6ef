// fibload.c - the load client: asks a fib server, checks, measures, reports.
//
//     options.c     the command line       clock.c        what time it is
//     load.c        threads and loops      phases.c       part by part
//     traffic.c     who asks when          schedule.c     when it is due
//     pool.c        all connections        connection.c   one of them
//     reply.c       one reply, checked     fate.c         what becomes of it
//     result.c      what is counted        histogram.c    many latencies
//     stages.c      before, during, after the hogs
//     usage.c       what the server costs, and what others do
//     progress.c    a line now and then    report.c       the summary
//     export.c      CSV, JSON, tables      text.c         numbers for people
//     verdict.c     what to make of it     startup.c      what must be right
//     calibrate.c   what we can do         null_server.c  nothing, very fast

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "export.h"
#include "load.h"
#include "options.h"
#include "report.h"
#include "startup.h"
#include "verdict.h"

enum { EXIT_NOT_GOOD = 1 };

static void on_interrupt(int signo)
{
    (void)signo;
    load_interrupt();
}

// The first Ctrl-C ends the measurement and still reports, a second one ends
// the program.
static void catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt,
                               .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

// Says what could not be written, if `result` tells so. Returns whether it was.
static bool written(const char *path, int result)
{
    if (result != 0)
        fprintf(stderr, "fibload: %s: %s\n", path, strerror(errno));
    return result == 0;
}

// What is written beside the summary; NULL: not asked for.
struct files {
    FILE *csv, *json, *hist, *timeline;
};

static struct files open_files(const struct options *opt)
{
    bool to_stdout = opt->json != NULL && strcmp(opt->json, "-") == 0;
    return (struct files){.csv = startup_csv(opt),
                          .json = to_stdout ? stdout : startup_file(opt->json),
                          .hist = startup_file(opt->hist),
                          .timeline = startup_file(opt->timeline)};
}

// Writes the files that are not standard output. Returns whether that worked.
static bool write_files(const struct options *opt, const struct result *r,
                        const struct files *files)
{
    bool good = true;
    if (files->csv != NULL)
        good = written(opt->csv, export_csv(files->csv, opt, r));
    if (files->hist != NULL)
        good =
            written(opt->hist, export_percentiles(files->hist, &r->latency)) &&
            good;
    if (files->timeline != NULL)
        good = written(opt->timeline, export_close(files->timeline)) && good;
    if (files->json != NULL && files->json != stdout)
        good = written(opt->json, export_json(files->json, opt, r)) && good;
    return good;
}

// Prints the summary and writes the files. Returns whether all of it worked.
static bool report(const struct options *opt, const struct result *r,
                   const struct files *files)
{
    report_summary(opt, r);
    bool good = write_files(opt, r, files);
    int closed = files->json == stdout ? export_json(stdout, opt, r)
                                       : export_close(stdout);
    return written("standard output", closed) && good;
}

static int report_calibration(const struct options *opt)
{
    if (calibrate(opt) == 0)
        return EXIT_SUCCESS;
    fprintf(stderr, "fibload: --calibrate: %s\n", strerror(errno));
    return EXIT_CANNOT_RUN;
}

int main(int argc, char **argv)
{
    static struct result result;
    struct options *opt = options_parse(argc, argv);
    if (opt->calibrate)
        return report_calibration(opt);
    startup_labels(opt);
    startup_server(opt);
    startup_descriptors(opt);
    struct addrinfo *target = startup_resolve(opt);
    struct files files = open_files(opt);

    catch_interrupts();
    int failed = load_run(opt, target, files.timeline, &result);
    int error = failed == 0 ? 0 : errno;
    freeaddrinfo(target);
    if (error != 0) {
        fprintf(stderr, "fibload: cannot connect to %s:%s: %s\n", opt->host,
                opt->port, strerror(error));
        return EXIT_CANNOT_RUN;
    }
    bool reported = report(opt, &result, &files);
    bool good = opt->strict ? verdict_of(opt, &result).verdict == VERDICT_OK
                            : result_is_good(&result);
    return reported && good ? EXIT_SUCCESS : EXIT_NOT_GOOD;
}

// fibload.c - the load client: asks a fib server, checks, measures, reports.
//
//     options.c      the command line        clock.c       what time it is
//     load.c         the loop                phases.c      part by part
//     traffic.c      who asks when           schedule.c    when it is due
//     stages.c       before, during, after   report.c      the summary
//     pool.c         all connections         connection.c  one of them
//     queue.c        who is next             reply.c       one reply, checked
//     result.c       what is counted         histogram.c   many latencies
//     usage.c        the server's cost       export.c      CSV and JSON
//     progress.c     a line now and then     text.c        numbers for people
//     startup.c      what must be right before all that

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "load.h"
#include "options.h"
#include "report.h"
#include "startup.h"

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

// Prints the summary and writes the files. Returns whether all of it worked.
static bool report(const struct options *opt, const struct result *r, FILE *csv,
                   FILE *json)
{
    bool good = true;
    report_summary(opt, r);
    if (csv != NULL)
        good = written(opt->csv, export_csv(csv, opt, r));
    if (json != NULL && json != stdout)
        good = written(opt->json, export_json(json, opt, r)) && good;
    int closed =
        json == stdout ? export_json(json, opt, r) : export_close(stdout);
    return written("standard output", closed) && good;
}

int main(int argc, char **argv)
{
    static struct result result;
    struct options *opt = options_parse(argc, argv);
    startup_server(opt);
    startup_descriptors(opt);
    struct addrinfo *target = startup_resolve(opt);
    FILE *csv = startup_csv(opt), *json = startup_json(opt);

    catch_interrupts();
    int error = load_run(opt, target, &result) == 0 ? 0 : errno;
    freeaddrinfo(target);
    if (error != 0) {
        fprintf(stderr, "fibload: cannot connect to %s:%s: %s\n", opt->host,
                opt->port, strerror(error));
        return EXIT_CANNOT_RUN;
    }
    bool reported = report(opt, &result, csv, json);
    return reported && result_is_good(&result) ? EXIT_SUCCESS : EXIT_NOT_GOOD;
}

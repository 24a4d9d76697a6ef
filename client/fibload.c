// fibload.c - the load client: asks a fib server, checks, measures, reports.
//
//     options.c      the command line
//     load.c         the loop: who asks when, what is counted
//     connection.c   one connection          reply.c   one reply, checked
//     histogram.c    many latencies          clock.c   where they come from
//     usage.c        what it cost the server
//     report.c       what is printed and written

#include <signal.h>
#include <stdlib.h>

#include "load.h"
#include "options.h"
#include "report.h"

enum { EXIT_NOT_GOOD = 1, EXIT_NO_SERVER = 2 };

static void on_interrupt(int signo)
{
    (void)signo;
    load_interrupt();
}

int main(int argc, char **argv)
{
    static struct load_result result;
    struct options *opt = options_parse(argc, argv);
    if (report_csv_check(opt) != 0)
        return EXIT_NO_SERVER;

    // The first Ctrl-C ends the measurement and still reports, a second one
    // ends the program.
    struct sigaction action = {.sa_handler = on_interrupt,
                               .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    if (load_run(opt, &result) != 0)
        return EXIT_NO_SERVER;
    report_summary(opt, &result);
    if (report_csv(opt, &result) != 0 || report_json(opt, &result) != 0)
        return EXIT_NOT_GOOD;
    return report_is_good(&result) ? EXIT_SUCCESS : EXIT_NOT_GOOD;
}

// test_fibload.c - the client, against servers that behave in every bad way.
//
//     test_fibload [BIN]           the folder that has fibload; default: bin
//     test_fibload --parts         prints the names of its parts; see tap.h
//
// Each server is a child of this test and does what its script says. Then the
// test compares the exit status of fibload, the row that it has written and
// what it said with what the server has recorded. See fibload/:
//
//     server.h    scripted servers       record.h    what they write down
//     client.h    runs of fibload        parts.h     the checks

#include "fibload/client.h"
#include "fibload/parts.h"
#include "tap.h"

// What takes longest begins first.
static const struct tap_part parts[] = {
    {"full_queue", test_full_queue},
    {"gone_server", test_gone_server},
    {"closed_connections", test_closed_connections},
    {"reset_connections", test_reset_connections},
    {"timeouts", test_timeouts},
    {"long_stall", test_long_stall},
    {"calibration", test_calibration},
    {"window", test_window},
    {"unanswered_hello", test_unanswered_hello},
    {"connecting", test_connecting},
    {"screen", test_screen},
    {"missing_replies", test_missing_replies},
    {"accuracy", test_accuracy},
    {"stall", test_stall},
    {"pipeline", test_pipeline},
    {"hogs", test_hogs},
    {"all_together", test_all_together},
    {"wrong_replies", test_wrong_replies},
    {"open_loop", test_open_loop},
    {"hello", test_hello},
    {"own_share", test_own_share},
    {"other_programs", test_other_programs},
    {"churn", test_churn},
    {"threads", test_threads},
    {"usage", test_usage},
    {"thirds", test_thirds},
    {"overload", test_overload},
    {"think", test_think},
    {"verdict", test_verdict},
    {"slow", test_slow},
    {"files", test_files},
    {"right_replies", test_right_replies},
    {"summary", test_summary},
    {"interrupts", test_interrupts},
    {"columns", test_columns},
    {"no_server", test_no_server},
    {"command_line", test_command_line},
};

int main(int argc, char **argv)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/fibload", argc > 1 ? argv[1] : "bin");
    client_is(path);
    return tap_main(argc, argv, parts, sizeof parts / sizeof parts[0]);
}

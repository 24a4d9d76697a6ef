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
    {"gone_server", test_gone_server},
    {"full_queue", test_full_queue},
    {"timeouts", test_timeouts},
    {"all_together", test_all_together},
    {"long_stall", test_long_stall},
    {"hogs", test_hogs},
    {"unanswered_hello", test_unanswered_hello},
    {"screen", test_screen},
    {"window", test_window},
    {"connecting", test_connecting},
    {"wrong_replies", test_wrong_replies},
    {"missing_replies", test_missing_replies},
    {"accuracy", test_accuracy},
    {"hello", test_hello},
    {"open_loop", test_open_loop},
    {"calibration", test_calibration},
    {"pipeline", test_pipeline},
    {"closed_connections", test_closed_connections},
    {"reset_connections", test_reset_connections},
    {"own_share", test_own_share},
    {"other_programs", test_other_programs},
    {"churn", test_churn},
    {"stall", test_stall},
    {"usage", test_usage},
    {"thirds", test_thirds},
    {"think", test_think},
    {"threads", test_threads},
    {"overload", test_overload},
    {"files", test_files},
    {"merge", test_merge},
    {"bad_files", test_bad_files},
    {"ramp", test_ramp},
    {"require", test_require},
    {"find_rate", test_find_rate},
    {"verdict", test_verdict},
    {"slow", test_slow},
    {"few_requests", test_few_requests},
    {"related_columns", test_related_columns},
    {"cpu_time", test_cpu_time},
    {"equal_threads", test_equal_threads},
    {"sandbox", test_sandbox},
    {"progress", test_progress},
    {"right_replies", test_right_replies},
    {"shown_replies", test_shown_replies},
    {"command_line", test_command_line},
    {"summary", test_summary},
    {"interrupts", test_interrupts},
    {"interrupted_grace", test_interrupted_grace},
    {"shape_columns", test_shape_columns},
    {"unknown", test_unknown},
    {"other_process", test_other_process},
    {"unreadable_memory", test_unreadable_memory},
    {"little_memory", test_little_memory},
    {"columns", test_columns},
    {"no_server", test_no_server},
};

int main(int argc, char **argv)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/fibload", argc > 1 ? argv[1] : "bin");
    client_is(path);
    return tap_main(argc, argv, parts, sizeof parts / sizeof parts[0]);
}

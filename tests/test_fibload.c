// test_fibload.c - tests fibload against servers that misbehave on purpose.
//
//     test_fibload [BIN]           BIN: the directory of fibload, or bin
//     test_fibload --parts         prints the names of its parts: see tap.h
//
// Each server is a child process of this test and follows a script. The server
// records what it receives and sends. The test compares that record with
// fibload's exit status, its output and the row of its CSV file. The directory
// fibload/ has:
//
//     server.h    scripted servers       record.h    what a server records
//     client.h    runs of fibload        parts.h     the parts of this test

#include "fibload/client.h"
#include "fibload/parts.h"
#include "tap.h"

// The parts, the longest first: several run at the same time.
static const struct tap_part parts[] = {
    {"gone_server", test_gone_server},
    {"full_queue", test_full_queue},
    {"stopped_client", test_stopped_client},
    {"think_with_pipeline", test_think_with_pipeline},
    {"timeouts", test_timeouts},
    {"all_together", test_all_together},
    {"long_stall", test_long_stall},
    {"hogs", test_hogs},
    {"unanswered_probe", test_unanswered_probe},
    {"wait_for_probes", test_wait_for_probes},
    {"pace_of_probes", test_pace_of_probes},
    {"screen", test_screen},
    {"window", test_window},
    {"connecting", test_connecting},
    {"wrong_replies", test_wrong_replies},
    {"missing_replies", test_missing_replies},
    {"accuracy", test_accuracy},
    {"probe", test_probe},
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
    {"little_file", test_little_file},
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

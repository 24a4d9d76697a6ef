// parts.h - the parts of tests/test_fibload.c, by the file that has them.

#ifndef FIBLOAD_PARTS_H
#define FIBLOAD_PARTS_H

// replies.c
void test_right_replies(void);
void test_wrong_replies(void);
void test_shown_replies(void);
void test_closed_connections(void);
void test_reset_connections(void);
void test_missing_replies(void);
void test_timeouts(void);

// merge.c
void test_merge(void);
void test_bad_files(void);

// latency.c
void test_accuracy(void);
void test_open_loop(void);
void test_stall(void);
void test_long_stall(void);
void test_overload(void);
void test_ramp(void);
void test_own_share(void);

// phases.c
void test_probe(void);
void test_unanswered_probe(void);
void test_wait_for_probes(void);
void test_pace_of_probes(void);
void test_window(void);
void test_interrupts(void);
void test_interrupted_grace(void);

// load.c
void test_pipeline(void);
void test_churn(void);
void test_connecting(void);
void test_threads(void);
void test_equal_threads(void);
void test_few_requests(void);
void test_think(void);
void test_think_with_pipeline(void);
void test_slow(void);
void test_hogs(void);
void test_thirds(void);
void test_all_together(void);

// machine.c
void test_usage(void);
void test_cpu_time(void);
void test_other_process(void);
void test_unreadable_memory(void);
void test_other_programs(void);
void test_stopped_client(void);

// refusals.c
void test_sandbox(void);
void test_little_memory(void);
void test_little_file(void);

// output.c
void test_columns(void);
void test_shape_columns(void);
void test_related_columns(void);
void test_unknown(void);
void test_progress(void);
void test_files(void);
void test_summary(void);
void test_screen(void);
void test_require(void);
void test_find_rate(void);
void test_verdict(void);

// command_line.c
void test_no_server(void);
void test_full_queue(void);
void test_gone_server(void);
void test_command_line(void);
void test_calibration(void);

#endif

#!/usr/bin/env python3
"""Tests of how the bench plans its runs, and of what it computes and writes
from them: figures, claims, sentences, tables. No test makes a run. All tests
are in the part `quick`, see tap.py."""

import contextlib
import csv
import datetime
import difflib
import io
import math
import os
import pathlib
import random
import tempfile
import types
import unittest
import unittest.mock
from dataclasses import replace

import sentences
import tap
from made_up import (
    beside_hogs, costing, of_models, on_cores, rounds, row)
from programs import folder_for, wait_until
from under_test import (
    ALL_MODELS, AT_LEAST, COLUMNS, CONTRADICTING, EXPERIMENTS, FAILS, HOLDS,
    INCONCLUSIVE, MODELS, NOT_MEASURED, SUGGESTS, SUGGESTS_NOT, Cell, Claim,
    Judgement, PlannedRun, Runs, Sample, aligned, calibration, chosen,
    classroom, command_line, compare, compare_with_none_idle, counted, coverage,
    deciding, doctor, document, duration, factor, faults, finding, findings,
    finished, fitting, furthest, in_order, judge, judgements, least_disturbed,
    listed, machine, measured, names, of_size, order, predictions, read_runs,
    report, request_log, rewrite, rounded, run, runtimes, tables, terminal,
    validity, with_range, wrapped, write_claims)

BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}
(LATENCY, THROUGHPUT, HOG, IDLE, CHURN, WAIT, SILENT, TIMELINE) = map(
    BY_NAME.get, ("latency", "throughput", "hog", "idle", "churn", "wait",
                  "silent", "timeline"))
GOLDEN = pathlib.Path(__file__).with_name("sentences.txt")


class Sentences(unittest.TestCase):
    """The sentences that our programs print about the made-up runs of
    sentences.py."""

    def test_models_and_numbers(self):
        self.assertGreater(len(sentences.SITUATIONS), 50)
        for name, (say, facts) in sentences.SITUATIONS.items():
            with self.subTest(name):
                self.assertEqual(sentences.facts(say()), facts)

    def test_words(self):
        golden = GOLDEN.read_text("utf-8").splitlines(keepends=True)
        said = sentences.text().splitlines(keepends=True)
        self.assertEqual("".join(difflib.unified_diff(
            golden, said, GOLDEN.name, "what is said now")), "")

    def test_different_situations_are_told_apart(self):
        said = [say() for say, _ in sentences.SITUATIONS.values()]
        self.assertEqual(len(set(said)), len(said))

    def test_how_facts_are_found(self):
        self.assertEqual(sentences.facts(
            "coroutine --trap beats fork's 1,000.5 threads by 2.0x (fib(40))."),
            "coroutine --trap fork | 2.0 40 1000.5")


class Numbers(unittest.TestCase):
    def test_significant_digits(self):
        for value, text in (
                (0, "0"), (0.123456, "0.123"), (1.2345, "1.23"),
                (12.345, "12.3"), (123.4, "123"), (999.6, "1,000"),
                (1234, "1,230"), (142225, "142,000"),
                (9_999_999, "10,000,000"), (float("nan"), "-")):
            self.assertEqual(rounded(value), text)
        for value, text in ((5.07, "5.1"), (11.4, "11"), (0.96, "0.96"),
                            (99.7, "100"), (1260, "1,300")):
            self.assertEqual(rounded(value, 2), text)

    def test_units_are_readable_in_every_encoding(self):
        for encoding, text in (("ascii", "4.1 us >=##?"),
                               ("gb2312", "4.1 us ≥##?"),
                               ("utf-8", "4.1 µs ≥██¿")):
            streams = {name: io.TextIOWrapper(io.BytesIO(), encoding)
                       for name in ("stdout", "stderr")}
            with unittest.mock.patch.multiple("sys", **streams), \
                    self.assertRaises(SystemExit):
                command_line.run(lambda: print("4.1 µs ≥██¿", end="",
                                               flush=True))
            self.assertEqual(streams["stdout"].buffer.getvalue(),
                             text.encode(encoding))

    def test_durations_have_a_fitting_unit(self):
        for us, text in ((57.2, "57.2 µs"), (999.9, "1.00 ms"),
                         (4120, "4.12 ms"), (2.5e6, "2.50 s")):
            self.assertEqual(duration(us), text)
        self.assertEqual(duration(997, 2), "1.0 ms")
        self.assertEqual(duration(100, 1), "100 µs")
        self.assertEqual(duration(math.nan), "-")

    def test_no_line_ends_between_a_number_and_its_unit(self):
        self.assertEqual(wrapped("within 600 ms, or 5 of them", 10),
                         "within\n600 ms, or\n5 of them")

    def test_columns_of_numbers_stand_to_the_right(self):
        rows = [("", "KiB"), ("fork", "9"), ("thread", "10 > 9")]
        self.assertEqual(aligned(rows, left=1),
                         ["             KiB", "  fork         9",
                          "  thread  10 > 9"])
        self.assertEqual(aligned(rows)[1], "  fork    9")

    def test_a_line_that_is_rewritten_is_cut_to_the_terminal(self):
        """Checks that the line does not wrap, since the next one would replace
        only the last part of it."""
        with unittest.mock.patch.dict("os.environ", COLUMNS="20"), \
                contextlib.redirect_stdout(io.StringIO()) as said:
            said.isatty = lambda: True
            self.assertTrue(rewrite("round 1, run 1 of 4, 0:01 left"))
        self.assertEqual(said.getvalue(), "\r\033[Kround 1, run 1 of 4")

    def test_words(self):
        self.assertEqual(listed([]), "")
        self.assertEqual(listed(["a"]), "a")
        self.assertEqual(listed(["a", "b", "c"]), "a, b and c")
        self.assertEqual(counted(1, "client"), "1 client")
        self.assertEqual(counted(1000.0, "client"), "1,000 clients")
        self.assertEqual(counted(2, "reply"), "2 replies")
        self.assertEqual(factor(1.94), "1.9x")


class Results(unittest.TestCase):
    def test_spread_is_median_lowest_highest(self):
        runs = Runs(rounds("fork", 1, req_per_s=(5.0, 1.0, 3.0, 9.0)))
        self.assertEqual(runs.spread("req_per_s"), (4.0, 1.0, 9.0))
        self.assertEqual(with_range(runs.spread("req_per_s")),
                         "4.00 (1.00-9.00)")
        self.assertIsNone(runs.where(model="none").spread("req_per_s"))

    def test_rounds_are_those_of_the_cell_with_fewest(self):
        runs = Runs([row("fork", 1, 1), row("fork", 1, 2), row("thread", 1, 1)])
        self.assertEqual(runs.rounds(), 1)
        self.assertEqual(runs.where(model="fork").rounds(), 2)
        self.assertEqual(Runs().rounds(), 0)

    def test_runs_with_faults_are_told_apart(self):
        runs = Runs([row("fork", 1), row("fork", 1, wrong=3.0)])
        self.assertEqual(len(runs.sound()), 1)
        self.assertEqual(faults(runs[0]), [])
        self.assertEqual(list(map(sentences.facts, faults(runs[1]))), ["| 3"])

    def read(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
            file.write(text)
            file.flush()
            return read_runs(file.name)

    def test_files_that_hold_no_runs(self):
        for text in ("", "experiment,model\n", "experiment,model\nx,y\n",
                     "experiment,model,round\nlatency,fork,one\n"):
            with self.assertRaises(ValueError):
                self.read(text)

    def complete(self, **columns):
        """Returns a run as read_runs() reads it from a file with one row.
        `columns` replace or add values of that row."""
        run = {"experiment": "latency", "model": "fork", "round": 1,
               "connections": 4, "idle": 0, "duration_s": 1, "requests": 4,
               "req_per_s": 4, "pss_kib": 100, "ctx_switches": 8,
               "server_user_s": 1, "server_sys_s": 0.5,
               "server_cpu_us_per_req": 9, **columns}
        return self.read(",".join(run) + "\n"
                         + ",".join(map(str, run.values())) + "\n")[0]

    def test_cores_are_taken_over_the_time_that_was_measured(self):
        self.assertEqual(self.complete()["cores"], 1.5)
        self.assertEqual(self.complete(server_wall_s=3)["cores"], 0.5)
        nothing = self.complete(duration_s=0, requests=0)
        self.assertEqual(rounded(nothing["cores"]), "-")
        self.assertEqual(rounded(nothing["ctx_switches_per_req"]), "-")

    def test_what_is_possible_behind_a_delay(self):
        run = self.complete(replies=12, server_wall_s=0.4, delay_ms=100)
        self.assertAlmostEqual(run["rate_to_last"], 30)
        self.assertAlmostEqual(run["share_of_possible"], 0.75)

    def test_idle_clients_are_compared_with_none_of_the_same_round(self):
        runs = Runs(row("fork", 10, number, idle=idle, req_per_s=rate,
                        pss_kib=pss, server_cpu_us_per_req=500 / rate)
                    for number, idle, rate, pss in (
                        (1, 0, 100.0, 50.0), (1, 100, 90.0, 450.0),
                        (2, 100, 90.0, 450.0)))
        compare_with_none_idle(runs)
        self.assertEqual(runs[1]["rate_kept"], 0.9)
        self.assertAlmostEqual(runs[1]["work_kept"], 0.9)
        self.assertEqual(runs[1]["kib_per_silent"], 4)
        self.assertEqual(rounded(runs[0]["kib_per_silent"]), "-")
        self.assertEqual(rounded(runs[2]["rate_kept"]), "-")


class Samples(unittest.TestCase):
    """Samples: the values of a column, one for each round. A run with wrong or
    failed requests, or without a value, must be in none of them."""

    def test_faulty_and_unknown_rounds_are_in_no_sample(self):
        runs = Runs(rounds("fork", 1, req_per_s=(5.0, 1.0, 3.0, math.nan),
                           wrong=(0, 7, 0, 0)))
        sample = runs.sample("req_per_s")
        self.assertEqual(sample.values, {1: 5.0, 3: 3.0})
        self.assertEqual(runs.spread("req_per_s"), (4.0, 3.0, 5.0))
        self.assertEqual(runs.median("req_per_s"), 4.0)
        nothing = runs.where(round=2).sample("req_per_s")
        self.assertFalse(nothing)
        self.assertTrue(math.isnan(nothing.median))
        self.assertIsNone(nothing.spread())

    def test_a_ratio_is_that_of_each_round(self):
        over = Sample({1: 10.0, 2: 1.0, 3: 8.0})
        under = Sample({1: 5.0, 2: 0.0, 4: 8.0})
        self.assertEqual((over / under).values, {1: 2.0})
        self.assertEqual((under * 2).values, {1: 10.0, 2: 0.0, 4: 16.0})

    def test_medians_of_ratios_everywhere(self):
        """Checks that a ratio of two models is the median of the rounds'
        ratios, 2 here. The ratio of the two medians would be 3."""
        runs = of_models(100, "server_cpu_us_per_req", fork=(2.0, 6.0, 9.0),
                         coroutine=(1.0, 2.0, 9.0))
        cost = next(figure for figure in classroom.FIGURES
                    if figure.experiment == "throughput")
        self.assertEqual(classroom.values_of(cost, {"ada": runs})["fork"],
                         [2.0])
        ratio = predictions.of("fork", "server_cpu_us_per_req",
                               than="coroutine")
        self.assertEqual(ratio(runs), 2.0)
        with unittest.mock.patch.object(measured, "runs_of", lambda _: runs):
            self.assertEqual(measured.run_value(
                "x", "throughput", "fork/coroutine", "connections=100",
                "server_cpu_us_per_req"), 2.0)

    def test_a_faulty_base_divides_nothing(self):
        runs = Runs([row("fork", 10, 1, req_per_s=0.001, wrong=3.0, pss_kib=9),
                     row("fork", 10, 1, idle=100.0, pss_kib=9)])
        compare_with_none_idle(runs)
        self.assertTrue(math.isnan(runs[1]["rate_kept"]))
        self.assertFalse(runs.where(idle=100.0).sample("rate_kept"))

    def test_rounds_that_resemble_the_one_before(self):
        def autocorrelation_of(*values):
            return Sample(dict(enumerate(values))).autocorrelation()

        self.assertGreater(autocorrelation_of(1, 2, 3, 4, 5, 6), 0.4)
        self.assertLess(autocorrelation_of(1, 6, 1, 6, 1, 6), -0.7)
        for too_few in ((), (1, 2), (3, 3, 3)):
            self.assertTrue(math.isnan(autocorrelation_of(*too_few)))

    def test_the_first_table_says_where_a_figure_is_from(self):
        runs = Runs([row("fork", 10, idle=1000.0, kib_per_silent=32.0),
                     row("thread", 10, idle=10000.0)])
        fork, thread = tables.summary([(IDLE, runs)]).rows
        self.assertEqual(sentences.facts(fork[1]), "| 32.0 1000")
        self.assertEqual(sentences.facts(thread[1]), "| 4.00")

    def test_what_is_compared_is_seconds_apart(self):
        options = types.SimpleNamespace(seed=1, rounds=1, models=MODELS)
        at = {}
        for number, made in enumerate(order.plan(EXPERIMENTS, options)):
            load = 0 if made.experiment.compares_loads else made.load
            at.setdefault((made.experiment.name, load), []).append(number)
        for numbers in at.values():
            self.assertEqual(numbers, list(range(numbers[0], numbers[-1] + 1)))


class Findings(unittest.TestCase):
    """The models and figures that a finding names, and in which order."""

    COST = "server_cpu_us_per_req"

    def test_a_second_core_in_every_round(self):
        for cores, second, one in (
                ({"fork": (1.9, 1.8), "coroutine": (1.0, 1.0)},
                 ["fork"], ["coroutine"]),
                ({"fork": (1.9, 1.4), "coroutine": (1, 1)}, [], ["coroutine"]),
                ({"fork": (1.3, 1.3)}, [], []),
                ({"fork": (1, 1), "thread": (1, 1)}, [], ["fork", "thread"]),
                ({"fork": (2, 2), "thread": (2, 2)}, ["fork", "thread"], [])):
            self.assertEqual(findings.cores_used(on_cores(**cores)),
                             (second, one))

    def test_what_a_second_core_brings(self):
        runs = on_cores(fork=(1.9, 1.8), thread=(1.8, 1.9), coroutine=(1, 1))
        self.assertAlmostEqual(findings.gain(
            runs, ["fork", "thread"], ["coroutine"]), 1.8)

    def test_what_a_second_core_brings_may_be_unknown(self):
        fork, coroutine = on_cores(fork=(1.9, 1.9), coroutine=(1, 1))[1:3]
        for runs in ([fork, coroutine],  # of different rounds
                     [fork, {**coroutine, "round": 2.0, "req_per_s": 0.0}]):
            self.assertEqual(sentences.facts(findings.latency(Runs(runs))),
                             "fork | 4")

    def test_a_model_without_figures_is_not_named(self):
        runs = on_cores(fork=(1.9, 1.9), coroutine=(math.nan, math.nan))
        self.assertEqual(sentences.facts(findings.latency(runs)), "fork | 4")

    def test_the_largest_load_decides(self):
        runs = Runs(row("fork", clients) for clients in (1, 2, 4))
        self.assertEqual(deciding(LATENCY, runs), runs[2:])

    def test_a_single_round_is_said_to_be_one(self):
        once = on_cores(fork=(1.9,), coroutine=(1,))
        twice = on_cores(fork=(1.9, 1.9), coroutine=(1, 1))
        self.assertEqual(finding(LATENCY, twice), findings.latency(twice))
        self.assertNotEqual(finding(LATENCY, once), findings.latency(once))
        self.assertIn(findings.latency(once), finding(LATENCY, once))

    def test_models_are_ranked_where_the_rounds_agree(self):
        for cost, groups in (
                ({"thread": (8.0, 9.0), "coroutine": (3.5, 3.6),
                  "fork": (11, 12)}, [["coroutine"], ["thread"], ["fork"]]),
                ({"coroutine": (3, 3), "thread": (5, 7), "fork": (6.5, 9.5)},
                 [["coroutine"], ["thread"], ["fork"]]),
                ({"fork": (11, 11), "coroutine": (4.9, 5.3),
                  "nonblocking": (4.8, 5.2)},
                 [["nonblocking", "coroutine"], ["fork"]]),
                ({"fork": (4, 6.02), "thread": (4, 6)}, [["thread", "fork"]]),
                ({"fork": (2, 10), "thread": (6, 10)}, [["fork", "thread"]])):
            self.assertEqual(findings.ranked(findings.samples(
                costing(**cost), self.COST)), groups)

    def test_lowest_to_highest(self):
        self.assertEqual(findings.lowest_to_highest([3.01, 3.04]), "3.0")
        self.assertEqual(findings.lowest_to_highest([3, 4]), "3.0 to 4.0")

    def test_where_models_break(self):
        for breaks, badly, well in (
                (findings.one_core, on_cores(fork=(1.0,)),
                 on_cores(fork=(1.3,))),
                (findings.starved_by_long, beside_hogs(coroutine=(0.001,)),
                 beside_hogs(fork=(0.9,))),
                (findings.slowed_by_idle,
                 [row("fork", 10, idle=100.0, rate_kept=0.5)],
                 [row("fork", 10, idle=100.0)]),
                (findings.waits_for_one,
                 [row("fork", 10, share_of_possible=0.1)],
                 [row("fork", 10)]),
                (findings.stopped_by_one, [row("fork", 1, served=0.0)],
                 [row("fork", 1)])):
            self.assertTrue(breaks(Runs(badly)))
            self.assertEqual(breaks(Runs(well)), "")


class Commands(unittest.TestCase):
    """The command lines with which the bench starts server and client."""

    def test_the_server_is_told_to_wait_and_a_variant_its_options(self):
        options = types.SimpleNamespace(bin=pathlib.Path("bin"), programs={},
                                        on=None)
        made = PlannedRun(WAIT, WAIT.cells[0], "coroutine --trap", 1)
        self.assertEqual(run.server_command(made, options), [
            pathlib.Path("bin/coroutine"), "--port", "0", "--quiet", "--trap",
            "--delay", "100"])
        self.assertEqual(WAIT.models(["fork", "coroutine"]),
                         ["fork", "coroutine", "coroutine --trap"])
        self.assertEqual(WAIT.models(["fork"]), ["fork"])

    def test_the_client_is_told(self):
        options = types.SimpleNamespace(bin=pathlib.Path("bin"), size="full",
                                        models=["fork"])
        for experiment, number, wanted, unwanted in (
                (HOG, 1, {"--hogs", "4", "--timeline"}, {"--churn"}),
                (HOG, 2, {"--hogs"}, {"--timeline"}),
                (CHURN, 1, {"--churn"}, {"--timeline"}),
                (TIMELINE, 2, {"--timeline", "-n", "48"}, {"--churn"})):
            made = PlannedRun(experiment, experiment.cells[0], "fork", number)
            told = set(run.client_command(
                made, options, types.SimpleNamespace(usage_options=(),
                                                     target="9999"),
                run.Files("out", "trace.csv"), "free"))
            self.assertLessEqual(wanted, told)
            self.assertFalse(unwanted & told)


class Watching(unittest.TestCase):
    """The CPU time that the bench counts during a run: of the server, and of
    other programs on the machine."""

    def test_the_cpu_time_of_others_and_not_our_own(self):
        busy_s, own_s = iter((100.0, 107.0)), iter((21.0, 26.0))
        with unittest.mock.patch.multiple(
                machine, busy_s=lambda: next(busy_s),
                own_cpu_s=lambda: next(own_s), time=unittest.mock.Mock(
                    monotonic=unittest.mock.Mock(side_effect=(50.0, 54.0)))):
            # In 4 s all programs used 7 s of CPU time: we and our children 5 s
            # of it, other programs 2 s.
            self.assertEqual(machine.Others().cores(), 0.5)

    def test_the_share_of_the_first_process(self):
        own_s = iter((0.0, 2.0, 2.8, 2.8))
        with unittest.mock.patch.object(
                machine, "own_cpu_s", lambda: next(own_s)), \
                unittest.mock.patch.object(
                    run.usage, "stat_of",
                    lambda pid: 13 * [run.usage.TICKS_PER_S // 10]):
            watch = run.Watch()
            watch.read(types.SimpleNamespace(pid=1))
            found = watch.columns()
        self.assertEqual(found["first_process_share"], "0.250")

    def test_a_process_may_end_before_its_threads_are_listed(self):
        """No process has the number 0, and its folder seems to be there, as
        that of a process that ends at this moment."""
        with unittest.mock.patch.object(
                run.usage, "session_of", lambda pid: [(pid, [])]), \
                unittest.mock.patch("pathlib.Path.is_dir", return_value=True):
            self.assertEqual(run.usage.threads_of(0), [])

    def test_the_core_of_another_program(self):
        """Checks that busy_s() grows while this test computes: it reads the
        kernel's count of busy time, in /proc/stat."""
        before = machine.busy_s()
        wait_until(lambda: machine.busy_s() > before,
                   "this loop is seen in /proc/stat")


class Timeline(unittest.TestCase):
    # Connections 0 and 1 send small requests, connection 2 large ones. The last
    # request of connection 2 gets no reply.
    CSV = ("connection,kind,due_ns,sent_ns,done_ns,outcome\n"
           "1,stream,0,0,20000000,right\n"
           "0,stream,0,0,10000000,right\n"
           "0,stream,10000000,10000000,130000000,right\n"
           "2,hog,5000000,5000000,125000000,right\n"
           "2,hog,125000000,125000000,,unanswered\n"
           ",stream,0,,,unsent\n")

    def requests(self):
        path = folder_for(self) / "trace.csv"
        path.write_text(self.CSV)
        return request_log.read_requests(path)

    def test_requests_are_in_the_order_of_their_replies(self):
        self.assertEqual([(one.connection, one.done_us) for one
                          in self.requests()],
                         [(0, 10000), (1, 20000), (2, 125000), (0, 130000),
                          (2, math.inf)])

    def test_replies_of_a_tenth_of_a_second(self):
        kept = request_log.over_time(self.requests())
        self.assertEqual(kept, [
            ("hog", 2, 5000, 125000, 1), ("hog", 2, 125000, 130000, 0),
            ("stream", -1, 0, 100000, 2)])
        self.assertEqual(request_log.over_time([]), [])
        longer = [*self.requests(), request_log.Request("hog", 2, 0, 999000)]
        self.assertEqual(request_log.over_time(longer)[-1],
                         ("stream", -1, 0, 100000, 2))
        unanswered = request_log.over_time(self.requests()[-1:], 250000)
        self.assertEqual(unanswered, [("hog", 2, 125000, 250000, 0),
                                      ("stream", -1, 0, 100000, 0),
                                      ("stream", -1, 100000, 200000, 0)])

    def test_each_request_that_was_answered(self):
        self.assertEqual(request_log.each_request(self.requests())[0],
                         ("stream", 0, 0, 10000, 1))
        self.assertEqual(len(request_log.each_request(self.requests())), 4)

    def test_figures_of_a_trace(self):
        one = self.requests()[:1]
        for requests, set_ms, turns in (
                (self.requests(), "130.000", "1.000"),
                ([*one, *one], "10.000", "0.000"), (one, "10.000", "nan"),
                (self.requests()[-1:], "nan", "nan"), ([], "nan", "nan")):
            self.assertEqual(request_log.figures(requests),
                             {"set_ms": set_ms, "turns": turns})

    def test_what_is_kept_can_be_read_again(self):
        path = folder_for(self) / "timeline.csv"
        self.assertEqual(request_log.read(path), [])
        for number, load, attempt in ((1, 0, 1), (2, 4, 1), (3, 4, 1),
                                      (2, 4, 2)):
            made = PlannedRun(HOG, Cell(8, hogs=load), "fork", number, attempt)
            request_log.keep(path, [
                request_log.as_span(kept, made) for kept
                in request_log.each_request(self.requests())])
        spans = request_log.read(path)
        whole = path.read_text()
        for cut in (whole[:-1], whole[:-4], whole[:-12], "model", ""):
            path.write_text(cut)
            with self.assertRaises(ValueError):
                request_log.read(path)
        self.assertEqual(len(spans), 16)
        shown = request_log.shown(spans, "fork")
        self.assertEqual({(span.load, span.round, span.attempt)
                          for span in shown}, {(4, 2, 2)})
        self.assertEqual((shown[1].begin_us, shown[1].end_us), (0, 20000))
        self.assertEqual(request_log.shown(spans, "thread"), [])

    def test_a_run_of_median_length_is_shown(self):
        for ends, number in (((30, 10, 20), 3), ((30, 10), 2), ((5,), 1)):
            spans = [request_log.Span("fork", number, 1, 4, "stream", 0, 0,
                                      end, 1)
                     for number, end in enumerate(ends, 1)]
            shown, = request_log.shown(spans, "fork")
            self.assertEqual(shown.round, number)


class Headlines(unittest.TestCase):
    """A finding must never contradict the verdicts on the claims of its
    experiment. The values are random, and often on both sides of a bound."""

    SEEDS = range(300)

    def verdicts(self, experiment, runs):
        """Returns the verdict on each claim, by its model and column."""
        return {(one.claim.model, one.claim.column): one.verdict
                for one in judgements([(experiment, runs)])}

    def around(self, dice, bound):
        """Returns a random value for each round: most of them near `bound`,
        some far from it."""
        middle = bound * dice.choice((0.7, 0.95, 1.05, 1.5))
        return [middle * dice.choice((1, 1, 1, 0.9, 1.1, 0.3, 3))
                for _ in range(self.rounds)]

    def each_dice(self):
        """Yields a random generator for each seed, with 2, 6 or 9 rounds."""
        for seed in self.SEEDS:
            dice = random.Random(seed)
            self.rounds = dice.choice((2, 6, 9))
            with self.subTest(seed=seed):
                yield dice

    def check(self, verdict, is_said, is_possible):
        """Checks that a finding fits the verdict on a claim. `is_said`: the
        finding states the claim, too. `is_possible`: the claim may be true
        according to the finding."""
        if verdict in (HOLDS, SUGGESTS):
            self.assertTrue(is_possible)
        elif verdict in CONTRADICTING:
            self.assertFalse(is_said)

    def test_cores(self):
        for dice in self.each_dice():
            runs = on_cores(fork=self.around(dice, 1.5),
                            coroutine=self.around(dice, 1.2))
            verdicts = self.verdicts(LATENCY, runs)
            for model, said in zip(("fork", "coroutine"),
                                   findings.cores_used(runs)):
                self.check(verdicts[model, "cores"], model in said,
                           model in said)

    def test_small_requests(self):
        for dice in self.each_dice():
            runs = beside_hogs(fork=self.around(dice, 0.33))
            kept = "of their small requests" in findings.hog(runs) and (
                "are left" not in findings.hog(runs))
            self.check(self.verdicts(HOG, runs)["fork", "kept_beside_hogs"],
                       kept, kept)

    def test_costs(self):
        for dice in self.each_dice():
            thread = self.around(dice, 5)
            runs = costing(thread=thread, coroutine=self.around(dice, 3.5),
                           fork=[cost * dice.choice((0.9, 1, 1.01, 1.2, 2))
                                 for cost in thread])
            place = {model: number for number, group in enumerate(
                findings.ranked(findings.samples(
                    runs, "server_cpu_us_per_req"))) for model in group}
            verdicts = self.verdicts(THROUGHPUT, runs)
            # The claim about coroutine says how much less it needs. A finding
            # only ranks the models, so it never states that claim.
            for model, other, is_said in (
                    ("coroutine", "thread", False),
                    ("thread", "fork", place["thread"] < place["fork"])):
                self.check(verdicts[model, "server_cpu_us_per_req"], is_said,
                           place[model] <= place[other])


class Claims(unittest.TestCase):
    CHEAPER = sentences.CHEAPER
    judge = staticmethod(sentences.judged)

    def test_ratios_are_taken_within_a_round(self):
        judged = self.judge(thread=(1.0, 20.0, 6.0), fork=(2.0, 30.0, 10.0))
        self.assertEqual(judged.verdict, SUGGESTS)
        self.assertEqual(judged.spread(), (0.6, 0.5, 2 / 3))
        self.assertEqual(judged.measured(), "0.600 (0.500-0.667)")

    def test_all_rounds_must_agree_for_a_verdict(self):
        for thread, verdict in (((7.5, 1.0), HOLDS), ((7.6, 9.0), FAILS),
                                ((7.5, 7.6), INCONCLUSIVE)):
            judged = self.judge(thread=3 * thread, fork=6 * (10.0,))
            self.assertEqual(judged.verdict, verdict)

    def test_few_rounds_only_suggest(self):
        for thread, verdict in (((7.5, 1.0), SUGGESTS),
                                ((7.6, 9.0), SUGGESTS_NOT),
                                ((7.5, 7.6), INCONCLUSIVE)):
            judged = self.judge(thread=thread, fork=(10.0, 10.0))
            self.assertEqual(judged.verdict, verdict)
            self.assertTrue(judged.doubt())

    def test_at_least_is_the_other_side(self):
        claim = Claim("fork", "", "server_cpu_us_per_req", AT_LEAST, 5)
        for values, verdict in (((5.0, 6.0), HOLDS), ((4.9, 4.0), FAILS),
                                ((4.9, 5.0), INCONCLUSIVE)):
            self.assertEqual(self.judge(claim, fork=3 * values).verdict,
                             verdict)

    def test_one_round_decides_nothing(self):
        judged = self.judge(thread=(1.0,), fork=(2.0,))
        self.assertEqual(judged.verdict, INCONCLUSIVE)
        self.assertNotEqual(judged.doubt(), self.judge(
            thread=(7.5, 7.6), fork=(10.0, 10.0)).doubt())

    def test_rounds_that_lack_a_cell_do_not_count(self):
        judged = self.judge(thread=(1.0, 2.0, 9.0), fork=(2.0, 4.0))
        self.assertEqual(tuple(judged.sample), (0.5, 0.5))
        judged = self.judge(replace(self.CHEAPER, load=10), fork=(2.0, 4.0))
        self.assertEqual(tuple(judged.sample), ())
        self.assertEqual(judged.verdict, NOT_MEASURED)

    def test_what_is_no_number_neither_agrees_nor_refutes(self):
        judged = self.judge(thread=(1.0, 9.0), fork=(0.0, 0.0))
        self.assertEqual(judged.verdict, NOT_MEASURED)

    def test_a_claim_may_name_its_load(self):
        claim = Claim("fork", "", "req_per_s", AT_LEAST, 90, load=1000)
        runs = Runs(row("fork", load, number, req_per_s=rate)
                    for number in (1, 2)
                    for load, rate in ((100, 1.0), (1000, 95.0)))
        self.assertEqual([*judge(THROUGHPUT, claim, runs).sample], [95, 95])

    def test_a_model_without_runs_has_no_claims(self):
        runs = Runs(rounds("thread", 100, cores=(1.0, 1.0)))
        self.assertEqual(judgements([(THROUGHPUT, runs)]), [])

    def test_coverage_of_the_range(self):
        self.assertEqual([coverage(rounds) for rounds in (0, 1, 2, 6)],
                         [0, 0, 0.5, 0.96875])
        self.assertEqual([round(coverage(rounds, without), 3) for
                          rounds, without in ((2, 1), (9, 1), (12, 2))],
                         [0, 0.961, 0.961])

    def test_of_nine_rounds_the_extremes_are_left_out(self):
        claim = Claim("fork", "", "server_cpu_us_per_req", AT_LEAST, 5)
        agreeing = (6.0, 7.0, 8.0, 6.0, 7.0, 8.0, 9.0)
        judged = self.judge(claim, fork=(1.0, *agreeing, 99.0))
        self.assertEqual(judged.verdict, HOLDS)
        self.assertEqual(judged.spread(), (7.0, 6.0, 9.0))
        self.assertEqual(self.judge(claim, fork=(1.0, 2.0, *agreeing)).verdict,
                         INCONCLUSIVE)
        self.assertEqual(self.judge(claim, fork=(1.0, *agreeing)).verdict,
                         INCONCLUSIVE)
        self.assertEqual(self.judge(claim, fork=(9.0, *[1.0] * 8)).verdict,
                         FAILS)
        unknown = self.judge(claim, fork=(math.nan, *[6.0] * 8))
        self.assertEqual((unknown.verdict, len(unknown.sample)), (HOLDS, 8))

    def test_what_does_not_hold_has_a_reason(self):
        for thread in ((9.0, 9.0), (7.5, 7.6)):
            failed = self.judge(thread=thread, fork=(10.0, 10.0))
            self.assertIn(self.CHEAPER.otherwise, failed.doubt())

    def test_the_tally_counts_each_verdict(self):
        holds, fails, none = (self.judge(thread=6 * thread, fork=6 * (10.0,))
                              for thread in ((1.0,), (9.0,), ()))
        self.assertEqual(sentences.facts(report.tally(
            [holds, holds, holds, fails, fails, none])), "| 1 2 3")
        self.assertEqual(report.tally([]), "")

    def test_the_file_has_a_row_for_every_claim(self):
        judged = [self.judge(thread=(1.0, 1.0), fork=(2.0, 4.0)),
                  self.judge(thread=(), fork=(1.0,))]
        with tempfile.NamedTemporaryFile() as file:
            write_claims(file.name, judged)
            found = list(csv.DictReader(io.StringIO(file.read().decode())))
        self.assertEqual(
            [(row["verdict"], row["median"], row["coverage"]) for row in found],
            [("suggests", "0.375", "0.500"), ("not measured", "nan", "0.000")])


class Documents(unittest.TestCase):
    BLOCKS = (document.Heading(2, "who waits"),
              document.Text("a < b, **bold**, `code` and [more](#who-waits)"),
              document.Items(("one", "two")),
              document.Table(("clients", "verdict"), (("4", "holds"),),
                             left=("verdict",)),
              document.Picture("p.png", 'a "picture"'),
              document.Code("x <y>"))

    def test_markdown(self):
        self.assertEqual(
            document.markdown(self.BLOCKS),
            "## who waits\n\na < b, **bold**, `code` and [more](#who-waits)"
            "\n\n- one\n- two\n\n| clients | verdict |\n| --: | :-- |\n"
            '| 4 | holds |\n\n![a "picture"](p.png)\n\n```\nx <y>\n```\n')

    def test_a_range_stands_below_its_figure(self):
        self.assertEqual(document.figure("≥ 12 (9-13)"),
                         "≥ 12<br><small>(9-13)</small>")
        self.assertEqual(document.figure("1 of 4"), "1 of 4")

    def test_a_page_holds_all_it_needs(self):
        directory = folder_for(self)
        (directory / "p.png").write_bytes(b"PNG")
        page = document.page("a & b", self.BLOCKS, directory)
        for text in ("<title>a &amp; b</title>", '<h2 id="who-waits">',
                     'a &lt; b, <strong>bold</strong>, <code>code</code> and '
                     '<a href="#who-waits">more</a>', "<li>two</li>",
                     '<td class="right">4</td><td class="left holds">holds<',
                     'alt="a &quot;picture&quot;"',
                     'src="data:image/png;base64,UE5H"', "x &lt;y&gt;"):
            self.assertIn(text, page)
        self.assertNotRegex(page, r"https?://|<script[^>]|<link|url\(")


class Experiments(unittest.TestCase):
    def test_claims_are_about_cells_that_are_there(self):
        for experiment in EXPERIMENTS:
            loads = {getattr(cell, experiment.axis)
                     for cell in experiment.cells}
            self.assertIn(experiment.load, loads)
            self.assertGreaterEqual(len(experiment.claims), 2)
            for claim in experiment.claims:
                self.assertIn(claim.load, {None, *loads})
                self.assertTrue(claim.otherwise)

    def test_every_column_of_a_table_is_there(self):
        for experiment in EXPERIMENTS:
            self.assertGreater(len(experiment.columns), 1)
            self.assertLessEqual(set(experiment.columns), set(COLUMNS))

    def test_unfinished_experiments_are_left_out(self):
        runs = Runs(row(model, c, runs_per_round=8)
                    for model in ("fork", "thread") for c in (1, 10, 100, 1000))
        self.assertEqual([e.name for e, _ in finished(runs)], ["throughput"])
        self.assertEqual(list(finished(Runs(runs[:-1]))), [])

    def test_a_cell_that_always_fails_hides_no_others(self):
        runs = Runs(row("fork", c, number, runs_per_round=4)
                    for c in (1, 10) for number in (1, 2))
        runs += [row("thread", 1, number) for number in (1, 2)]
        self.assertEqual([e.name for e, _ in finished(runs)], ["throughput"])

    def test_a_model_may_be_spared_a_cell_but_not_in_the_full_bench(self):
        def met(size):
            return {(cell.idle, model) for cell, model
                    in of_size(IDLE, size).runs(["fork", "thread"])}

        self.assertEqual(met("default"), {
            (0, "fork"), (0, "thread"), (1000, "fork"), (1000, "thread"),
            (10000, "thread")})
        self.assertIn((10000, "fork"), met("full"))
        runs = Runs([row("fork", 10, idle=1000.0),
                     row("thread", 10, idle=1000.0),
                     row("thread", 10, idle=10000.0)])
        self.assertEqual([run["idle"] for run in furthest(IDLE, runs)],
                         [1000, 10000])

    def test_fewer_idle_clients_are_planned_but_as_many_that_send(self):
        fitted, notes = fitting(IDLE, 510, "because")
        self.assertEqual([(cell.connections, cell.idle)
                          for cell in fitted.cells],
                         [(10, 0), (10, 100), (10, 500)])
        self.assertEqual(list(map(sentences.facts, notes)),
                         ["| 500 1000", "| 500 10000"])

    def test_cells_shrink_to_the_descriptors(self):
        usual = of_size(THROUGHPUT, "default")
        fitted, notes = fitting(usual, 96, "because")
        self.assertEqual([cell.connections for cell in fitted.cells],
                         [96, 10])
        self.assertEqual(list(map(sentences.facts, notes)), ["| 96 100"])
        self.assertIn("because", notes[0])
        self.assertEqual(fitting(usual, 20000, ""), (usual, []))

    def test_a_longer_bench_has_the_cells_of_a_shorter_one(self):
        def loads(size):
            return sorted(cell.connections
                          for cell in of_size(THROUGHPUT, size).cells)

        self.assertEqual(loads("quick"), [10, 100])
        self.assertEqual(loads("default"), [10, 100])
        self.assertEqual(loads("full"), [1, 10, 100, 1000, 10000])

    def test_other_runtimes_ask_for_more_cells(self):
        loads = [cell.connections for cell
                 in of_size(THROUGHPUT, "quick", ["fork", "go"]).cells]
        self.assertEqual(sorted(loads), [10, 100, 1000])

    def test_runs_with_other_rates_are_no_repetitions(self):
        runs = Runs(row("fork", 20, rate=rate) for rate in (1000.0, 2000.0))
        self.assertEqual(len(least_disturbed(runs)), 2)

    def test_rates_take_no_connections(self):
        knee = BY_NAME["knee"]
        self.assertEqual(fitting(knee, 100, "so"), (knee, []))

    def test_the_load_that_decides_may_be_missing(self):
        runs = Runs(row("fork", c) for c in (1, 96, 1000))
        self.assertEqual(deciding(THROUGHPUT, runs)[0]["connections"], 96)
        self.assertEqual(
            deciding(THROUGHPUT, runs.where(connections=1000)), runs[2:])


class ManyModels(unittest.TestCase):
    def test_all_means_all_and_each_once(self):
        self.assertEqual(chosen(["fork", "all"]), [
            "fork", *(model for model in ALL_MODELS if model != "fork")])
        self.assertEqual(names("fork, thread"), ["fork", "thread"])

    def test_variants_stand_behind_their_model_and_strangers_last(self):
        self.assertEqual(
            in_order({"mine", "coroutine --trap", "coroutine", "thread"}),
            ["thread", "coroutine", "coroutine --trap", "mine"])

    def test_blocking_gets_no_more_clients_than_its_queue_holds(self):
        cell = Cell(10000)
        self.assertTrue(cell.fits("thread"))
        self.assertFalse(cell.fits("blocking"))
        self.assertTrue(Cell(1000).fits("blocking"))


class Folders(unittest.TestCase):
    """The folders for the results of programs that start at the same time."""

    def test_two_programs_that_start_in_the_same_second(self):
        root = folder_for(self)
        now = datetime.datetime(2026, 1, 2, 3, 4, 5)
        with unittest.mock.patch.multiple(
                command_line, ROOT=root, datetime=unittest.mock.Mock(**{
                    "datetime.now.return_value": now})):
            made = [command_line.new_folder(None, "-x") for _ in range(3)]
        self.assertEqual([str(folder.relative_to(root)) for folder in made],
                         [f"results/2026-01-02-030405-x{number}"
                          for number in ("", "-2", "-3")])

    def test_a_folder_that_exists_is_refused(self):
        with self.assertRaises(FileExistsError):
            command_line.new_folder(folder_for(self))


class Plan(unittest.TestCase):
    def setUp(self):
        options = types.SimpleNamespace(seed=1, rounds=3, models=MODELS)
        self.runs = order.plan(EXPERIMENTS, options)

    def of_round(self, number):
        return [(*run.part, run.cell)
                for run in self.runs if run.round == number]

    def test_each_round_has_every_run_once_in_an_order_of_its_own(self):
        every = [(e.name, model, cell) for e in EXPERIMENTS
                 for cell, model in e.runs(MODELS)]
        rounds = [self.of_round(number) for number in (1, 2, 3)]
        for runs in rounds:
            self.assertCountEqual(runs, every)
        experiments = [[name for name, *_ in runs] for runs in rounds]
        self.assertNotEqual(experiments[0], experiments[1])
        self.assertNotEqual(experiments[1], experiments[2])

    def test_loads_that_are_compared_follow_each_other(self):
        for number in (1, 2, 3):
            at = [i for i, run in enumerate(self.of_round(number))
                  if run[:2] == ("idle", "coroutine")]
            self.assertEqual(at, list(range(at[0], at[0] + len(at))))

    def test_their_order_is_random_too(self):
        orders = {tuple(cell.idle for name, model, cell
                        in self.of_round(number)
                        if (name, model) == ("idle", other))
                  for number in (1, 2, 3) for other in MODELS}
        self.assertGreater(len(orders - {()}), 2)


class MoreRounds(unittest.TestCase):
    def more(self, rounds, *doubtful):
        """Returns the runs that are added after `rounds` rounds, if these
        disagree on a claim about each of the models `doubtful`."""
        judged = [
            types.SimpleNamespace(
                experiment="idle", wants=lambda _: True,
                claim=types.SimpleNamespace(models=lambda m=model: {m}))
            for model in doubtful]
        options = types.SimpleNamespace(seed=1, rounds=rounds, models=MODELS)
        return order.more_rounds([IDLE], judged, options)

    def test_what_is_compared_gets_three_more(self):
        cells = [cell for cell in IDLE.cells if cell.fits("coroutine")]
        made = [(run.round, run.model, run.cell)
                for run in self.more(100, "coroutine")]
        self.assertCountEqual(made, [(number, "coroutine", cell) for cell in
                                     cells for number in (101, 102, 103)])

    def test_not_if_it_would_take_long(self):
        self.assertEqual(self.more(5, "coroutine"), [])
        one, two = (self.more(rounds, "coroutine", "thread")
                    for rounds in (9, 100))
        self.assertEqual({run.model for run in one}, {"coroutine"})
        self.assertEqual({run.model for run in two}, {"coroutine", "thread"})

    def test_only_if_that_may_decide_it(self):
        def judged(*values):
            claim = Claim("fork", "", "cores", AT_LEAST, 5)
            return Judgement("latency", claim, Sample(dict(enumerate(values))))

        self.assertTrue(judged(1, 6, 6, 6, 6, 6).wants(3))
        self.assertFalse(judged(6, 6, 6, 6, 6, 6).wants(3))
        self.assertFalse(judged(1, 6).wants(3))


class Limits(unittest.TestCase):
    """The limits that control groups set for this process, in version 1 and in
    version 2."""

    def groups(self, lines, **files):
        """Returns a patch that puts a folder in the place of the system's
        control groups. `lines` are the text of /proc/self/cgroup. The names of
        `files` are paths: "__" stands for "/", "_dot_" for "."."""
        folder = folder_for(self)
        (folder / "cgroup").write_text(lines)
        for path, text in files.items():
            path = folder / path.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return unittest.mock.patch.multiple(
            machine, CGROUP=str(folder / "cgroup"), CGROUPS=str(folder))

    def test_version_2(self):
        with self.groups(
                "0::/a/b\n", a__b__cpu_dot_max="max 100000\n",
                a__cpu_dot_max="50000 100000\n", a__b__pids_dot_max="70\n",
                a__pids_dot_max="max\n", pids_dot_max="9\n"):
            self.assertEqual(machine.cpu_quota(), 0.5)
            self.assertEqual(machine.cores(), 0.5)
            self.assertEqual(machine.cgroup_limit("pids", "pids.max"), 9)

    def test_version_1(self):
        with self.groups(
                "5:cpu,cpuacct:/a\n4:memory:/m\n",
                cpu__a__cpu_dot_cfs_quota_us="150000\n",
                cpu__a__cpu_dot_cfs_period_us="100000\n",
                memory__m__memory_dot_limit_in_bytes="4096\n"):
            self.assertEqual(machine.cpu_quota(), 1.5)
            self.assertEqual(machine.memory_allowed(), 4096)

    def test_none(self):
        with self.groups("0::/\n"):
            self.assertEqual(machine.cpu_quota(), math.inf)
            self.assertEqual(machine.cores(), len(os.sched_getaffinity(0)))


class Disturbance(unittest.TestCase):
    def test_disturbed_runs_are_repeated_once_after_their_round(self):
        runs = [PlannedRun(HOG, HOG.cells[0], model, number)
                for number in (1, 2) for model in "ab"]

        def made(share_of):
            repeats = order.Repeats(runs, share_of)
            for run in repeats:
                repeats.consider(run, 1.0 if run.model == "b" else 0.0)
                yield run.round, run.model

        self.assertEqual([*made(100)], [(1, "a"), (1, "b"), (1, "b"),
                                        (2, "a"), (2, "b"), (2, "b")])
        # A tenth of all runs may be repeated, rounded up: one of four.
        self.assertEqual([*made(4)], [(1, "a"), (1, "b"), (1, "b"),
                                      (2, "a"), (2, "b")])
        self.assertEqual([*made(0)], [(1, "a"), (1, "b"), (2, "a"), (2, "b")])

    def test_the_last_round_is_repeated_too(self):
        only = PlannedRun(HOG, HOG.cells[0], "fork", 1)
        repeats = order.Repeats([only], 1)
        made = []
        for run in repeats:
            made.append(run)
            repeats.consider(run, 1.0)
        self.assertEqual(made, [only, replace(only, attempt=2)])

    def test_a_problem_is_said_once(self):
        problems, said = [], io.StringIO()
        with contextlib.redirect_stdout(said):
            for text in ("rain", "snow", "rain"):
                order.note(problems, text)
        self.assertEqual(problems, ["rain", "snow"])
        self.assertEqual(said.getvalue().count("rain"), 1)

    def test_the_better_attempt_counts(self):
        runs = Runs([row("fork", 1, 1, foreign_cores=0.5),
                     row("fork", 1, 1, foreign_cores=0.2),
                     row("fork", 1, 2, foreign_cores=0.0)])
        best = least_disturbed(runs)
        self.assertEqual([run["foreign_cores"] for run in best], [0.2, 0.0])
        self.assertEqual(len(best.disturbed()), 1)

    def test_rates_of_disturbed_cells_are_marked(self):
        runs = Runs(rounds("fork", 1, foreign_cores=(0.5, 0.0)))
        self.assertEqual(tables.mark(runs), "")
        runs.append(row("fork", 1, 3, foreign_cores=0.5, client_cpu_share=1.0))
        self.assertEqual(tables.mark(runs), "~ ")
        self.assertEqual(tables.mark(runs.where(round=3)), "≥~ ")


class Calibration(unittest.TestCase):
    BEFORE = sentences.CALIBRATION

    def test_what_changed_is_named(self):
        after = {**self.BEFORE, "wake-up": 50.0, "timer": 80.0}
        self.assertEqual(calibration.drifted(self.BEFORE, after), ["wake-up"])
        self.assertEqual(calibration.drifted(after, self.BEFORE), ["wake-up"])
        alone = {**self.BEFORE, "wake-up": math.nan}
        self.assertEqual(calibration.drifted(alone, alone), [])

    def threats(self, *calibrations, number=6, **columns):
        """Returns the facts() of each threat to the validity of some rounds
        with these columns, on a machine that is not virtual."""
        runs = Runs(rounds("fork", 1, **{
            column: number * [value]
            for column, value in {"foreign_cores": 0.0, **columns}.items()}))
        with unittest.mock.patch.object(validity, "is_virtual", lambda: False):
            return list(map(sentences.facts,
                            validity.threats(runs, calibrations)))

    def test_threats_come_from_what_was_measured(self):
        always = shared, waking, ceiling = self.threats(self.BEFORE)
        self.assertEqual(always, ["|", "| 30", "| 50 250000"])
        for columns, facts in (({"foreign_cores": 0.5}, "| 0.15 6 6"),
                               ({"client_cpu_share": 1.0}, "| 1 1 90"),
                               ({"number": 2}, "| 2 97")):
            self.assertEqual(self.threats(self.BEFORE, **columns),
                             [*always, facts])
        drifted = {**self.BEFORE, "timer": 600.0}
        self.assertEqual(self.threats(self.BEFORE, drifted), [*always, "|"])
        unknown = {**self.BEFORE, "null server": math.nan}
        self.assertEqual(self.threats(unknown), [shared, waking])
        # If every run has failed, there are no verdicts, either.
        self.assertEqual(self.threats(self.BEFORE, number=0), always)
        two_hosts = self.threats(self.BEFORE, placement="hosts")
        self.assertEqual(two_hosts, ["|", ceiling])


class Summary(unittest.TestCase):
    SHOWN = [
        (LATENCY, Runs([row("fork", 4, cores=1.9)])),
        (THROUGHPUT, Runs([row("blocking", 100, served=1.0),
                           row("fork", 100)])),
        (WAIT, Runs([row("blocking", 1000, rate_to_last=10.0, served=1.0,
                         share_of_possible=0.001, delay_ms=100.0)])),
        (SILENT, Runs([row("blocking", 1, served=0.0)]))]

    def test_what_each_costs(self):
        table = tables.summary(self.SHOWN)
        self.assertEqual([row[0] for row in table.rows], ["blocking", "fork"])
        costs = [list(map(sentences.facts, row[1:-1])) for row in table.rows]
        self.assertEqual(costs, [["|", "| 1 100", "| 1 1000"],
                                 ["| 1.90", "| 5.00", "|"]])
        self.assertIn("](#latency), 4 clients", table.header[1])

    def test_where_it_breaks(self):
        blocking, fork = tables.summary(self.SHOWN).rows
        waits = findings.waits_for_one(self.SHOWN[2][1])
        stops = findings.stopped_by_one(self.SHOWN[3][1])
        self.assertTrue(waits and stops)
        self.assertEqual(blocking[-1], f"{waits}; {stops}")
        self.assertEqual(fork[-1], tables.NOWHERE)


class Report(unittest.TestCase):
    def test_only_runs_with_faults_are_left_out(self):
        bad, good = row("fork", 1, 2, wrong=1.0), row("fork", 1, 3)
        self.assertEqual(len(list(report.excluded(Runs([bad, good])))), 1)

    def test_what_is_planned_and_made_is_not_missing(self):
        plan = [PlannedRun(LATENCY, LATENCY.cells[0], "fork", 1)]
        made = row("fork", 4, experiment="latency")
        self.assertEqual(list(report.missing(Runs([made]), plan)), [])
        failed = {**made, "failed": 1.0}
        self.assertEqual(len(list(report.missing(Runs([failed]), plan))), 1)

    def test_pictures_that_come_later_are_in_the_report(self):
        about = {"facts": dict.fromkeys(
                     ("processor", "cores", "kernel", "date"), "x"),
                 "calibrations": [sentences.CALIBRATION], "warnings": ["rain"]}
        runs = Runs([row("fork", 1, experiment="silent", runs_per_round=1)])
        directory = folder_for(self)
        report.write_report(directory, runs, about)
        page = directory / "report.html"
        self.assertNotIn("<img", page.read_text("utf-8"))
        (directory / "silent.png").write_bytes(b"PNG")
        report.write_again(directory, runs)
        self.assertIn("base64,UE5H", page.read_text("utf-8"))
        self.assertIn("<li>rain</li>", page.read_text("utf-8"))

    def test_without_long_requests_they_have_no_latency(self):
        median = COLUMNS["hog_p50"].text
        self.assertEqual(median(beside_hogs(fork=(0.9,))), "100 ms")
        self.assertEqual(median(Runs([row("fork", 8)])), "-")

    def test_the_limit_of_the_client_is_marked(self):
        free, busy = row("fork", 1), row("fork", 1, client_cpu_share=0.95)
        text = COLUMNS["rate"].text
        self.assertEqual(text(Runs([free])), "1,000")
        self.assertEqual(text(Runs([busy])), "≥ 1,000")

    def test_the_terminal_has_no_bar_for_a_wait(self):
        runs = Runs([row("blocking", 1, served=0.0, oldest_us=1.2e6)])
        wait, rate = ("".join(terminal.summary_lines(COLUMNS[name], runs))
                      for name in ("first_reply", "rate"))
        self.assertEqual(sentences.facts(wait), "blocking | 1.2")
        self.assertNotIn("█", wait)
        self.assertIn("█", rate)

    def test_the_terminal_has_no_bar_for_a_figure_that_is_unknown(self):
        for values in ((math.nan, 60.0), (60.0, math.nan)):
            runs = of_models(4, "set_ms", fork=values[:1], thread=values[1:])
            lines = list(terminal.summary_lines(COLUMNS["set_ms"], runs))
            self.assertEqual([line.count("█") > 0 for line in lines],
                             [value == 60 for value in values])

    def test_claims_are_counted_only_if_there_are_any(self):
        for model, items in (("fork", 2), ("select", 1)):
            runs = Runs(rounds(model, 4, experiment=["latency"] * 2))
            _, findings = report.what_came_out(runs)
            self.assertEqual(len(findings.items), items)

    def test_the_terminal_fits_a_projector(self):
        runs = Runs(row(model, cell.connections, experiment=experiment.name,
                        idle=float(cell.idle), served=1.0, req_per_s=123456.0,
                        client_cpu_share=1.0)
                    for experiment in EXPERIMENTS
                    for model in experiment.models(MODELS)
                    for cell in experiment.cells)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            terminal.print_summary(runs)
        self.assertLessEqual(max(map(len, said.getvalue().split("\n"))), 80)

    def test_a_busy_machine_is_warned_of(self):
        self.assertEqual(machine.disturbance(0.1), [])
        self.assertEqual(len(machine.disturbance(1.5)), 1)

    def test_too_few_cores_are_warned_of(self):
        for cores, quota, facts in (
                (2, math.inf, []), (2, 2.0, []), (1, math.inf, ["|"]),
                (2, 0.5, ["| 50"]), (1, 1.5, ["| 150"])):
            with unittest.mock.patch.object(
                    machine, "cpu_quota", lambda quota=quota: quota), \
                    unittest.mock.patch("os.sched_getaffinity",
                                        lambda _, cores=cores: range(cores)):
                found = machine.few_cores()
            self.assertEqual([sentences.facts(one) for one in found], facts)


class Runtimes(unittest.TestCase):
    """The report's section that compares our models with other runtimes."""

    def shown(self, *models, **kept):
        """Returns three experiments with their runs. Each model costs more CPU
        time and memory than the one before. `kept` has for each model the share
        of its small requests that it keeps beside a large one."""
        runs = Runs()
        for i, model in enumerate(models, 1):
            runs += (row(model, load, server_cpu_us_per_req=float(i))
                     for load in (100, 1000))
            runs += (row(model, 10, experiment="idle", idle=idle,
                         kib_per_silent=2.0 * i) for idle in (0.0, 10000.0))
            runs.append(row(model, 10, experiment="beside", hogs=1.0,
                            kept_beside_hogs=kept[model]))
        return [(BY_NAME[name], runs.where(experiment=name))
                for name in ("throughput", "idle", "beside")]

    def test_a_table_with_the_figures_of_three_experiments(self):
        shown = self.shown("thread", "go", "node", thread=1.0, go=0.5,
                           node=0.01)
        _, _, said, table, _ = runtimes.section(pathlib.Path("nowhere"), shown)
        self.assertEqual(table.rows[1], ("go", "2.00", "2.00", "4.00", "50%"))
        self.assertEqual([cell.split(", ")[-1] for cell in table.header[1:]],
                         ["100 clients)", "1,000 clients)",
                          "10,000 idle clients)", "10 clients)"])
        for text in ("1.0 µs in thread to 3.0 µs in node",
                     "2.0 KiB in thread to 6.0 KiB in node",
                     "thread and go keep at least 50 %"):
            self.assertIn(text, said.text)

    def test_fewer_loads_and_models(self):
        """Checks that a model is left out if one of its figures is missing, and
        that no load is shown twice."""
        shown = self.shown("thread", "fork", "go", thread=1.0, fork=1.0, go=0.5)
        shown = [(experiment, Runs(
            run for run in runs if run["connections"] < 1000
            and not (run["model"] == "fork" and run["idle"])))
            for experiment, runs in shown]
        figures = runtimes.measured(shown)
        self.assertEqual([one.load() for one in figures],
                         ["100 clients", "10,000 idle clients", "10 clients"])
        for one in figures:
            self.assertEqual(one.runs.models(), ["thread", "go"])

    def test_nothing_where_there_is_nothing_to_compare(self):
        ours = self.shown("thread", "coroutine", thread=1.0, coroutine=0.5)
        both = self.shown("thread", "go", thread=1.0, go=0.5)
        self.assertEqual(runtimes.measured(ours), [])
        self.assertEqual(runtimes.measured(both[1:]), [])


class Comparison(unittest.TestCase):
    def test_ranges_that_do_not_meet_are_told_apart(self):
        higher, lower = (compare.told_apart((5, 3, 7), b)
                         for b in ((9, 8, 9), (1, 1, 2)))
        meet = {compare.told_apart((5, 3, 7), b)
                for b in ((5, 4, 6), (7, 6, 8), (2, 1, 3), (8, 7, 9))}
        self.assertEqual(len({higher, lower} | meet), 3)
        self.assertEqual(len(meet), 1)
        self.assertEqual(compare.told_apart((5, 3, 7), (99, 98, 99)), higher)

    def test_figures_that_one_lacks(self):
        runs = Runs([row("fork", 100, req_per_s=math.nan)])
        self.assertEqual([*compare.figures(runs, runs, "req_per_s")], [])

    def test_figures_of_models_that_both_have(self):
        a = Runs(rounds("fork", 100, req_per_s=(100.0, 110.0))
                 + rounds("thread", 100, req_per_s=(1.0, 1.0)))
        b = Runs(rounds("fork", 100, req_per_s=(200.0, 220.0)))
        (model, *figures, told), = compare.figures(a, b, "req_per_s")
        self.assertEqual((model, *figures), ("fork", "105 (100-110)",
                                             "210 (200-220)", "2.00"))
        self.assertEqual(told, compare.told_apart((1, 1, 1), (2, 2, 2)))
        said = "\n".join(compare.compared(THROUGHPUT, a, b))
        self.assertIn("210 (200-220)", said)
        self.assertNotIn("thread", said)

    def test_nothing_is_a_multiple_of_zero(self):
        none, some = costing(fork=(0.0, 0.0)), costing(fork=(1.0, 1.0))
        (_, _, _, ratio, _), = compare.figures(none, some,
                                               "server_cpu_us_per_req")
        self.assertEqual(ratio, "-")

    def test_facts_that_differ(self):
        self.assertEqual(compare.differing(
            {"kernel": "1", "seed": "1", "cores": "2"},
            {"kernel": "2", "seed": "2", "cores": "2"}), [("kernel", "1", "2")])

    def test_verdicts_that_differ(self):
        good, bad = (
            {LATENCY: Runs(rounds("fork", 4, cores=cores))}
            for cores in ((1.9, 1.9), (1.0, 1.9)))
        agreed, _headings, differs = [
            line for line in "\n".join(compare.verdicts(good, bad)).split("\n")
            if line]
        self.assertEqual(sentences.facts(agreed), "| 0")
        self.assertRegex(differs, f"^  fork .* {SUGGESTS} +{INCONCLUSIVE}$")
        self.assertEqual(sentences.facts(
            "".join(compare.verdicts(good, good))), "| 1")


class Doctor(unittest.TestCase):
    def test_the_usual_limit_leaves_room_for_a_thousand_clients(self):
        with unittest.mock.patch.multiple(
                machine, descriptors_allowed=lambda: 1024,
                tasks_allowed=lambda: math.inf):
            allowed = machine.connections_allowed()
        _, changes = fitting(of_size(WAIT, "default"), *allowed)
        self.assertEqual(changes, [])

    def test_the_lowest_limit_of_threads_is_named(self):
        with unittest.mock.patch.multiple(
                machine, cgroup_limit=lambda *files: 500,
                numbers_in=lambda path: [30_000]):
            found = doctor.threads()
        self.assertEqual(found.state, doctor.POOR)
        self.assertEqual(found.fact, "500 threads fit: pids.max")

    def test_the_limit_of_a_user_does_not_apply_to_root(self):
        for user, limit in ((0, math.inf), (1000, 70)):
            with unittest.mock.patch.object(machine.os, "geteuid",
                                            return_value=user), \
                    unittest.mock.patch.object(machine.resource, "getrlimit",
                                               return_value=(70, 80)):
                self.assertEqual(machine.task_limits()["ulimit -u"], limit)

    def test_the_remedy_is_that_of_the_limit(self):
        for descriptors, tasks, remedy in ((64, math.inf, "ulimit -Hn"),
                                           (math.inf, 164, "ulimit -u")):
            with unittest.mock.patch.multiple(
                    machine, descriptors_allowed=lambda: descriptors,
                    tasks_allowed=lambda: tasks):
                self.assertIn(remedy, doctor.connections().remedy)

    def test_one_core_is_not_several(self):
        for number, fact in ((1, "1 core"), (0.5, "0.5 cores"), (2, "2 cores")):
            with unittest.mock.patch.multiple(
                    machine, cores=lambda: number, cpu_quota=lambda: math.inf):
                self.assertEqual(doctor.cores().fact, fact)

    def test_a_compiler_with_options(self):
        with unittest.mock.patch.dict("os.environ", CC="env -i cc"), \
                unittest.mock.patch.object(machine, "output",
                                           lambda *command: command[-2]):
            self.assertEqual(doctor.compiler().fact, "env -i cc: cc")

    def test_what_is_lacking_has_a_cost_and_a_remedy(self):
        with unittest.mock.patch.multiple(
                machine, connections_allowed=lambda: (992, "few"),
                python_with_matplotlib=lambda: None,
                first_line=lambda path: "128"):
            found = [doctor.connections(), doctor.matplotlib(), doctor.queue()]
        for one in found:
            self.assertEqual(one.state, doctor.POOR)
            self.assertTrue(one.cost and one.remedy)
        self.assertIn("few", found[0].fact)
        self.assertEqual([sentences.facts(one.fact) for one in found],
                         ["| 992", "|", "| 128"])


if __name__ == "__main__":
    tap.main()

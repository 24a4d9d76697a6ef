#!/usr/bin/env python3
"""Tests of the bench: its arithmetic, its sentences, what it does with broken
programs and with interruption, and life without matplotlib. Prints the same
last line as the tests in C."""

import contextlib
import csv
import importlib.machinery
import importlib.util
import io
import math
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import types
import unittest
import unittest.mock
from dataclasses import replace

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import calibration  # noqa: E402
import columns  # noqa: E402
import compare  # noqa: E402
import doctor  # noqa: E402
import document  # noqa: E402
import environment  # noqa: E402
import findings  # noqa: E402
import overview  # noqa: E402
import report  # noqa: E402
import runner  # noqa: E402
import schedule  # noqa: E402
import summary  # noqa: E402
import tap  # noqa: E402
import terminal  # noqa: E402
import threats  # noqa: E402
import traces  # noqa: E402
from claims import (  # noqa: E402
    AT_LEAST, AT_MOST, FAILS, HOLDS, INCONCLUSIVE, NOT_MEASURED, Claim,
    Judgement, coverage, judge, judgements, write_claims)
from columns import COLUMNS  # noqa: E402
from experiments import EXPERIMENTS, finished  # noqa: E402
from grid import (  # noqa: E402
    Cell, deciding, finding, fitting, furthest, of_size)
from interruption import Interrupted, held_back  # noqa: E402
from interruption import raise_when_stopped, wait  # noqa: E402
from results import (  # noqa: E402
    ALL_MODELS, MODELS, Runs, chosen, counted, duration, factor, faults,
    compare_with_none_silent, in_order, least_disturbed, listed, names,
    read_runs, rounded, with_range, wrapped)



def script(name):
    """A program of ours as a module."""
    loader = importlib.machinery.SourceFileLoader(
        name, str(ROOT / "scripts" / name))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(name, loader))
    sys.modules[name] = module  # where its dataclasses look for themselves
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


history = script("history")

LATENCY, THROUGHPUT, HOG, IDLE, CHURN, WAIT, SILENT, TIMELINE = EXPERIMENTS


def row(model, connections, number=1, **columns):
    """A row of runs.csv in which all is well."""
    run = {
        "experiment": "throughput", "model": model, "round": float(number),
        "connections": float(connections), "served": float(connections),
        "idle": 0.0, "hogs": 0.0, "requests": 24.0, "work_kept": 1.0,
        "rate_to_last": 1000.0, "rate_kept": 1.0,
        "share_of_possible": 1.0, "kib_per_silent": 4.0, "delay_ms": 0.0,
        "wrong": 0.0, "error_replies": 0.0, "failed": 0.0, "timeouts": 0.0,
        "cores": 1.0, "req_per_s": 1000.0, "server_cpu_us_per_req": 5.0,
        "p50_us": 50.0, "max_us": 60.0, "oldest_us": 0.0, "duration_s": 1.0,
        "client_cpu_share": 0.5, "foreign_cores": 0.0,
        "first_process_share": 1.0, "first_cpu_us_per_req": 5.0,
        "rate_before": 1000.0, "rate_during": 500.0, "kept_beside_hogs": 0.5,
        "p99_before_us": 60.0, "p99_during_us": 70.0, "hog_p50_us": 1e5,
        "set_ms": 60.0, "turns": 1.0,
    }
    run.update(columns)
    return run


def rounds(model, connections, **columns):
    """A row per round; the columns are lists with a value for each."""
    return [row(model, connections, number, **dict(zip(columns, values)))
            for number, values in enumerate(zip(*columns.values()), 1)]


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

    def test_durations_have_a_fitting_unit(self):
        for us, text in ((57.2, "57.2 µs"), (999.9, "1.00 ms"),
                         (4120, "4.12 ms"), (2.5e6, "2.50 s")):
            self.assertEqual(duration(us), text)
        self.assertEqual(duration(997, 2), "1.0 ms")
        self.assertEqual(duration(100, 1), "100 µs")

    def test_no_line_ends_between_a_number_and_its_unit(self):
        self.assertEqual(wrapped("within 600 ms, or 5 of them", 10),
                         "within\n600 ms, or\n5 of them")

    def test_words(self):
        self.assertEqual(listed([]), "")
        self.assertEqual(listed(["a"]), "a")
        self.assertEqual(listed(["a", "b", "c"]), "a, b and c")
        self.assertEqual(counted(1, "client"), "1 client")
        self.assertEqual(counted(1000.0, "client"), "1,000 clients")
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
        self.assertEqual(faults(runs[1]), ["wrong replies: 3"])

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
        """A row as read from a file with these columns."""
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

    def test_silent_clients_are_compared_with_none_of_the_same_round(self):
        runs = Runs(row("fork", 10, number, idle=idle, req_per_s=rate,
                        pss_kib=pss, server_cpu_us_per_req=500 / rate)
                    for number, idle, rate, pss in (
                        (1, 0, 100.0, 50.0), (1, 100, 90.0, 450.0),
                        (2, 100, 90.0, 450.0)))
        compare_with_none_silent(runs)
        self.assertEqual(runs[1]["rate_kept"], 0.9)
        self.assertAlmostEqual(runs[1]["work_kept"], 0.9)
        self.assertEqual(runs[1]["kib_per_silent"], 4)
        self.assertEqual(rounded(runs[0]["kib_per_silent"]), "-")
        self.assertEqual(rounded(runs[2]["rate_kept"]), "-")


class Latency(unittest.TestCase):
    def runs(self, **cores):
        """Two rounds with 4 clients, in which a model uses these cores."""
        runs = Runs()
        for model, used in cores.items():
            runs += rounds(model, 4, cores=used,
                           req_per_s=[1000 * value for value in used])
        return runs

    def test_names_who_uses_a_second_core(self):
        said = findings.latency(self.runs(
            fork=(1.9, 1.8), thread=(1.8, 1.9), coroutine=(1.0, 1.0)))
        self.assertEqual(said, "With 4 clients only fork and thread use a "
                         "second core and answer 1.8x as many requests as any "
                         "other")
        said = findings.latency(self.runs(fork=(2, 2), coroutine=(1, 1)))
        self.assertIn("only fork uses a second core and answers 2.0x", said)

    def test_every_round_counts(self):
        said = findings.latency(self.runs(fork=(1.9, 1.4), coroutine=(1, 1)))
        self.assertIn("coroutine stays on one core; it is unclear whether fork "
                      "uses a second core", said)
        said = findings.latency(self.runs(fork=(1.3, 1.3)))
        self.assertEqual(said, "With 4 clients it is unclear whether fork uses "
                         "a second core")

    def test_all_or_none(self):
        said = findings.latency(self.runs(fork=(1, 1), coroutine=(1, 1)))
        self.assertIn("all models stay on one core", said)
        said = findings.latency(self.runs(fork=(2, 2), thread=(2, 2)))
        self.assertEqual(said, "With 4 clients all models use a second core")

    def test_a_second_core_that_brings_nothing(self):
        runs = self.runs(fork=(1.9, 1.9), coroutine=(1, 1))
        for run in runs:
            run["req_per_s"] = 1000.0
        self.assertIn("only fork uses a second core yet answers no more",
                      findings.latency(runs))

    def test_the_largest_load_decides(self):
        runs = Runs(row("fork", clients, experiment="latency",
                        cores=1.9 if clients > 1 else 0.9)
                    for clients in (1, 2, 4))
        self.assertEqual(finding(LATENCY, runs), "In a single round: With 4 "
                         "clients fork uses a second core")

    def test_who_is_not_served_is_named(self):
        runs = self.runs(blocking=(1, 1))
        for run in runs:
            run["served"] = 1.0
        self.assertIn("; blocking serves only 1", findings.latency(runs))


class Throughput(unittest.TestCase):
    def said(self, **cost):
        runs = Runs()
        for model, values in cost.items():
            runs += rounds(model, 100, server_cpu_us_per_req=values)
        return findings.throughput(runs)

    def test_orders_where_the_rounds_agree(self):
        self.assertEqual(
            self.said(thread=(8.0, 9.0), coroutine=(3.5, 3.6), fork=(11, 12)),
            "With 100 clients coroutine needs the least CPU time per request "
            "(3.5 µs), then thread (8.5 µs) and fork (12 µs)")
        self.assertIn("then thread (6.0 µs) and fork (8.0 µs)", self.said(
            coroutine=(3, 3), thread=(5, 7), fork=(6.5, 9.5)))

    def test_does_not_order_where_they_overlap(self):
        self.assertIn(
            "nonblocking and coroutine need the least CPU time per request "
            "(5.0 and 5.1 µs, about equal), then fork (11 µs)",
            self.said(fork=(11, 11), coroutine=(4.9, 5.3),
                      nonblocking=(4.8, 5.2)))
        self.assertIn("thread and fork need, in CPU time per request, 5.0 µs "
                      "each", self.said(fork=(4, 6.02), thread=(4, 6)))
        self.assertIn("fork and thread need, in CPU time per request, 6.0 and "
                      "8.0 µs, too noisy to order",
                      self.said(fork=(2, 10), thread=(6, 10)))

    def test_who_is_not_served_has_no_cost(self):
        runs = Runs([row("blocking", 100, served=1.0), row("fork", 100)])
        said = findings.throughput(runs)
        self.assertIn("fork needs, in CPU time per request, 5.0 µs; blocking "
                      "serves only 1", said)
        said = findings.throughput(runs.where(model="blocking"))
        self.assertIn("no model serves all", said)


class Idle(unittest.TestCase):
    def test_names_who_suffers_and_what_it_takes(self):
        runs = Runs(
            rounds("thread", 10, rate_kept=(0.9, 0.98), idle=(100, 100),
                   kib_per_silent=(8.0, 8.2))
            + rounds("nonblocking", 10, rate_kept=(0.01, 0.02),
                     idle=(100, 100), kib_per_silent=(0.2, 0.2)))
        self.assertEqual(
            findings.idle(runs), "Beside 100 silent clients nonblocking keeps "
            "1.5 % of its rate, thread keeps 94 %; each takes, in KiB, "
            "0.20 in nonblocking and 8.1 in thread")
        self.assertIn("nothing can be compared",
                      findings.idle(Runs([row("fork", 10)])))

    def test_nobody_keeps_more_than_all(self):
        runs = Runs(rounds("thread", 10, rate_kept=(1.0, 1.2),
                           idle=(100, 100), kib_per_silent=(8.0, 8.2)))
        self.assertIn("thread keeps all of it;", findings.idle(runs))


class Wait(unittest.TestCase):
    def test_names_who_lets_all_wait_at_once(self):
        runs = Runs(row(model, 100, delay_ms=100.0, rate_to_last=rate,
                        share_of_possible=rate / 1000)
                    for model, rate in (("blocking", 10.0), ("fork", 900.0),
                                        ("coroutine", 990.0),
                                        ("coroutine --trap", 10.0)))
        self.assertEqual(
            findings.wait(runs), "With 100 clients and a backend that takes "
            "100 ms, fork and coroutine answer at least 90 % of what is "
            "possible, blocking and coroutine --trap 10 a second")

    def test_the_server_is_told_to_wait_and_a_variant_its_options(self):
        options = types.SimpleNamespace(bin=pathlib.Path("bin"), programs={})
        run = {"model": "coroutine --trap", "cell": WAIT.cells[0]}
        self.assertEqual(runner.server_command(run, options), [
            pathlib.Path("bin/coroutine"), "--port", "0", "--quiet", "--trap",
            "--delay", "100"])
        self.assertEqual(WAIT.models(["fork", "coroutine"]),
                         ["fork", "coroutine", "coroutine --trap"])
        self.assertEqual(WAIT.models(["fork"]), ["fork"])


class Hog(unittest.TestCase):
    def runs(self, **kept):
        return Runs(row(model, 8, number, hogs=4.0, kept_beside_hogs=value)
                    for model, values in kept.items()
                    for number, value in enumerate(values, 1))

    def test_names_who_keeps_what(self):
        said = findings.hog(self.runs(
            fork=(0.9, 1.3), thread=(0.6, 0.7), coroutine=(0.001, 0.002)))
        self.assertEqual(said, "While 4 clients ask for fib(40), fork and "
                         "thread keep at least 65 % of their small requests, "
                         "coroutine 0.15 %")
        self.assertIn("nothing can be compared",
                      findings.hog(Runs([row("fork", 8)])))

    def test_who_breaks(self):
        runs = self.runs(fork=(0.9,), coroutine=(0.001,))
        self.assertEqual(findings.starved_by_long(runs.where(model="fork")), "")
        self.assertEqual(
            findings.starved_by_long(runs.where(model="coroutine")),
            "4 long requests leave it 0.10 % of its small ones")

    def test_the_client_is_told(self):
        options = types.SimpleNamespace(bin=pathlib.Path("bin"), size="full",
                                        models=["fork"])
        for experiment, number, wanted, unwanted in (
                (HOG, 1, {"--hogs", "4", "--timeline"}, {"--churn"}),
                (HOG, 2, {"--hogs"}, {"--timeline"}),
                (CHURN, 1, {"--churn"}, {"--timeline"}),
                (TIMELINE, 2, {"--timeline", "-n", "48"}, {"--churn"})):
            run = {"experiment": experiment, "cell": experiment.cells[0],
                   "model": "fork", "round": number}
            told = set(runner.client_command(
                run, options, types.SimpleNamespace(pid=1), 9999,
                runner.Files(pathlib.Path("out")), "free"))
            self.assertLessEqual(wanted, told)
            self.assertFalse(unwanted & told)


class Churn(unittest.TestCase):
    def test_orders_where_the_rounds_agree(self):
        runs = Runs()
        for model, values in (("blocking", (7.0, 7.2)), ("fork", (100, 110)),
                              ("thread", (17, 17.5)), ("coroutine", (17, 18))):
            runs += rounds(model, 10, server_cpu_us_per_req=values)
        self.assertEqual(
            findings.churn(runs), "A connection costs the least CPU time in "
            "blocking (7.1 µs), then in thread and coroutine (17 and 18 µs, "
            "about equal) and fork (100 µs)")
        self.assertEqual(findings.churn(runs.where(model="fork")),
                         "A connection costs CPU time: fork (100 µs)")


class Timeline(unittest.TestCase):
    # Two connections in turn, a hog, and a request without a reply.
    CSV = ("connection,kind,due_ns,sent_ns,done_ns,outcome\n"
           "1,stream,0,0,20000000,right\n"
           "0,stream,0,0,10000000,right\n"
           "0,stream,10000000,10000000,130000000,right\n"
           "2,hog,5000000,5000000,125000000,right\n"
           "2,hog,125000000,125000000,,unanswered\n"
           ",stream,0,,,unsent\n")

    def requests(self):
        with tempfile.TemporaryDirectory() as scratch:
            path = pathlib.Path(scratch, "trace.csv")
            path.write_text(self.CSV)
            return traces.read_requests(path)

    def test_requests_are_in_the_order_of_their_replies(self):
        self.assertEqual([(one.connection, one.done_us) for one
                          in self.requests()],
                         [(0, 10000), (1, 20000), (2, 125000), (0, 130000),
                          (2, math.inf)])

    def test_replies_of_a_tenth_of_a_second(self):
        kept = traces.over_time(self.requests())
        self.assertEqual(kept, [
            ("hog", 2, 5000, 125000, 1), ("hog", 2, 125000, 130000, 0),
            ("stream", -1, 0, 100000, 2)])
        self.assertEqual(traces.over_time([]), [])
        silence = traces.over_time(self.requests()[-1:], 250000)
        self.assertEqual(silence, [("hog", 2, 125000, 250000, 0),
                                   ("stream", -1, 0, 100000, 0),
                                   ("stream", -1, 100000, 200000, 0)])

    def test_each_request_that_was_answered(self):
        self.assertEqual(traces.each_request(self.requests())[0],
                         ("stream", 0, 0, 10000, 1))
        self.assertEqual(len(traces.each_request(self.requests())), 4)

    def test_figures_of_a_trace(self):
        self.assertEqual(traces.set_ms(self.requests()), 130)
        self.assertEqual(traces.turns(self.requests()), 1)
        one = self.requests()[:1]
        self.assertEqual(traces.turns([*one, *one]), 0)
        self.assertEqual(traces.figures([]), {"set_ms": "nan", "turns": "nan"})

    def test_what_is_kept_can_be_read_again(self):
        with tempfile.TemporaryDirectory() as scratch:
            path = pathlib.Path(scratch, "timeline.csv")
            self.assertEqual(traces.read(path), [])
            for number, load, more in ((1, 0, {}), (2, 4, {}), (3, 4, {}),
                                       (2, 4, {"again": True})):
                traces.keep(path, {"model": "fork", "round": number, **more},
                            load, traces.each_request(self.requests()))
            spans = traces.read(path)
        self.assertEqual(len(spans), 16)
        shown = traces.shown(spans, "fork")
        self.assertEqual({(span.load, span.round, span.attempt)
                          for span in shown}, {(4, 2, 2)})
        self.assertEqual((shown[1].begin_us, shown[1].end_us), (0, 20000))
        self.assertEqual(traces.shown(spans, "thread"), [])

    def test_the_time_for_the_same_requests(self):
        runs = Runs(rounds("blocking", 4, served=(1, 1), set_ms=(60, 60))
                    + rounds("fork", 4, set_ms=(31, 32))
                    + rounds("thread", 4, set_ms=(33, 36))
                    + rounds("coroutine", 4, set_ms=(62, 63)))
        self.assertEqual(
            findings.timeline(runs), "The same 24 requests take fork and "
            "thread 32 to 34 ms, coroutine 62 ms; blocking serves only 1")


class History(unittest.TestCase):
    def test_above_the_iterative_server_of_the_same_round(self):
        self.assertAlmostEqual(history.above([1.0, 5.0, 2.0], [0.5, 1.0, 1.0]),
                               1.0)
        self.assertEqual(history.above([1.0, None], [0.5, 1.0]), 0.5)
        self.assertIsNone(history.above([None], [0.5]))

    def test_what_the_talk_shows(self):
        run = {"rate_before": 50000.0, "rate_during": 4.7, "hog_requests": 3}
        self.assertEqual(history.small_ones(run), "50,000, then 4.7")
        self.assertEqual(history.small_ones({**run, "hog_requests": 0}),
                         "50,000; no fib(40)")
        alone = {"p50_us": 1000.0, "served": 1, "connections": 1}
        both = {"p50_us": 2000.0, "served": 2, "connections": 2}
        self.assertEqual(history.long_ones(alone, both), "1.0 ms, then 2.0 ms")
        self.assertEqual(history.long_ones(alone, {**both, "served": 1}),
                         "1.0 ms; second waits")

    def test_both_files_are_written(self):
        lines = (history.Line("fork", "seconds", "20.90", "0.46"),)
        with tempfile.TemporaryDirectory() as scratch, \
                contextlib.redirect_stdout(io.StringIO()):
            directory = pathlib.Path(scratch, "history")
            history.write(directory, [history.Comparison("Then", "a book",
                                                         "now", lines)])
            self.assertIn("| fork | seconds | 20.90 | 0.46 |",
                          (directory / "history.md").read_text())
            self.assertIn("Then,fork,seconds,20.90,0.46\n",
                          (directory / "history.csv").read_text())


class Silent(unittest.TestCase):
    def test_names_the_victim_and_the_longest_wait(self):
        runs = Runs(rounds("blocking", 1, served=(0, 0), oldest_us=(1.2e6, 2e6))
                    + rounds("fork", 1, max_us=(80.0, 120.0))
                    + rounds("thread", 1, max_us=(80.0, 70.0)))
        self.assertEqual(
            findings.silent(runs), "Behind a silent client blocking leaves the "
            "next one without a reply (1.2 s watched); the others answer "
            "within 120 µs")

    def test_none_all_and_some(self):
        self.assertIn("fork answers within 60 µs",
                      findings.silent(Runs([row("fork", 1)])))
        self.assertIn("all models answer", findings.silent(
            Runs([row("fork", 1), row("thread", 1)])))
        self.assertIn("fork answers in some rounds only", findings.silent(
            Runs(rounds("fork", 1, served=(0, 1), oldest_us=(1e6, 0)))))


class Claims(unittest.TestCase):
    CHEAPER = Claim("thread", "spends {bound} of fork's CPU time",
                    "server_cpu_us_per_req", AT_MOST, 0.75, than_model="fork",
                    otherwise="it rained")

    def judge(self, claim=CHEAPER, **costs):
        """Judges on a round for each value of a model's costs."""
        runs = Runs()
        for model, values in costs.items():
            runs += rounds(model, 100, server_cpu_us_per_req=values)
        return judge(THROUGHPUT, claim, runs)

    def test_ratios_are_taken_within_a_round(self):
        judged = self.judge(thread=(1.0, 20.0, 6.0), fork=(2.0, 30.0, 10.0))
        self.assertEqual(judged.verdict, HOLDS)
        self.assertEqual(judged.spread(), (0.6, 0.5, 2 / 3))
        self.assertEqual(judged.measured(), "0.600 (0.500-0.667)")

    def test_all_rounds_must_agree_for_a_verdict(self):
        for thread, verdict in (((7.5, 1.0), HOLDS), ((7.6, 9.0), FAILS),
                                ((7.5, 7.6), INCONCLUSIVE)):
            judged = self.judge(thread=thread, fork=(10.0, 10.0))
            self.assertEqual(judged.verdict, verdict)

    def test_at_least_is_the_other_side(self):
        claim = Claim("fork", "", "server_cpu_us_per_req", AT_LEAST, 5)
        for values, verdict in (((5.0, 6.0), HOLDS), ((4.9, 4.0), FAILS),
                                ((4.9, 5.0), INCONCLUSIVE)):
            self.assertEqual(self.judge(claim, fork=values).verdict, verdict)

    def test_one_round_decides_nothing(self):
        judged = self.judge(thread=(1.0,), fork=(2.0,))
        self.assertEqual(judged.verdict, INCONCLUSIVE)
        self.assertEqual(judged.doubt(), "1 round cannot tell")

    def test_rounds_that_lack_a_cell_do_not_count(self):
        judged = self.judge(thread=(1.0, 2.0, 9.0), fork=(2.0, 4.0))
        self.assertEqual(judged.values, (0.5, 0.5))
        judged = self.judge(replace(self.CHEAPER, load=10), fork=(2.0, 4.0))
        self.assertEqual(judged.values, ())
        self.assertEqual(judged.verdict, NOT_MEASURED)
        self.assertEqual(report.tally([judged]), "1 was not measured")

    def test_what_is_no_number_neither_agrees_nor_refutes(self):
        judged = self.judge(thread=(1.0, 9.0), fork=(0.0, 0.0))
        self.assertEqual(judged.verdict, INCONCLUSIVE)

    def test_a_load_is_compared_with_another_of_the_same_model(self):
        claim = Claim("fork", "", "req_per_s", AT_LEAST, 0.9, load=1000,
                      than_load=10)
        runs = Runs(row("fork", load, number, req_per_s=rate)
                    for number in (1, 2)
                    for load, rate in ((10, 100.0), (1000, 95.0)))
        self.assertEqual(judge(THROUGHPUT, claim, runs).values, (0.95, 0.95))

    def test_who_takes_no_part_has_no_claims(self):
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
        self.assertEqual(
            self.judge(claim, fork=(math.nan, *[6.0] * 8)).verdict,
            INCONCLUSIVE)

    def test_sentences(self):
        self.assertEqual(self.CHEAPER.sentence(),
                         "thread spends at most 0.75 of fork's CPU time")
        none = Claim("fork", "serves {bound} clients", "served", AT_MOST, 0)
        self.assertEqual(none.sentence(), "fork serves no clients")
        failed = self.judge(thread=(9.0, 9.0), fork=(10.0, 10.0))
        self.assertEqual(failed.doubt(), "the rounds say the opposite, "
                         "perhaps because it rained")
        self.assertEqual(report.tally([failed, failed]), "2 fail")

    def test_the_file_has_a_row_for_every_claim(self):
        judged = [self.judge(thread=(1.0, 1.0), fork=(2.0, 4.0)),
                  self.judge(thread=(), fork=(1.0,))]
        with tempfile.NamedTemporaryFile() as file:
            write_claims(file.name, judged)
            found = list(csv.DictReader(io.StringIO(file.read().decode())))
        self.assertEqual(
            [(row["verdict"], row["median"], row["coverage"]) for row in found],
            [("holds", "0.375", "0.500"), ("not measured", "nan", "0.000")])


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
        with tempfile.TemporaryDirectory() as scratch:
            directory = pathlib.Path(scratch)
            (directory / "p.png").write_bytes(b"PNG")
            page = document.page("a & b", self.BLOCKS, directory)
        for text in ("<title>a &amp; b</title>", '<h2 id="who-waits">',
                     'a &lt; b, <strong>bold</strong>, <code>code</code> and '
                     '<a href="#who-waits">more</a>', "<li>two</li>",
                     '<td class="right">4</td><td class="left holds">holds<',
                     'alt="a &quot;picture&quot;"',
                     'src="data:image/png;base64,UE5H"', "x &lt;y&gt;"):
            self.assertIn(text, page)
        self.assertNotRegex(page, r"https?://|<script|<link")


class Experiments(unittest.TestCase):
    def test_claims_are_about_cells_that_are_there(self):
        for experiment in EXPERIMENTS:
            loads = {getattr(cell, experiment.axis)
                     for cell in experiment.cells}
            self.assertIn(experiment.load, loads)
            self.assertGreaterEqual(len(experiment.claims), 2)
            for claim in experiment.claims:
                named = {claim.load, claim.than_load} - {None}
                self.assertLessEqual(named, loads)
                self.assertTrue(claim.otherwise)

    def test_every_experiment_has_its_parts(self):
        plot = (ROOT / "scripts" / "plot.py").read_text("utf-8")
        drawn = set(re.findall(r'"(\w+)": draw_', plot))
        for experiment in EXPERIMENTS:
            self.assertLessEqual(set(experiment.columns), set(COLUMNS))
            self.assertIn(experiment.name, drawn)

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

    def test_silent_clients_shrink_and_not_those_that_ask(self):
        fitted, notes = fitting(IDLE, 510, "because")
        self.assertEqual([(cell.connections, cell.idle)
                          for cell in fitted.cells],
                         [(10, 0), (10, 500), (10, 100)])
        self.assertIn("idle has 500 instead of 10,000 silent clients: because",
                      notes)

    def test_cells_shrink_to_the_descriptors(self):
        usual = of_size(THROUGHPUT, "default")
        fitted, notes = fitting(usual, 96, "because")
        self.assertEqual([cell.connections for cell in fitted.cells],
                         [96, 10])
        self.assertEqual(len(notes), 2)
        self.assertEqual("throughput has 96 instead of 1,000 clients: because",
                         notes[1])
        self.assertEqual(fitting(usual, 20000, ""), (usual, []))

    def test_a_longer_bench_has_the_cells_of_a_shorter_one(self):
        def loads(size):
            return sorted(cell.connections
                          for cell in of_size(THROUGHPUT, size).cells)

        self.assertEqual(loads("quick"), [10, 100])
        self.assertEqual(loads("default"), [10, 100, 1000])
        self.assertEqual(loads("full"), [1, 10, 100, 1000, 10000])

    def test_the_load_that_decides_may_be_missing(self):
        runs = Runs(row("fork", c) for c in (1, 96, 1000))
        self.assertEqual(deciding(THROUGHPUT, runs)[0]["connections"], 96)
        self.assertEqual(
            deciding(THROUGHPUT, runs.where(connections=1000)), runs[2:])


class ManyModels(unittest.TestCase):
    def runs(self, **columns):
        """A round in which each model has the value for its place."""
        return Runs(row(model, 100, idle=1000.0, **{
            column: values[i] for column, values in columns.items()})
            for i, model in enumerate("abcdef"))

    def shown(self):
        return [(LATENCY, self.runs(cores=(1, 1, 1, 2, 1, 1))),
                (THROUGHPUT, self.runs(server_cpu_us_per_req=(
                    3, 4, 5, 6, 7, 8))),
                (IDLE, self.runs(kib_per_silent=(4, 3, 9, 2, 9, 9)))]

    def test_the_map_names_whom_nobody_beats_in_both(self):
        found = overview.places(self.shown())
        self.assertEqual([place.model for place in found], list("abcdef"))
        self.assertEqual(overview.finding(found), "No model is cheaper in both "
                         "than a, b and d; d can use a second core")

    def test_five_models_need_no_map(self):
        shown = [(experiment, Runs(run for run in runs if run["model"] != "f"))
                 for experiment, runs in self.shown()]
        self.assertEqual(overview.places(shown), [])
        self.assertEqual(overview.places(self.shown()[:2]), [])

    def test_all_means_all_and_each_once(self):
        self.assertEqual(chosen(["fork", "all"]), [
            "fork", *(model for model in ALL_MODELS if model != "fork")])
        self.assertEqual(names("fork, thread"), ["fork", "thread"])

    def test_variants_stand_behind_their_model_and_strangers_last(self):
        self.assertEqual(
            in_order({"mine", "coroutine --trap", "coroutine", "thread"}),
            ["thread", "coroutine", "coroutine --trap", "mine"])

    def test_who_queues_meets_no_more_clients_than_the_queue_holds(self):
        cell = Cell(10000)
        self.assertTrue(cell.fits("thread"))
        self.assertFalse(cell.fits("blocking"))
        self.assertTrue(Cell(1000).fits("blocking"))

    def test_many_are_said_in_groups(self):
        self.assertEqual(
            findings.alike({"a": 1.0, "b": 1.2, "c": 3.0, "d": 0.99}),
            [["d", "a", "b"], ["c"]])
        self.assertEqual(findings.lowest_to_highest([3.01, 3.04]), "3.0")
        cost = dict(zip("abcd", (1.0, 1.1, 1.2, 1.2)))
        self.assertEqual(findings.costs(list("abcd"), cost),
                         "1.0 to 1.2 µs, about equal")


class Plan(unittest.TestCase):
    def setUp(self):
        options = types.SimpleNamespace(seed=1, rounds=3, models=MODELS)
        self.runs = schedule.plan(EXPERIMENTS, options)

    def of_round(self, number):
        return [(run["experiment"].name, run["model"], run["cell"])
                for run in self.runs if run["round"] == number]

    def test_each_round_has_every_run_once_in_an_order_of_its_own(self):
        every = [(e.name, model, cell) for e in EXPERIMENTS
                 for cell, model in e.runs(MODELS)]
        rounds = [self.of_round(number) for number in (1, 2, 3)]
        for runs in rounds:
            self.assertCountEqual(runs, every)
        self.assertNotEqual(rounds[0], rounds[1])
        self.assertNotEqual(rounds[1], rounds[2])

    def test_loads_that_are_compared_follow_each_other(self):
        for number in (1, 2, 3):
            at = [i for i, run in enumerate(self.of_round(number))
                  if run[:2] == ("idle", "coroutine")]
            self.assertEqual(at, list(range(at[0], at[0] + len(at))))


class MoreRounds(unittest.TestCase):
    IDLE = next(e for e in EXPERIMENTS if e.name == "idle")

    def more(self, rounds, *doubtful):
        """The runs that follow if rounds disagree on claims of these models."""
        judged = [
            types.SimpleNamespace(
                experiment="idle", wants=lambda _: True,
                claim=types.SimpleNamespace(models=lambda m=model: {m}))
            for model in doubtful]
        options = types.SimpleNamespace(seed=1, rounds=rounds, models=MODELS)
        return schedule.more_rounds([self.IDLE], judged, options)

    def test_what_is_compared_gets_three_more(self):
        cells = [cell for cell in self.IDLE.cells if cell.fits("coroutine")]
        made = [(run["round"], run["model"], run["cell"])
                for run in self.more(100, "coroutine")]
        self.assertCountEqual(made, [(number, "coroutine", cell) for cell in
                                     cells for number in (101, 102, 103)])

    def test_not_if_it_would_take_long(self):
        self.assertEqual(self.more(5, "coroutine"), [])
        one, two = (self.more(rounds, "coroutine", "thread")
                    for rounds in (6, 100))
        self.assertEqual({run["model"] for run in one}, {"coroutine"})
        self.assertEqual({run["model"] for run in two},
                         {"coroutine", "thread"})

    def test_only_if_that_may_decide_it(self):
        def judged(*values):
            claim = Claim("fork", "", "cores", AT_LEAST, 5)
            return Judgement("latency", claim, values)

        self.assertTrue(judged(1, 6, 6, 6, 6, 6).wants(3))
        self.assertFalse(judged(6, 6, 6, 6, 6, 6).wants(3))
        self.assertFalse(judged(1, 6).wants(3))


class Disturbance(unittest.TestCase):
    def test_disturbed_runs_are_repeated_once_after_their_round(self):
        runs = [{"round": number, "name": name}
                for number in (1, 2) for name in "ab"]
        repeats, made = schedule.Repeats(len(runs)), []
        for _, run in schedule.with_repeats(runs, repeats):
            made.append((run["round"], run["name"]))
            repeats.consider(run, 1.0 if run["name"] == "b" else 0.0)
        self.assertEqual(made, [(1, "a"), (1, "b"), (1, "b"), (2, "a"),
                                (2, "b")])

    def test_the_last_round_is_repeated_too(self):
        repeats = schedule.Repeats(1)
        made = []
        for _, run in schedule.with_repeats([{"round": 1}], repeats):
            made.append(run)
            repeats.consider(run, 1.0)
        self.assertEqual(made, [{"round": 1}, {"round": 1, "again": True}])

    def test_the_better_attempt_counts(self):
        runs = Runs([row("fork", 1, 1, foreign_cores=0.5),
                     row("fork", 1, 1, foreign_cores=0.2),
                     row("fork", 1, 2, foreign_cores=0.0)])
        best = least_disturbed(runs)
        self.assertEqual([run["foreign_cores"] for run in best], [0.2, 0.0])
        self.assertEqual(len(best.disturbed()), 1)

    def test_rates_of_disturbed_cells_are_marked(self):
        runs = Runs(rounds("fork", 1, foreign_cores=(0.5, 0.0)))
        self.assertEqual(columns.mark(runs), "")
        runs.append(row("fork", 1, 3, foreign_cores=0.5, client_cpu_share=1.0))
        self.assertEqual(columns.mark(runs), "~ ")
        self.assertEqual(columns.mark(runs.where(round=3)), "≥~ ")


class Calibration(unittest.TestCase):
    BEFORE = {"system call": 0.09, "timer": 60.0, "wake-up": 30.0,
              "null server": 4.0}

    def test_what_changed_is_named(self):
        after = {**self.BEFORE, "wake-up": 50.0, "timer": 80.0}
        self.assertEqual(calibration.drifted(self.BEFORE, after), ["wake-up"])
        self.assertEqual(calibration.drifted(after, self.BEFORE), ["wake-up"])
        alone = {**self.BEFORE, "wake-up": float("nan")}
        self.assertEqual(calibration.drifted(alone, alone), [])

    def test_facts_in_words(self):
        said = calibration.described(self.BEFORE, self.BEFORE)
        self.assertEqual(said["wake-up"], "30 µs, after the runs 30 µs, of a "
                         "core that sleeps")

    def test_a_measurement_gives_numbers_and_leaves_no_process(self):
        before = os.sched_getaffinity(0)
        found = calibration.calibrate(ROOT / "bin" / "fibload")
        self.assertEqual(list(found), list(self.BEFORE))
        self.assertGreater(found["timer"], 0)
        self.assertGreater(found["null server"], 0)
        self.assertNotEqual(calibration.reply_us("false"),
                            calibration.reply_us("false"))
        self.assertEqual(os.sched_getaffinity(0), before)
        with self.assertRaises(ChildProcessError):
            os.wait()

    def test_threats_come_from_what_was_measured(self):
        runs = Runs(rounds("fork", 1, foreign_cores=(0.5, 0.0)))
        said = " ".join(threats.threats(runs, [self.BEFORE]))
        self.assertIn("takes 30 µs here", said)
        self.assertIn("gets 250,000 replies a second", said)
        self.assertIn("In 1 run of 2 other programs", said)
        self.assertIn("2 rounds are too few", said)
        self.assertNotIn("the client was", said)
        self.assertNotIn("changed meanwhile", said)
        one_core = {**self.BEFORE, "wake-up": float("nan")}
        said = " ".join(threats.threats(
            Runs([row("fork", 1, client_cpu_share=1.0)]),
            [one_core, self.BEFORE]))
        self.assertIn("There is one core", said)
        self.assertIn("In 1 cell of 1 the client was", said)


class Summary(unittest.TestCase):
    def test_what_each_costs_and_where_it_breaks(self):
        shown = [
            (LATENCY, Runs([row("fork", 4, cores=1.9)])),
            (THROUGHPUT, Runs([row("blocking", 100, served=1.0),
                               row("fork", 100)])),
            (WAIT, Runs([row("blocking", 1000, rate_to_last=10.0, served=1.0,
                             share_of_possible=0.001, delay_ms=100.0)])),
            (SILENT, Runs([row("blocking", 1, served=0.0)]))]
        table = summary.summary(shown)
        self.assertEqual(table.header[1],
                         "cores used ([latency](#latency), 4 clients)")
        self.assertEqual(table.rows, (
            ("blocking", "-", "serves 1 of 100", "serves 1 of 1,000",
             "1,000 clients with a slow backend get 10 replies a second; one "
             "silent client stops it"),
            ("fork", "1.90", "5.00", "-", "not in these experiments")))

    def test_what_breaks_there(self):
        self.assertEqual(findings.one_core(Runs([row("fork", 4)])),
                         "long requests get one core at most")
        self.assertEqual(findings.one_core(Runs([row("fork", 4, cores=1.3)])),
                         "")
        self.assertEqual(
            findings.slowed_by_silence(Runs([row("fork", 10, idle=100.0,
                                                 rate_kept=0.5)])),
            "100 silent clients leave it 50 % of its rate")
        for breaks in (findings.slowed_by_silence, findings.waits_for_one,
                       findings.stopped_by_one):
            self.assertEqual(breaks(Runs([row("fork", 10)])), "")


class Report(unittest.TestCase):
    def test_coverage_of_the_range(self):
        for number, text in ((1, "nothing"), (2, "50 %: 2 rounds are only"),
                             (5, "94 %: 5 rounds are only"), (6, "97 %."),
                             (20, "more than 99 %.")):
            self.assertIn(text, report.coverage_said(number))

    def test_what_is_left_out_and_missing_is_named(self):
        runs = Runs([row("fork", 1, 2, wrong=1.0)])
        self.assertEqual(
            list(report.excluded(runs)), ["Left out of every figure: "
            "throughput, fork, 1 client, round 2 (wrong replies: 1)."])
        plan = [{"experiment": THROUGHPUT, "model": "fork", "cell": cell}
                for cell in of_size(THROUGHPUT, "default").cells]
        self.assertEqual(
            list(report.missing(Runs([row("fork", 1)]), plan)),
            ["No run of throughput with this many clients: fork (10, 100 and "
             "1,000)."])

    def test_the_limit_of_the_client_is_marked(self):
        free, busy = row("fork", 1), row("fork", 1, client_cpu_share=0.95)
        text = COLUMNS["rate"].text
        self.assertEqual(text(Runs([free])), "1,000")
        self.assertEqual(text(Runs([busy])), "≥ 1,000")

    def test_the_terminal_has_no_bar_for_a_wait(self):
        column = COLUMNS["first_reply"]
        runs = Runs([row("blocking", 1, served=0.0, oldest_us=1.2e6)])
        self.assertEqual(list(terminal.summary_lines(column, runs)),
                         ["  blocking         none while we watched, 1.2 s"])

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
        self.assertEqual(environment.disturbance(0.1), [])
        self.assertEqual(len(environment.disturbance(1.5)), 1)


class Comparison(unittest.TestCase):
    def test_ranges_that_do_not_meet_are_told_apart(self):
        for b, text in (((5, 4, 6), "the ranges meet"), ((9, 8, 9), "more"),
                        ((1, 1, 2), "less"), ((7, 6, 8), "the ranges meet")):
            self.assertEqual(compare.told_apart((5, 3, 7), b), text)

    def test_figures_of_models_that_both_have(self):
        a = Runs(rounds("fork", 100, req_per_s=(100.0, 110.0))
                 + rounds("thread", 100, req_per_s=(1.0, 1.0)))
        b = Runs(rounds("fork", 100, req_per_s=(200.0, 220.0)))
        said = "\n".join(compare.compared(THROUGHPUT, a, b))
        self.assertRegex(said, r"fork +105 \(100-110\) +210 \(200-220\) +2.00 "
                               r"+more")
        self.assertNotIn("thread", said)
        said = list(compare.compared(THROUGHPUT, a, Runs([row("fork", 10)])))
        self.assertEqual(said, ["throughput: A has 100 clients, B has 10 "
                                "clients."])

    def test_facts_and_verdicts_that_differ(self):
        self.assertEqual(compare.differing(
            {"kernel": "1", "seed": "1", "cores": "2"},
            {"kernel": "2", "seed": "2", "cores": "2"}), [("kernel", "1", "2")])
        good, bad = (
            {LATENCY: Runs(rounds("fork", 4, cores=cores))}
            for cores in ((1.9, 1.9), (1.0, 1.9)))
        self.assertRegex("\n".join(compare.verdicts(good, bad)),
                         r"agree on 0 claims, not on:\n.*\n  fork keeps .*cores"
                         r" busy +holds +inconclusive")
        self.assertIn("agree on 1 claims.", next(compare.verdicts(good, good)))


class Doctor(unittest.TestCase):
    def test_what_is_lacking_has_a_cost_and_a_remedy(self):
        with unittest.mock.patch.multiple(
                environment, connections_allowed=lambda: (992, "few"),
                python_with_matplotlib=lambda: None,
                first_line=lambda path: "128"):
            found = [doctor.connections(), doctor.matplotlib(), doctor.queue()]
        for finding in found:
            self.assertEqual(finding.state, doctor.POOR)
            self.assertTrue(finding.cost and finding.remedy)
        self.assertIn("992 connections fit: few", found[0].fact)

    def test_it_can_say_something_about_this_machine(self):
        for examine in doctor.EXAMINATIONS:
            self.assertTrue(examine().fact)


def processes_of(folder):
    """Processes with this folder in their environment. Those that were just
    killed get a moment."""
    for _ in range(20):
        found = []
        for process in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                path = pathlib.Path("/proc", process, "environ")
                if folder.encode() in path.read_bytes():
                    found.append(process)
        if not found:
            break
        time.sleep(0.01)
    return found


class Processes(unittest.TestCase):
    """A run with programs that do not behave."""

    # Leaves a row, as the real one does.
    CLIENT = ('while [ "$1" != --csv ]; do shift; done; '
              'printf "model,requests\\nfork,7\\n" >"$2"')

    def tearDown(self):
        for signo in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signo, signal.SIG_DFL)

    def run_with(self, server, client=CLIENT, timeout_s=5):
        """Makes a run with two shell scripts."""
        with tempfile.TemporaryDirectory() as scratch, held_back():
            directory = pathlib.Path(scratch)
            for name, script in (("fork", server), ("fibload", client)):
                (directory / name).write_text(f"#!/bin/sh\n{script}\n")
                (directory / name).chmod(0o755)
            run = {"experiment": SILENT, "cell": SILENT.cells[0],
                   "model": "fork", "round": 1}
            options = types.SimpleNamespace(bin=directory, size="quick",
                                            models=["fork"], programs={})
            try:
                with unittest.mock.patch.multiple(
                        runner, READY_TIMEOUT_S=timeout_s, CLIENT_TIMEOUT_S=1):
                    runner.make_run(run, options, directory, None)
                return (directory / "runs.csv").read_text()
            finally:
                self.assertEqual(processes_of(scratch), [])

    # With a child that does not end when its server does, and which is found
    # by its environment: $0 is in our folder.
    GOOD = ("MARK=$0 sleep 100 & echo fork: listening on 127.0.0.1:1234; "
            "exec sleep 100")

    def test_programs_that_behave(self):
        for client in (self.CLIENT, self.CLIENT + "; exit 1"):
            self.assertRegex(self.run_with(self.GOOD, client),
                             r"^foreign_cores,first_process_share,set_ms,"
                             r"turns,model,requests\n"
                             r"[0-9.]+,([0-9.]+|nan),nan,nan,fork,7\n$")

    def test_the_cpu_time_of_others_is_seen_and_not_our_own(self):
        spin = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done;"
        own = self.foreign_cores(f"{spin} {self.CLIENT}")
        with runner.started(["sh", "-c", "while :; do :; done"], None):
            foreign = self.foreign_cores(f"sleep 0.5; {self.CLIENT}")
        self.assertGreater(foreign, own)

    def foreign_cores(self, client):
        """The least of three: the machine has other users."""
        files = (self.run_with(self.GOOD, client) for _ in range(3))
        return min(float(run["foreign_cores"]) for file in files
                   for run in csv.DictReader(io.StringIO(file)))

    def test_servers_that_do_not_start(self):
        for script, text in (("sleep 100 & wait", "not ready within 0.2 s"),
                             ("exit 1", "did not start"),
                             ("echo no port; sleep 100", "did not start")):
            with self.assertRaisesRegex(runner.StartFailed, text):
                self.run_with(script, timeout_s=0.2 if "&" in script else 5)

    def test_clients_that_fail(self):
        for script, text in (("exit 0", "left no figures"),
                             ("exit 2", "status 2"),
                             ("kill -SEGV $$", "status -11"),
                             ("sleep 100", "did not end")):
            with self.assertRaisesRegex(runner.RunFailed, text):
                self.run_with(self.GOOD, script)

    def test_a_signal_comes_only_where_it_is_waited(self):
        raise_when_stopped()
        with held_back(), runner.started(["sleep", "100"], None) as process:
            os.kill(os.getpid(), signal.SIGINT)
            self.assertIsNone(process.poll())
            with self.assertRaises(Interrupted):
                wait(process, 100)
        self.assertEqual(process.returncode, -signal.SIGKILL)


class Bench(unittest.TestCase):
    """The whole program."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.out = self.scratch / "out"

    def start(self, *arguments, **options):
        """With the name of our folder in the environment, which is how
        processes that are left are found."""
        variables = {"BENCH_TEST": str(self.scratch), **options.pop("env", {})}
        return subprocess.Popen(
            [sys.executable, ROOT / "scripts" / "bench", "--quick",
             "--out", self.out, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **variables}, **options)

    def finish(self, *arguments, **options):
        """What a bench says, on one line, and its exit status. If anything
        can draw at all, it must have drawn."""
        bench = self.start(*arguments, **options)
        said = " ".join(bench.communicate()[0].split())
        self.assertNotIn("Traceback", said)
        self.assertNotIn("plot.py failed", said)
        return said, bench.returncode

    def fake_matplotlib(self, code):
        (self.scratch / "matplotlib.py").write_text(f"{code}\n")
        return {"PYTHONPATH": str(self.scratch)}

    def wait_for(self, path, timeout_s=30):
        until = time.monotonic() + timeout_s
        while time.monotonic() < until and not (
                path.exists() and path.stat().st_size > 0):
            time.sleep(0.05)

    def report(self):
        return (self.out / "report.md").read_text()

    def test_a_small_bench_without_matplotlib(self):
        said, status = self.finish(
            "--only", "silent", "--models", "blocking thread",
            env=self.fake_matplotlib("raise ImportError"))
        self.assertEqual(status, 0, said)
        self.assertIn("make setup", said)
        self.assertIn("blocking leaves the next one without a reply", said)
        self.assertIn("blocking leaves the next one", self.report())
        self.assertEqual(len(read_runs(self.out / "runs.csv")), 4)
        claims = (self.out / "claims.csv").read_text()
        self.assertEqual(claims.count(",holds,"), 2)
        self.assertIn("holds: thread serves at least 1 client", said)
        self.assertIn("<h3", (self.out / "report.html").read_text())
        self.assertIn("kernel", (self.out / "environment.txt").read_text())

    def test_every_request_of_a_timeline_is_kept(self):
        said, status = self.finish("--only", "timeline", "--models",
                                   "blocking coroutine", "--rounds", "1")
        self.assertEqual(status, 0, said)
        spans = traces.read(self.out / "timeline.csv")
        requests = TIMELINE.cells[0].requests
        for model in ("blocking", "coroutine"):
            self.assertEqual(len(traces.shown(spans, model)), requests)
        runs = read_runs(self.out / "runs.csv")
        self.assertEqual(runs.where(model="blocking")[0]["turns"], 0)
        self.assertGreater(runs.where(model="coroutine")[0]["turns"], 0.5)
        self.assertEqual(list(self.out.glob(".*.csv")), [])

    def test_pictures_that_come_later_are_in_the_report(self):
        about = {"facts": dict.fromkeys(
                     ("processor", "cores", "kernel", "date"), "x"),
                 "calibrations": [Calibration.BEFORE], "warnings": ["rain"]}
        runs = Runs([row("fork", 1, experiment="silent", runs_per_round=1)])
        report.write_report(self.scratch, runs, about)
        self.assertNotIn("<img", (self.scratch / "report.html").read_text())
        (self.scratch / "silent.png").write_bytes(b"PNG")
        report.write_again(self.scratch, runs)
        page = (self.scratch / "report.html").read_text()
        self.assertIn("base64,UE5H", page)
        self.assertIn("<li>rain</li>", page)

    def test_interruption_leaves_a_report_and_no_process(self):
        for signo in (signal.SIGINT, signal.SIGTERM):
            bench = self.start("--only", "throughput", "--models",
                               "fork coroutine")
            self.wait_for(self.out / "runs.csv")
            time.sleep(0.3)
            self.assertGreater(len(processes_of(str(self.scratch))), 1)
            bench.send_signal(signo)
            said, _ = bench.communicate(timeout=60)
            self.assertEqual(bench.returncode, 130, said)
            self.assertNotIn("Traceback", said)
            self.assertIn("Interrupted after ", self.report())
            self.assertIn("nothing can be compared", self.report())
            self.assertGreaterEqual(len(read_runs(self.out / "runs.csv")), 1)
            self.assertEqual(processes_of(str(self.scratch)), [])
            self.out = self.scratch / "again"

    def test_interruption_while_drawing_leaves_the_report(self):
        drawing = self.scratch / "drawing"
        bench = self.start(
            "--only", "silent", "--models", "fork",
            env=self.fake_matplotlib(f"import time\nopen('{drawing}', 'w')\n"
                                     "time.sleep(100)"))
        self.wait_for(drawing)
        self.assertIn("fork answers within", self.report())
        bench.send_signal(signal.SIGINT)
        said, _ = bench.communicate(timeout=60)
        self.assertEqual(bench.returncode, 0, said)
        self.assertIn("not all pictures were drawn", said)
        self.assertIn("fork answers within", self.report())
        self.assertEqual(processes_of(str(self.scratch)), [])

    def test_a_server_that_is_broken_is_left_out_and_named(self):
        programs = self.scratch / "bin"
        programs.mkdir()
        (programs / "fibload").symlink_to(ROOT / "bin" / "fibload")
        (programs / "thread").symlink_to(ROOT / "bin" / "thread")
        (programs / "fork").write_text("#!/bin/sh\nexit 1\n")
        (programs / "fork").chmod(0o755)
        said, status = self.finish("--only", "silent", "--models",
                                   "fork thread", "--bin", programs)
        self.assertEqual(status, 1, said)
        self.assertEqual(said.count("fork did not start"), 1)
        self.assertIn("No run of silent with this many clients: fork (1)",
                      self.report())
        self.assertIn("thread answers within", self.report())

    def test_few_descriptors(self):
        said, status = self.finish(
            "--only", "throughput", "--models", "coroutine", "--rounds", "1",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE,
                                                  (64, 64)))
        self.assertEqual(status, 0, said)
        runs = read_runs(self.out / "runs.csv")
        self.assertEqual(runs.values("connections"), [10, 32])
        self.assertTrue(runs.all_served())
        self.assertIn("32 instead of 100 clients: a process may have only 64",
                      self.report())

    def test_another_server_joins(self):
        other = self.scratch / "mine"
        other.symlink_to(ROOT / "bin" / "thread")
        said, status = self.finish("--only", "silent", "--models", "fork",
                                   "--server", other)
        self.assertEqual(status, 0, said)
        runs = read_runs(self.out / "runs.csv")
        self.assertEqual(runs.models(), ["fork", "mine"])
        self.assertTrue(runs.all_served())

    def test_a_machine_with_one_core(self):
        core = min(os.sched_getaffinity(0))
        said, status = self.finish(
            "--only", "silent", "--models", "fork",
            preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        self.assertEqual(status, 0, said)
        runs = read_runs(self.out / "runs.csv")
        self.assertEqual(runs.values("placement"), ["free"])

    def test_bad_arguments(self):
        (self.scratch / "fork").write_text("")
        for arguments, text in (
                (["--only", "nonsense"], "no experiment 'nonsense'"),
                (["--models", "nonsense"], "nonsense"),
                (["--bin", self.scratch, "--models", "fork"], "no program"),
                (["--server", "bin/fork"], "name of one of our models"),
                (["--full"], "not allowed with"),
                (["--rounds", "0"], "a number from 1"),
                (["--rounds", "two"], "a number from 1"),
                (["--out", self.scratch], "exists already"),
                (["--draw", self.scratch], "has no runs.csv")):
            said, status = self.finish(*arguments)
            self.assertEqual(status, 2, said)
            self.assertIn(text, said)
        said, status = self.finish("--out", "/proc/no/folder")
        self.assertEqual(status, 1, said)


if __name__ == "__main__":
    tap.main()

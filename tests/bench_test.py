#!/usr/bin/env python3
"""Tests of the bench: its arithmetic, its sentences, interruption, and life
without matplotlib. Prints the same last line as the tests in C."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import findings  # noqa: E402
import report  # noqa: E402
from experiments import EXPERIMENTS, MODELS, finished  # noqa: E402
from results import Runs, duration, listed, read_runs, rounded, with_range  # noqa: E402


def row(model, connections, number=1, **columns):
    run = {
        "experiment": "throughput", "model": model, "round": float(number),
        "connections": float(connections), "served": float(connections), "cores": 1.0,
        "req_per_s": 1000.0, "server_cpu_us_per_req": 5.0, "p50_us": 50.0, "duration_s": 1.0,
    }
    run.update(columns)
    return run


class Numbers(unittest.TestCase):
    def test_three_significant_digits(self):
        for value, text in (
            (0, "0"), (0.123456, "0.123"), (1.2345, "1.23"), (12.345, "12.3"), (123.4, "123"),
            (999.6, "1,000"), (1234, "1,230"), (142225, "142,000"), (9_999_999, "10,000,000"),
        ):
            self.assertEqual(rounded(value), text)

    def test_durations_have_a_fitting_unit(self):
        for us, text in ((57.2, "57.2 µs"), (999.9, "1.00 ms"), (4120, "4.12 ms"), (2.5e6, "2.50 s")):
            self.assertEqual(duration(us), text)

    def test_names_are_listed_as_one_says_them(self):
        self.assertEqual(listed(["a"]), "a")
        self.assertEqual(listed(["a", "b", "c"]), "a, b and c")


class Results(unittest.TestCase):
    def test_spread_is_median_lowest_highest(self):
        runs = Runs(row("fork", 1, i, req_per_s=v) for i, v in enumerate((5.0, 1.0, 3.0, 9.0)))
        self.assertEqual(runs.spread("req_per_s"), (4.0, 1.0, 9.0))
        self.assertEqual(with_range(runs.spread("req_per_s")), "4.00 (1.00-9.00)")
        self.assertIsNone(runs.where(model="none").spread("req_per_s"))

    def test_ratios_are_taken_within_a_round(self):
        runs = Runs()
        for number, (one, two) in enumerate(((10.0, 20.0), (100.0, 190.0), (1.0, 2.1))):
            runs += [row("fork", 1, number, req_per_s=one), row("fork", 2, number, req_per_s=two)]
        found = runs.ratios("req_per_s", {"connections": 2}, {"connections": 1})
        self.assertEqual([round(ratio, 2) for ratio in found], [2.0, 1.9, 2.1])

    def test_coverage_of_the_range(self):
        self.assertIn("97 %", report.coverage(6))
        self.assertIn("nothing", report.coverage(1))


class Findings(unittest.TestCase):
    def test_latency_names_who_used_a_second_core(self):
        runs = Runs()
        for model in MODELS:
            both = model in ("fork", "thread")
            runs += [row(model, 1), row(model, 2, req_per_s=2000.0 if both else 1000.0, cores=1.9 if both else 1.0)]
        said = findings.latency(runs)
        self.assertIn("fork and thread keep a second core busy and do 2.0x the work", said)
        self.assertIn("the others stay on one core (1.0x at best)", said)

    def test_latency_on_a_machine_with_one_core(self):
        runs = Runs(row(model, c) for model in MODELS for c in (1, 2))
        self.assertIn("no model keeps a second core busy", findings.latency(runs))

    def test_throughput_orders_by_cost_and_names_the_unserved(self):
        runs = Runs([
            row("thread", 100, server_cpu_us_per_req=6.0),
            row("coroutine", 100, server_cpu_us_per_req=3.5),
            row("blocking", 100, served=1.0),
        ])
        said = findings.throughput(runs)
        self.assertLess(said.index("coroutine 3.50"), said.index("thread 6.00"))
        self.assertIn("blocking serves 1 of the 100", said)

    def test_silent_names_the_victim_or_that_there_is_none(self):
        runs = Runs([row("blocking", 1, served=0.0, duration_s=1.5), row("fork", 1)])
        self.assertIn("blocking answered nobody in 1.50 s", findings.silent(runs))
        self.assertIn("every model answers", findings.silent(Runs([row("fork", 1)])))

    def test_unfinished_experiments_are_left_out(self):
        runs = Runs([row("fork", c) for c in (1, 10, 100, 1000)])
        self.assertEqual([e.name for e, _ in finished(runs)], ["throughput"])
        self.assertEqual(list(finished(Runs(runs[:-1]))), [])

    def test_every_experiment_has_its_parts(self):
        for experiment in EXPERIMENTS:
            self.assertTrue(callable(getattr(findings, experiment.name)))
            self.assertIn(experiment.name, report.TABLES)


def processes_of(program):
    """Processes that run one of our servers or the client."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/exe"):
        try:
            target = os.readlink(path)
        except OSError:
            continue
        if target.startswith(str(ROOT / "bin") + "/") and pathlib.Path(target).name in program:
            found.append(target)
    return found


class Bench(unittest.TestCase):
    def start(self, directory, *arguments, **variables):
        return subprocess.Popen(
            [sys.executable, ROOT / "scripts" / "bench", "--quick", "--out", directory, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **variables},
        )

    def test_a_small_bench_without_matplotlib(self):
        with tempfile.TemporaryDirectory() as scratch:
            directory = pathlib.Path(scratch) / "out"
            (pathlib.Path(scratch) / "matplotlib.py").write_text("raise ImportError\n")
            bench = self.start(directory, "--only", "silent", "--models", "blocking thread", PYTHONPATH=scratch)
            said, _ = bench.communicate()
            self.assertEqual(bench.returncode, 0, said)
            self.assertIn("make setup", said)
            self.assertIn("blocking answered nobody", said)
            self.assertIn("blocking answered nobody", (directory / "report.md").read_text())
            self.assertEqual(len(read_runs(directory / "runs.csv")), 4)
            self.assertIn("kernel", (directory / "environment.txt").read_text())

    def test_interruption_leaves_a_report_and_no_process(self):
        with tempfile.TemporaryDirectory() as scratch:
            directory = pathlib.Path(scratch) / "out"
            bench = self.start(directory, "--only", "throughput", "--models", "fork coroutine")
            until = time.monotonic() + 30
            while time.monotonic() < until and not (directory / "runs.csv").exists():
                time.sleep(0.05)
            time.sleep(0.3)
            bench.send_signal(signal.SIGINT)
            said, _ = bench.communicate(timeout=60)
            self.assertEqual(bench.returncode, 130, said)
            self.assertIn("Not all runs were made", (directory / "report.md").read_text())
            self.assertGreaterEqual(len(read_runs(directory / "runs.csv")), 1)
            self.assertEqual(processes_of((*MODELS, "fibload")), [])

    def test_bad_arguments(self):
        with tempfile.TemporaryDirectory() as scratch:
            for arguments in (["--only", "nonsense"], ["--models", "nonsense"]):
                bench = self.start(pathlib.Path(scratch) / "out", *arguments)
                said, _ = bench.communicate()
                self.assertNotEqual(bench.returncode, 0)
                self.assertIn("nonsense", said)


if __name__ == "__main__":
    tests = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=2).run(tests)
    failed = len(result.failures) + len(result.errors)
    for test, why in result.failures + result.errors:
        print(f"not ok - {test}\n# {why.strip().splitlines()[-1]}")
    print(f"# {result.testsRun - failed} passed, {failed} failed", flush=True)
    sys.exit(failed > 0)

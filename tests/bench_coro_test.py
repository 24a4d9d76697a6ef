#!/usr/bin/env python3
"""Tests of scripts/bench/coroutines: its arithmetic, how it reads the output of
the measuring programs, its command line and its errors, and one short run,
whose table must show the figures of its CSV file. Parts: see tap.py."""

import contextlib
import io
import pathlib
import re
import resource
import subprocess
import types
import unittest
import unittest.mock
from collections import Counter
from statistics import median

import measuring
import tap
from programs import folder_for, rows_of, write_script
from under_test import Sample

bench_coro = measuring.as_module("coroutines")
Row, Run, RunFailed = bench_coro.Row, bench_coro.Run, bench_coro.RunFailed

OURS = Run("serve", (), "coroutine", 10, 0)
THEIRS = Run("serve", (), "callbacks", 10, 0)
COST = Row("cost", (OURS, "cpu"), "us", most=3)
OTHERS = Row("  callbacks", (THEIRS, "cpu"), "us")
TIMES = Row("  times callbacks", (OURS, "cpu"), "x", (THEIRS, "cpu"), most=1.1)
EACH = Row("memory of each", (OURS, "memory"), "bytes", (THEIRS, "memory"),
           per=10)


def values_of(row, ours=(), theirs=(), figure="cpu"):
    """Returns the values of a row by round. The other arguments have a value of
    the figure in the runs OURS and THEIRS for every round; None stands for a
    run that failed."""
    figures = bench_coro.costs.Figures()
    for run, values in ((OURS, ours), (THEIRS, theirs)):
        for figures.round, value in enumerate(values, 1):
            if value is not None:
                figures.note(run, figure, value=value)
    return row.sample(figures).values


class Arithmetic(unittest.TestCase):
    def test_figures_by_round(self):
        self.assertEqual(values_of(COST, [2, None, 4], [1, 1, 1]), {1: 2, 3: 4})

    def test_ratios_are_taken_within_a_round(self):
        self.assertEqual(values_of(TIMES, [2, 30, 4], [1, 10, 2]),
                         {1: 2, 2: 3, 3: 2})

    def test_a_round_without_one_of_them_has_no_ratio(self):
        self.assertEqual(values_of(TIMES, [2, 30, None, 8], [1, None, 2, 2]),
                         {1: 2, 4: 4})
        self.assertEqual(values_of(TIMES, [1]), {})

    def test_nothing_is_divided_by_zero(self):
        self.assertEqual(values_of(TIMES, [2, 3], [0, 1]), {2: 3})
        self.assertEqual(values_of(COST, [0], [1]), {1: 0})

    def test_differences_are_shared(self):
        self.assertEqual(values_of(EACH, [1500, 100], [500, 0], "memory"),
                         {1: 100, 2: 10})

    def test_a_difference_needs_both(self):
        self.assertEqual(values_of(EACH, [1500, 100], [500], "memory"),
                         {1: 100})

    def test_a_figure_that_is_not_there_is_none(self):
        self.assertEqual(values_of(COST, [1], figure="rate"), {})

    def test_goals_are_met_up_to_the_limit(self):
        least = Row("x", (OURS, "cpu"), "x", least=80)
        for row, value, said in ((COST, 3, "at most 3      met"),
                                 (COST, 3.01, "at most 3      MISSED"),
                                 (least, 80, "at least 80    met"),
                                 (least, 79.9, "at least 80    MISSED"),
                                 (EACH, 1, "")):
            self.assertEqual(row.verdict(value), said)

    def test_lines_have_median_and_range(self):
        line = COST.line(Sample({1: 7, 2: 1, 3: 2.5}), bench_coro.shown, 35)
        self.assertEqual(line.split(), ["cost", "2.50", "us", "1.00-7.00",
                                        "at", "most", "3", "met"])
        line = TIMES.line(Sample({1: 1.234, 2: 1, 3: 3}), bench_coro.shown,
                          35)
        self.assertEqual(line.split()[2:], ["1.23", "x", "1.00-3.00",
                                            "at", "most", "1.1", "MISSED"])


class Progress(unittest.TestCase):
    def test_the_rest_takes_as_long_as_what_was_done(self):
        costs = bench_coro.costs
        with unittest.mock.patch.object(costs, "rewrite") as rewrite, \
                unittest.mock.patch.object(costs.time, "monotonic",
                                           side_effect=range(0, 100, 10)):
            costs.Figures().measure(2, lambda number: [
                (f"{name} {number}", lambda: None) for name in ("a", "b")])
        self.assertEqual([shown.args for shown in rewrite.mock_calls], [
            ("round 1, 1 of 4  a 1",), ("round 1, 2 of 4, 30 s left  b 1",),
            ("round 2, 3 of 4, 20 s left  a 2",),
            ("round 2, 4 of 4, 10 s left  b 2",), ()])


class Parsing(unittest.TestCase):
    def test_figures(self):
        self.assertEqual(
            bench_coro.figures_in("pages 4096 bytes\ntables 32.5 bytes\n"),
            {"pages": 4096, "tables": 32.5})
        self.assertEqual(bench_coro.figures_in("create 1.2e-05 s\n"),
                         {"create": 1.2e-05})
        self.assertEqual(bench_coro.figures_in(""), {})

    def test_what_is_no_figure(self):
        for text in ("switch fast ns\n", "switch 3\n", "no memory\n",
                     "switch 3 ns and more\n"):
            with self.assertRaisesRegex(RunFailed, "no figures: '"):
                bench_coro.figures_in(text)


class Plan(unittest.TestCase):
    """The runs that are planned, and those left out because this machine cannot
    make them."""

    def options(self, *only):
        return types.SimpleNamespace(only=list(only) or
                                     list(bench_coro.SECTIONS))

    def test_each_run_is_made_once(self):
        runs = bench_coro.possible_runs(self.options(), [])
        self.assertEqual(len(runs), len(set(runs)))
        for _, rows in bench_coro.SECTIONS.values():
            for row in rows:
                self.assertIn((row.base or row.figure)[0],
                              [other.figure[0] for other in rows])

    def test_sections_can_be_chosen(self):
        runs = bench_coro.possible_runs(self.options("switch", "create"), [])
        self.assertEqual({run.section for run in runs}, {"switch", "create"})

    def test_what_the_machine_cannot_do_is_skipped_and_said(self):
        problems = []
        with unittest.mock.patch.object(
                bench_coro.machine, "descriptors_allowed", return_value=200):
            runs = bench_coro.possible_runs(self.options("serve"), problems)
        self.assertEqual({(run.active, run.idle) for run in runs},
                         {(100, 0), (10, 0)})
        self.assertIn("skipped: 1,000 active: a process may open 200 files "
                      "only", problems)
        self.assertEqual(len(problems), len(set(problems)))
        problems = []
        with unittest.mock.patch.object(
                bench_coro.machine, "meminfo",
                return_value={"MemAvailable": 3 * 1024**3}):
            runs = bench_coro.possible_runs(self.options("park"), problems)
        self.assertEqual([run.command[1] for run in runs],
                         ["10000", "100000"])
        self.assertRegex(problems[0], "1,000,000 coroutines: it needs 6 GiB")

    def test_free_memory_is_that_of_the_machine(self):
        meminfo = pathlib.Path("/proc/meminfo").read_text()
        total = 1024 * int(re.search(r"MemTotal: +(\d+)", meminfo)[1])
        self.assertGreater(bench_coro.machine.meminfo()["MemAvailable"], 0)
        self.assertLess(bench_coro.machine.meminfo()["MemAvailable"], total)

    def test_a_round_has_every_run_and_servers_side_by_side(self):
        runs = bench_coro.possible_runs(self.options("serve"), [])
        orders = set()
        for _ in range(20):
            order = bench_coro.in_random_order(runs)
            self.assertEqual(Counter(order), Counter(runs))
            for one, other in zip(order[::2], order[1::2]):
                self.assertEqual((one.active, one.idle),
                                 (other.active, other.idle))
            orders.add(tuple(order))
        self.assertGreater(len(orders), 1)


class Rounds(unittest.TestCase):
    """Rounds in which a run fails: it must leave a message and a gap, and the
    other runs must count."""

    def setUp(self):
        self.csv = folder_for(self) / "new" / "coro.csv"

    def bench(self, figures_of_run, rounds=3):
        """Calls bench() with one section. figures_of_run(run, number) gives the
        figures of the run that is made for the `number`-th time. Returns the
        exit status, the output, and the rows of the CSV file."""
        options = types.SimpleNamespace(only=["serve"], rounds=rounds,
                                        csv=self.csv)
        said, calls = io.StringIO(), Counter()

        def figures(run, _options, _cores):
            calls[run] += 1
            return figures_of_run(run, calls[run])

        with unittest.mock.patch.multiple(
                bench_coro, replies_of=figures,
                SECTIONS={"serve": ("CPU", [COST, OTHERS, TIMES])}), \
                contextlib.redirect_stdout(said):
            status = bench_coro.bench(options)
        return status, said.getvalue(), rows_of(self.csv)

    def test_all_is_well(self):
        status, said, rows = self.bench(
            lambda run, number: {"cpu": number + (run == OURS)})
        self.assertEqual(status, 0)
        self.assertEqual([row["value"] for row in rows],
                         ["2", "3", "4", "1", "2", "3",
                          "2", "1.5", "1.33333"])
        self.assertEqual({row["row"] for row in rows},
                         {"cost", "cost: callbacks", "cost: times callbacks"})
        self.assertNotIn("coroutines:", said)

    def test_a_failed_run_is_a_problem_and_leaves_a_gap(self):
        def figures(run, number):
            if (run, number) == (THEIRS, 2):
                raise RunFailed("callbacks served 9 of 10 clients")
            return {"cpu": number}

        status, said, rows = self.bench(figures)
        self.assertEqual(status, bench_coro.costs.FAILED)
        self.assertIn("coroutines: callbacks served 9 of 10 clients\n", said)
        self.assertEqual([row["round"] for row in rows],
                         ["1", "2", "3", "1", "3", "1", "3"])

    def test_a_row_without_values_is_a_problem(self):
        status, said, rows = self.bench(lambda run, number: {"rate": 1})
        self.assertEqual((status, rows), (bench_coro.costs.FAILED, []))
        self.assertIn("coroutines: not measured: cost\n", said)
        self.assertIn("coroutines: not measured: times callbacks\n", said)

    def test_interrupted(self):
        def figures(_run, number):
            if number == 2:
                raise bench_coro.costs.Interrupted
            return {"cpu": number}

        status, said, rows = self.bench(figures)
        self.assertEqual(status, bench_coro.costs.INTERRUPTED)
        self.assertIn("interrupted: not all rounds were made", said)
        self.assertEqual({row["round"] for row in rows}, {"1"})

        _, said, whole = self.bench(lambda run, number: {"cpu": number})
        self.assertIn("All values: ", said)
        _, said, rows = self.bench(figures)
        self.assertIn("Not stored: ", said)
        self.assertEqual(rows, whole)
        self.assertEqual({row["round"] for row in rows}, {"1", "2", "3"})


# A server that prints its ready line and then does nothing.
FAKE_SERVER = """\
#!/bin/sh
echo model: listening on 127.0.0.1:1
exec sleep 600
"""

# A client that writes its arguments to a file beside it, and copies the file
# `row` beside it to its CSV file.
FAKE_CLIENT = """\
#!/bin/sh
echo "$@" >"${0%/*}/arguments"
while [ "$1" != --csv ]; do shift; done
cat "${0%/*}/row" >"$2"
"""


class Processes(unittest.TestCase):
    part = "processes"

    def setUp(self):
        self.folder = folder_for(self)
        self.options = types.SimpleNamespace(bin=self.folder,
                                             build=self.folder)

    def output_of(self, text, *arguments):
        """Returns the figures printed by a measuring program with this text."""
        write_script(self.folder / "switch_co", text)
        run = Run("switch", ("switch_co", *arguments))
        with bench_coro.costs.held_back():
            return bench_coro.output_of(run, self.options, None)

    def test_programs_print_figures(self):
        self.assertEqual(self.output_of("#!/bin/sh\necho switch $2 ns\n",
                                        "1", "42"), {"switch": 42})

    def test_programs_that_fail(self):
        with self.assertRaisesRegex(RunFailed, "switch_co 1: status 3"):
            self.output_of("#!/bin/sh\nexit 3\n", "1")
        with self.assertRaisesRegex(RunFailed, "no figures"):
            self.output_of("#!/bin/sh\necho ouch\n")
        with unittest.mock.patch.object(bench_coro, "PROGRAM_TIMEOUT_S", 0.2), \
                self.assertRaisesRegex(RunFailed, "status None"):
            self.output_of("#!/bin/sh\nexec sleep 600\n")

    def replies_of(self, **row):
        """Returns the figures of a server that are computed from fibload's row.
        The columns `row` replace values of a good run."""
        row = {"served": 10, "server_cpu_us_per_req": 2.5,
               "req_per_s": 1000, "pss_kib": 7, **row}
        (self.folder / "row").write_text(
            f"{','.join(row)}\n{','.join(map(str, row.values()))}\n")
        write_script(self.folder / "coroutine", FAKE_SERVER)
        write_script(self.folder / "fibload", FAKE_CLIENT)
        with bench_coro.costs.held_back():
            return bench_coro.replies_of(Run("serve", (), "coroutine", 10, 5),
                                         self.options, (None, None))

    def test_servers_are_measured_by_fibload(self):
        self.assertEqual(self.replies_of(),
                         {"cpu": 2.5, "rate": 1000, "memory": 7168})
        arguments = (self.folder / "arguments").read_text()
        self.assertRegex(arguments, "^-c 10 --idle 5 .* 1$")

    def test_a_server_that_did_not_serve_all_clients_has_no_figures(self):
        with self.assertRaisesRegex(RunFailed,
                                    "coroutine served 9 of 10 clients"):
            self.replies_of(served=9)


class CommandLine(measuring.CommandLine):
    part = "command_line"
    NAME = "coroutines"
    OPTIONS = (*measuring.CommandLine.OPTIONS, "--only")
    WRONG = (*measuring.CommandLine.WRONG,
             (["--only", "switch,walk"], "switch create park serve"))

    def test_programs_that_are_not_built_are_named(self):
        folder = folder_for(self)
        run = measuring.run("coroutines", "--only", "create", "--rounds", "1",
                            "--build", folder, "--csv", folder / "coro.csv")
        self.assertEqual((run.returncode, run.stderr), (1, ""))
        self.assertEqual(run.stdout.count("coroutines: cannot start"), 3)
        self.assertEqual(rows_of(folder / "coro.csv"), [])

    def test_a_file_that_cannot_be_written(self):
        run = measuring.run("coroutines", "--only", "create", "--rounds", "1",
                            "--build", "/nonexistent", "--csv",
                            "/proc/coro.csv")
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stderr, "^coroutines: /proc/coro.csv: .*\n$")


class ShortRun(unittest.TestCase):
    part = "run"
    TRIES = 5

    def setUp(self):
        self.csv = folder_for(self) / "coro.csv"

    def command(self, *arguments):
        return measuring.command(
            "coroutines", "--bin", measuring.BIN, "--build", measuring.BUILD,
            "--csv", self.csv, *arguments,
            patch="program.MEASURED_MS, program.WARMUP_MS = 500, 50")

    def check_table(self, said, rows):
        """Checks that each line of the table has median, lowest and highest of
        its values in the file. Returns the number of lines."""
        above, found = "", 0
        for line in said.splitlines():
            shown = re.match(r"  ( *\S.*?) +([\d.,]+) (\S+) +"
                             r"([\d.,]+)-([\d.,]+)( .*)?$", line)
            if not shown:
                continue
            text, *numbers = shown.group(1, 2, 4, 5)
            above = text if text[0] != " " else above
            name = text if text == above else f"{above}: {text.strip()}"
            values = measuring.values(rows, row=name, unit=shown[3])
            for number, value in zip(numbers, (median(values), min(values),
                                               max(values))):
                # Ratios have two decimals, all else three digits.
                self.assertAlmostEqual(
                    float(number.replace(",", "")), value, msg=line,
                    delta=0.0051 * max(1, value) if shown[3] == "x"
                    else 0.0051 * value)
            found += 1
        return found

    def run_with_ten_clients(self):
        """Measures with 100 descriptors, which are enough for ten clients only.
        Returns the finished process. On a busy machine a client may get no
        reply in time, and the run fails: it is then made again."""
        for _ in range(self.TRIES):
            run = subprocess.run(
                self.command("--rounds", "2", "--only", "create,serve"),
                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                check=False, preexec_fn=lambda: resource.setrlimit(
                    resource.RLIMIT_NOFILE, (100, 100)))
            if not re.search(r" served \d of 10 clients", run.stdout):
                break
        return run

    def test_the_table_says_what_the_file_says(self):
        run = self.run_with_ten_clients()
        rows = rows_of(self.csv)
        self.assertEqual(run.stderr, "")
        self.assertEqual(run.returncode, 1, run.stdout)
        self.assertIn("5 measurements in 2 rounds", run.stdout)
        self.assertEqual(run.stdout.count("coroutines: skipped: "),
                         run.stdout.count("coroutines: "), run.stdout)
        self.assertEqual(self.check_table(run.stdout, rows), 5 + 5)
        self.assertEqual(Counter(row["round"] for row in rows),
                         {"1": 10, "2": 10})
        ratios = [ours / theirs for ours, theirs in zip(
            measuring.values(rows, row="10 active"),
            measuring.values(rows, row="10 active: callbacks", unit="us"))]
        for ratio, shown in zip(ratios, measuring.values(
                rows, row="10 active: times callbacks")):
            self.assertAlmostEqual(ratio, shown, delta=0.001 * ratio)

    def test_interrupted_it_shows_what_there_is_and_leaves_no_process(self):
        status, said = measuring.interrupted(
            self.command("--only", "serve", "--rounds", "1000"),
            str(self.csv.parent))
        self.assertEqual(status, 130)
        self.assertIn("coroutines: interrupted: not all rounds were made",
                      said)
        self.assertTrue(self.csv.exists())


if __name__ == "__main__":
    tap.main()

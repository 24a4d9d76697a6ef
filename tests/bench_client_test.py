#!/usr/bin/env python3
"""Tests of scripts/bench/load_client: its arithmetic, how it reads the output
of other tools, its command line and its errors, and one short run, whose tables
must show the figures of its CSV file. Parts: see tap.py.

Shell scripts take the place of other load clients: each prints what the real
client printed once.
"""

import contextlib
import csv
import io
import os
import pathlib
import re
import shutil
import sys
import types
import unittest
import unittest.mock
from collections import Counter
from statistics import median

import measuring
import tap
from programs import folder_for, rows_of, write_script

bench_client = measuring.as_module("load_client")
RunFailed = bench_client.RunFailed

WRK = """\
Running 1s test @ http://127.0.0.1:48077/
  1 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   262.39us  314.23us   4.31ms   96.03%
    Req/Sec   149.74k    15.87k  168.03k    70.00%
  165000 requests in 1.10s, 8.94MB read
Requests/sec: 150000.00
Transfer/sec:      8.93MB
"""

AB = """\
This is ApacheBench, Version 2.3 <$Revision$>
Concurrency Level:      50
Time taken for tests:   1.250 seconds
Complete requests:      200000
Failed requests:        0
Keep-Alive requests:    200000
Requests per second:    160000.00 [#/sec] (mean)
"""

REDIS = """\
"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms"
"PING_INLINE","99999.94","0.563","0.136","0.295"
"""

PERF = """\
# started on Thu Nov 26 15:14:04 2026

29,,raw_syscalls:sys_enter,974300,100.00,,
"""

# The output of strace, and that of versions before 5.
STRACE = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000020           2         8           mmap
 40.00    0.000010           1        21         1 access
------ ----------- ----------- --------- --------- ----------------
100.00    0.000030           1        29         1 total
"""
OLD_STRACE = STRACE.replace("0.000030           1", "0.000030            ")


def place_of(figures=None, **options):
    """Returns a Place without running servers. `figures` has for each figure
    the values by round."""
    place = bench_client.Place(
        types.SimpleNamespace(bin=pathlib.Path("bin"), rounds=1,
                              build=pathlib.Path("build"), **options),
        pathlib.Path("/tmp"), (0, 1))
    place.servers = {protocol: (None, port) for protocol, port in
                     (("fib", 1001), ("http", 1002), ("redis", 1003))}
    for figure, by_round in (figures or {}).items():
        for place.round, value in by_round.items():
            place.note(*figure, value=value)
    return place


def values_of(figure, load, **clients):
    """Returns the values of one figure under one load, as place_of() takes
    them. `clients` has for each client a value for every round; None stands for
    a run that failed."""
    return {(figure, name.replace("_", " "), load):
            {number: value for number, value in enumerate(values, 1)
             if value is not None}
            for name, values in clients.items()}


def goals_of(figures, clients=("fibload", "bare loop")):
    """Returns the goals for which `figures` has values, by their text: their
    values, and the highest and the lowest value that meets the goal."""
    place = place_of(figures)
    rows = [(row, list(row.sample(place)))
            for row in bench_client.rows(clients[2:])]
    return {row.text: (values, row.most, row.least)
            for row, values in rows if values}


class Arithmetic(unittest.TestCase):
    def test_the_true_p99_follows_from_the_freezes(self):
        # p99 leaves out 1 % of 4 s, that is 40 ms: 20 ms of each of the two
        # freezes.
        self.assertAlmostEqual(bench_client.true_p99_s([0.2, 0.2]), 0.18)
        self.assertAlmostEqual(bench_client.true_p99_s([0.3, 0.2]), 0.23)

    def test_goals(self):
        many = bench_client.many()
        goals = goals_of({
            **values_of("cpu", "50", fibload=[2, 3], bare_loop=[2, 2],
                        wrk=[4, 4], ab=[2, 3]),
            **values_of("rate", "50 x 16", fibload=[300], wrk=[100]),
            ("ramp", "fibload", many): {1: 0.2},
            ("memory", "fibload", many): {1: 900},
            ("late", "fibload", 1000): {1: 0.5},
            ("got", "fibload", 50_000): {1: 1},
            ("freeze", "fibload", "off"): {1: 1.5},
        }, ("fibload", "bare loop", "wrk", "ab"))
        self.assertEqual(goals["CPU, 50 connections : bare loop"],
                         ([1, 1.5], 1.05, None))
        self.assertEqual(goals["CPU, 50 connections : wrk"],
                         ([0.5, 0.75], 0.75, None))
        self.assertEqual(goals["CPU, 50 connections : ab"],
                         ([1, 1], 1, None))
        self.assertEqual(goals["pipelined requests/s : wrk"], ([3], None, 2))
        self.assertEqual(goals[f"s to open {many:,} connections"],
                         ([0.2], 0.3, None))
        self.assertEqual(goals[f"bytes each of {many:,} connections"],
                         ([900], 1024, None))
        self.assertEqual(goals["us send delay at -R 1000, median"],
                         ([0.5], 1, None))
        self.assertEqual(goals["replies at -R 50000 : due"],
                         ([1], None, 0.999))
        self.assertEqual(goals["% off the true p99 of 200 ms freezes"],
                         ([1.5], 2, None))
        self.assertEqual(len(goals), 9)

    def test_ratios_near_one_are_shown_precisely(self):
        self.assertEqual(bench_client.precisely(0.99512), "0.9951")
        self.assertEqual(bench_client.precisely(0.951), "0.951")
        self.assertEqual(bench_client.precisely(1.512), "1.51")


class Parsing(unittest.TestCase):
    def read(self, client, text, shape="50"):
        return bench_client.requests_and_rate(client, shape, text)

    def test_each_tool(self):
        self.assertEqual(self.read("wrk", WRK), (165_000, 150_000))
        self.assertEqual(self.read("ab", AB), (200_000, 160_000))
        self.assertEqual(self.read("redis-benchmark", REDIS),
                         (80_000, 99_999.94))
        self.assertEqual(self.read("bare loop", "replies 120000 1\n"),
                         (120_000, 200_000))
        self.assertEqual(self.read("bare loop", "replies 1.2e+05 1\n", "1,000"),
                         (120_000, 120_000))

    def test_no_requests_are_no_figures(self):
        for client in ("wrk", "ab", "redis-benchmark", "bare loop"):
            for text in ("", "segmentation fault\n", "replies 0 1\n",
                         WRK.replace("165000", "0"), AB.replace("200000", "0")):
                with self.assertRaises(RunFailed, msg=f"{client}: {text!r}"):
                    self.read(client, text)

    def test_requests_that_failed_are_named(self):
        for client, text, said in (
                ("wrk", WRK + "  Non-2xx or 3xx responses: 7\n",
                 "wrk: Non-2xx or 3xx responses: 7"),
                ("wrk", "  Socket errors: connect 0, read 3, write 0, "
                        f"timeout 0\n{WRK}",
                 "wrk: Socket errors: connect 0, read 3, write 0, timeout 0"),
                ("ab", AB.replace("requests:        0", "requests:        12"),
                 "ab: Failed requests: 12"),
                ("ab", f"{AB}Non-2xx responses:      5\n",
                 "ab: Non-2xx responses: 5")):
            with self.assertRaises(RunFailed) as caught:
                self.read(client, text)
            self.assertEqual(str(caught.exception), said)

    def test_system_calls(self):
        without_errors = STRACE.replace("        1 total", "          total")
        not_counted = "<not counted>,,raw_syscalls:sys_enter,0,,,\n"
        for text, calls in ((PERF, 29), (STRACE, 29), (OLD_STRACE, 29),
                            (without_errors, 29), (not_counted, 0), ("", 0)):
            self.assertEqual(bench_client.calls_in(text), calls, text)

    def test_a_run_of_fibload_without_a_reply_fails(self):
        outcome = bench_client.Outcome("", 0.3, 2048)
        with unittest.mock.patch.object(
                bench_client, "run_fibload",
                return_value=({"replies": 0, "duration_s": 600}, outcome)), \
                self.assertRaisesRegex(RunFailed, "fibload: no replies"):
            bench_client.measure_client("fibload", "50", place_of())

    def row(self, **columns):
        """Writes a row as fibload does, in which these columns replace values
        of a good run. Returns what row_of() returns."""
        row = {"model": "x", "wrong": 0, "error_replies": 0, "failed": 0,
               "timeouts": 0, "connected": 50, "connections": 50, "churn": 0,
               **columns}
        place = place_of()
        place.directory = folder_for(self)
        with open(place.directory / "run.csv", "w", newline="",
                  encoding="utf-8") as file:
            rows = csv.DictWriter(file, row)
            rows.writeheader()
            rows.writerow(row)
        return bench_client.row_of(place)

    def test_rows_of_fibload(self):
        self.assertEqual(self.row(p99_us=12.5)["p99_us"], 12.5)
        self.assertEqual(self.row(connected=0, churn=1)["churn"], 1)
        for column in ("wrong", "error_replies", "failed", "timeouts"):
            with self.assertRaisesRegex(RunFailed, f"fibload: 3 {column}"):
                self.row(**{column: 3})
        with self.assertRaisesRegex(RunFailed, "not all connections"):
            self.row(connected=49)


class Commands(unittest.TestCase):
    def setUp(self):
        self.place = place_of()
        self.place.directory = folder_for(self)

    def test_each_client_is_told_the_shape(self):
        script = self.place.directory / "pipeline.lua"
        for client, shape, command in (
                ("bare loop", "1", "build/bare_loop 1001 1 1 600"),
                ("bare loop", "1,000", "build/bare_loop 1001 1000 1 1000"),
                ("bare loop", "50 x 16", "build/bare_loop 1001 50 16 600"),
                ("wrk", "50", "wrk -t1 -c50 -d1s http://127.0.0.1:1002/"),
                ("wrk", "50 x 16", f"wrk -t1 -c50 -d1s -s{script} "
                                   "http://127.0.0.1:1002/"),
                ("ab", "1,000", "ab -q -k -c 1000 -t 1 -n 10000000 "
                                "http://127.0.0.1:1002/"),
                ("redis-benchmark", "50 x 16",
                 "redis-benchmark -p 1003 -t ping_inline --csv -n 800000 "
                 "-c 50 -P 16")):
            said = bench_client.command_of(client, shape, self.place)
            self.assertEqual(" ".join(map(str, said)), command)

    def test_fibload_is_told_the_shape(self):
        row = {"replies": 1200, "duration_s": 0.6}
        outcome = bench_client.Outcome("", 0.3, 2048)
        for client, shape, arguments in (
                ("fibload", "50 x 16",
                 "-c 50 -P 16 -d 600ms --warmup 0"),
                ("fibload --no-stamps", "1,000",
                 "-c 1000 -P 1 -d 1000ms --warmup 0 --no-stamps")):
            with unittest.mock.patch.object(
                    bench_client, "run_fibload",
                    return_value=(row, outcome)) as run:
                bench_client.measure_client(client, shape, self.place)
            self.assertEqual(run.call_args[0][1].strip(), arguments)
            for figure, value in (("rate", 2000), ("cpu", 250), ("memory", 2)):
                self.assertEqual(
                    list(self.place.sample(figure, client, shape)), [value])

    def test_the_pipeline_of_wrk(self):
        bench_client.command_of("wrk", "50 x 16", self.place)
        script = (self.place.directory / "pipeline.lua").read_text()
        self.assertIn("for i = 1, 16 do", script)

    def round(self, number, clients=tuple(bench_client.CLIENTS)):
        """Returns the tasks of this round: name and arguments of each."""
        return [(task.__name__, *arguments) for _, task, *arguments, _ in
                bench_client.tasks(clients, number, self.place)]

    def test_a_round_has_every_client_in_every_shape(self):
        measured = Counter((shape, client) for task, *rest in self.round(1)
                           if task == "measure_client"
                           for client, shape in [rest])
        expected = Counter((shape, client) for shape in bench_client.LOADS
                           for client in bench_client.CLIENTS)
        del expected["50 x 16", "ab"]
        expected["50", "fibload --no-stamps"] = 1
        self.assertEqual(measured, expected)

    def test_what_is_compared_is_measured_side_by_side(self):
        shapes = [rest[1] for task, *rest in self.round(1)
                  if task == "measure_client"]
        changes = sum(a != b for a, b in zip(shapes, shapes[1:]))
        self.assertEqual(changes, len(bench_client.LOADS) - 1)

    def test_the_order_of_clients_is_random(self):
        self.assertGreater(len({tuple(self.round(1)) for _ in range(20)}), 1)

    def test_freezes_are_in_the_first_rounds_only(self):
        for number, freezes in ((1, 1), (3, 1), (4, 0)):
            tasks = [task for task, *_ in self.round(number)]
            self.assertEqual(tasks.count("measure_freeze"), freezes, number)
            for task in ("measure_rates", "measure_many", "measure_churn"):
                self.assertEqual(tasks.count(task), 1)


class Rounds(unittest.TestCase):
    """Rounds in which a run fails: it must leave a message and a gap, and the
    other runs must count."""

    def measure(self, rounds, fails):
        """Measures three clients. The runs of each have the values 1, 2, ...;
        those in `fails`, pairs of client and round, fail. Returns the Place."""
        place = place_of()
        place.options.rounds = rounds
        calls = Counter()

        def task(client, shape, place):
            calls[client] += 1
            if (client, place.round) in fails:
                raise RunFailed(f"{client} failed")
            place.note("cpu", client, shape, value=calls[client])

        def tasks(clients, _number, place):
            return [(client, task, client, "50", place) for client in clients]

        with unittest.mock.patch.multiple(
                bench_client, tasks=tasks, count_calls=lambda *_: None):
            bench_client.measure(["fibload", "bare loop", "wrk"], place)
        return place

    def test_a_failed_run_is_a_problem_and_leaves_a_gap(self):
        place = self.measure(3, {("wrk", 2)})
        self.assertEqual(place.problems, ["wrk failed"])
        self.assertEqual(place.values["cpu", "wrk", "50"], {1: 1, 3: 3})
        self.assertEqual(list(place.sample("cpu", "fibload", "50")), [1, 2, 3])

    def show(self, place):
        """Shows and saves what was measured. Returns the text that is printed
        and the rows of the CSV file."""
        place.options.csv = folder_for(self) / "new" / "client.csv"
        with contextlib.redirect_stdout(io.StringIO()) as said:
            bench_client.show(["fibload", "bare loop", "wrk"], place)
        return said.getvalue(), rows_of(place.options.csv)

    def test_the_file_names_the_round(self):
        _, rows = self.show(self.measure(3, {("wrk", 2)}))
        self.assertEqual([row["round"] for row in rows
                          if row["client"] == "wrk"], ["1", "3"])
        self.assertEqual(len(rows), 8)

    def test_clients_that_were_not_measured_are_not_shown(self):
        said, _ = self.show(self.measure(1, {("wrk", 1)}))
        self.assertIn("bare loop", said)
        self.assertNotIn("  wrk", said)
        self.assertNotIn("system calls per request (", said)


class Processes(unittest.TestCase):
    """Runs of one client: its output, CPU time, memory and failures."""

    part = "processes"

    def setUp(self):
        self.place = place_of()
        self.place.directory = folder_for(self)
        self.place.cores = (None, None)

    def run_client(self, *command, **arguments):
        with bench_client.costs.held_back():
            return bench_client.run_client(command, self.place, **arguments)

    def test_output_and_cost_are_those_of_the_process(self):
        burn = "import time\nwhile time.process_time() < 0.2: pass\nprint('x')"
        outcome = self.run_client(sys.executable, "-c", burn)
        self.assertEqual(outcome.text, "x\n")
        self.assertGreaterEqual(outcome.cpu_s, 0.2)
        self.assertLess(self.run_client("true").cpu_s, outcome.cpu_s)

    def test_memory_is_the_most_that_it_had(self):
        """The process ends only after its memory was read."""
        seen = self.place.directory / "seen"
        hold = ("import os, time\nx = bytearray(50 << 20)\ndel x\n"
                f"while not os.path.exists({str(seen)!r}): time.sleep(0.01)")

        kib_of = bench_client.kib_of

        def look(*arguments):
            kib = kib_of(*arguments)
            if kib >= 50 << 10:
                seen.touch()
            return kib

        with unittest.mock.patch.object(bench_client, "kib_of", look):
            outcome = self.run_client(sys.executable, "-c", hold)
        self.assertGreaterEqual(outcome.memory_kib, 50 << 10)
        self.assertEqual(bench_client.kib_of(0, "status", "VmHWM"), 0)

    def test_a_status_that_is_not_accepted_fails(self):
        with self.assertRaisesRegex(RunFailed, "sh ended with status 1"):
            self.run_client("sh", "-c", "exit 1")
        self.run_client("sh", "-c", "exit 1", accepted=(0, 1))

    def test_a_program_that_is_not_there_fails(self):
        with self.assertRaisesRegex(RunFailed, "cannot start"):
            self.run_client("/nonexistent/wrk")

    def test_a_client_that_hangs_is_ended(self):
        with unittest.mock.patch.object(bench_client, "TIMEOUT_S", 0.2), \
                self.assertRaisesRegex(RunFailed, "sleep: not done after"):
            self.run_client("sleep", "600")

    def test_without_a_tool_no_calls_are_counted(self):
        with unittest.mock.patch.dict(os.environ, PATH="/nonexistent"):
            bench_client.count_calls(["fibload"], self.place)
        self.assertIsNone(self.place.tool)
        self.assertEqual(len(self.place.problems), 1)
        self.assertEqual(self.place.values, {})

    def test_a_tool_that_counts_nothing_is_a_problem(self):
        write_script(self.place.directory / "perf", FAKE_PERF)
        path = f"{self.place.directory}:{os.environ['PATH']}"
        with unittest.mock.patch.dict(os.environ, PATH=path), \
                bench_client.costs.held_back():
            self.place.options.bin = self.place.directory
            write_script(self.place.directory / "fibload",
                         "#!/bin/sh\necho 0 >\"${0%/*}/count\"\n")
            bench_client.count_calls(["fibload"], self.place)
        self.assertEqual(self.place.tool, "perf")
        self.assertEqual(self.place.problems,
                         ["fibload: no system calls counted"])


# Takes the place of perf: runs a program and writes that it made a thousand
# system calls. If the program has left a file `count` beside this script, it
# writes the number in that file instead.
FAKE_PERF = """\
#!/bin/sh
while [ "$1" != -- ]; do
    [ "$1" = -o ] && file=$2
    shift
done
shift
"$@" || exit
count=1000
[ -e "${0%/*}/count" ] && count=$(cat "${0%/*}/count")
echo "$count,,raw_syscalls:sys_enter,974300,100.00,," >"$file"
"""

# Takes the place of another load client: prints what the real one printed once.
FAKE_CLIENT = """\
#!/bin/sh
cat <<'END'
{said}END
"""

# Makes a run much shorter than usual.
SHORT = """
program.MEASURED_MS, program.MANY_MEASURED_MS = 200, 200
program.WARMUP_MS, program.RAMP_MS = 20, 100
program.FREEZE_S, program.FREEZE_EVERY_S, program.FREEZE_ROUNDS = 0.05, 0.2, 1
program.MANY, program.COUNTED_REQUESTS = 200, 500
"""


class CommandLine(measuring.CommandLine):
    part = "command_line"
    NAME = "load_client"

    def test_without_servers_there_is_one_line_and_no_figures(self):
        folder = folder_for(self)
        for server, said in (("", "cannot start"),
                             ("#!/bin/sh\n", "did not start"),
                             ("#!/bin/sh\necho fine\n", "did not start")):
            if server:
                write_script(folder / "null_server", server)
            run = measuring.run(self.NAME, "--build", folder, "--csv",
                                folder / "client.csv")
            self.assertEqual(run.returncode, 1, run.stderr)
            self.assertRegex(run.stderr, f"^load_client: .*{said}.*\n$")
            self.assertFalse((folder / "client.csv").exists())


class Run(unittest.TestCase):
    """Short runs with our own clients, and with scripts in the place of other
    clients."""

    part = "run"

    def setUp(self):
        self.tools = folder_for(self)
        self.csv = self.tools / "client.csv"
        for name in ("cat", "sh"):
            shutil.copy(f"/bin/{name}", self.tools)
        write_script(self.tools / "perf", FAKE_PERF)

    def command(self, *arguments, patch=""):
        return measuring.command(
            "load_client", "--bin", measuring.BIN, "--build", measuring.BUILD,
            "--csv", self.csv, *arguments, patch=SHORT + patch)

    def run_program(self, *arguments, patch=""):
        return measuring.finish(self.command(*arguments, patch=patch),
                                PATH=str(self.tools))

    def add_client(self, name, said):
        write_script(self.tools / name, FAKE_CLIENT.format(said=said))

    def check_tables(self, said, rows):
        """Checks that each figure in the tables is the median of its values in
        the file. Returns the number of figures of each kind."""
        found = Counter()
        for figure, client, load, text in rows_of_tables(said):
            values = measuring.values(rows, figure=figure, client=client,
                                      load=load)
            what = figure, client, load
            if not values:
                self.assertEqual(text, "-", what)
                continue
            found[figure] += 1
            # Tables have three digits, the file has six.
            shown = float(text.replace(",", ""))
            self.assertAlmostEqual(shown / median(values), 1, delta=0.0051,
                                   msg=what)
        return found

    def test_the_tables_say_what_the_file_says(self):
        self.add_client("wrk", WRK)
        self.add_client("redis-benchmark", REDIS)
        run = self.run_program("--rounds", "2")
        problems = re.findall("^load_client: (.*)$", run.stdout, re.M)
        self.assertEqual((run.stderr, run.returncode),
                         ("", int(len(problems) > 0)), run.stdout)
        self.assertIn("not installed: ab;", run.stdout)
        rows = rows_of(self.csv)
        # Four clients in four shapes of load, and --no-stamps in one. If the
        # machine was stalled during a run, that run is a problem and there are
        # fewer figures.
        found = self.check_tables(run.stdout, rows)
        if not problems:
            self.assertEqual((found["rate"], found["cpu"], found["calls"]),
                             (17, 17, 4))
        self.assertIn("system calls per request (perf)", run.stdout)
        rates = {row["value"] for row in rows
                 if row["client"] == "wrk" and row["figure"] == "rate"}
        self.assertEqual(rates, {"150000"})
        self.check_ratio(run.stdout, rows)

    def check_ratio(self, said, rows):
        """Checks the line that compares fibload with wrk. It is made of the
        rounds in which both have a figure."""
        ours, theirs = ({row["round"]: float(row["value"]) for row in rows
                         if (row["figure"], row["client"], row["load"])
                         == ("cpu", client, "50")}
                        for client in ("fibload", "wrk"))
        ratios = [ours[number] / theirs[number]
                  for number in ours.keys() & theirs.keys()]
        shown = re.findall(r"^  CPU, 50 connections : wrk +(\S+) +(\S+)-(\S+) "
                           r" at most 0.75 +(\w+)$", said, re.M)
        self.assertEqual(shown, [(
            *map(bench_client.precisely,
                 (median(ratios), min(ratios), max(ratios))),
            "met" if median(ratios) <= 0.75 else "MISSED")] if ratios else [])

    def test_a_client_that_fails_is_named_and_the_others_are_measured(self):
        self.add_client("wrk", "unable to connect\n")
        run = self.run_program(
            "--rounds", "1",
            patch="program.LOADS = {'50': program.LOADS['50']}")
        self.assertEqual(run.returncode, 1)
        # One message is about its only shape, one about its system calls.
        self.assertEqual(run.stdout.count(
            "load_client: wrk: no requests in what it said"), 2)
        self.assertNotRegex(run.stdout, r"(?m)^  wrk ")
        rows = rows_of(self.csv)
        self.assertEqual({row["client"] for row in rows},
                         {"fibload", "fibload --no-stamps", "bare loop"})

    def test_interrupted_it_shows_what_there_is_and_leaves_no_process(self):
        status, said = measuring.interrupted(
            self.command("--rounds", "1000"), str(self.tools),
            PATH=str(self.tools))
        self.assertEqual(status, 130)
        self.assertIn("load_client: interrupted: not all rounds were made",
                      said)
        self.assertTrue(self.csv.exists())


def rows_of_tables(said):
    """Yields each figure that the tables show: its kind, the client, the shape
    of the load, and the text."""
    titles = {"requests per second": "rate", "CPU us per request": "cpu",
              "peak memory, MiB": "memory", "system calls per": "calls"}
    for title, figure in titles.items():
        tables = re.findall(rf"^{title}.*\n(?:  .*\n)+", said, re.M)
        for head, *lines in map(str.splitlines, tables):
            shapes = re.findall(r"50 x 16|1,000|50|1", head[30:])
            for line in lines:
                texts = re.findall(r"\S+", line[30:])
                for shape, text in zip(shapes, texts):
                    yield figure, line[2:30].strip(), shape, text


if __name__ == "__main__":
    tap.main()

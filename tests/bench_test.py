#!/usr/bin/env python3
"""Tests of the bench at work: single runs in which a program misbehaves, and
small benches, also interrupted ones and ones that lack something they need.
report_test.py tests what the bench computes from runs, and plot_test.py its
pictures. Parts: see tap.py."""

import concurrent.futures
import contextlib
import csv
import errno
import io
import json
import math
import os
import pathlib
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import types
import unittest
import unittest.mock

import sentences
import tap
from programs import (
    PATIENCE_S, folder_for, need_matplotlib, patient_bin, processes_of, rows_of,
    wait_for_end_of, wait_until, write_script)
from programs import run as run_program
from under_test import (
    BIN, ELSEWHERE, EXPERIMENTS, MODELS, REFERENCE, SCRIPTS, Interrupted,
    PlannedRun, as_module, calibration, doctor, finding, finished, held_back,
    processes, program, raise_when_stopped, read_runs, request_log, run, wait)

BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}
# The experiments that a default bench of the five models makes, as in the
# reference run.
WITH_FIVE = {name for name, experiment in BY_NAME.items()
             if experiment.models(MODELS) and not experiment.by_request}

# A whole bench takes less than this, even on the slowest machine.
BENCH_S_MAX = 600


@tap.part("processes")
class Processes(unittest.TestCase):
    """Single runs whose server or client are shell scripts, which may fail or
    hang."""

    # Writes a row of runs.csv, as the real client does.
    CLIENT = ('while [ "$1" != --csv ]; do shift; done; '
              'printf "model,requests\\nfork,7\\n" >"$2"')

    # Starts a child that does not end with its server. processes_of() finds the
    # child by its environment: MARK is $0, a path in the folder of the test.
    SERVER = ("MARK=$0 sleep 1000 & echo fork: listening on 127.0.0.1:1234; "
              "exec sleep 1000")

    def tearDown(self):
        for signo in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signo, signal.SIG_DFL)

    def run_with(self, server=SERVER, client=CLIENT, ready_s=PATIENCE_S,
                 client_s=PATIENCE_S):
        """Makes a run with two shell scripts as server and client. Returns the
        text of runs.csv. Fails if a process is left."""
        with tempfile.TemporaryDirectory() as scratch, held_back():
            directory = pathlib.Path(scratch)
            for name, script in (("fork", server), ("fibload", client)):
                write_script(directory / name, f"#!/bin/sh\n{script}\n")
            silent = BY_NAME["silent"]
            made = PlannedRun(silent, silent.cells[0], "fork", 1)
            options = types.SimpleNamespace(bin=directory, size="quick",
                                            models=["fork"], programs={},
                                            on=None)
            try:
                with unittest.mock.patch.multiple(
                        processes, READY_TIMEOUT_S=ready_s,
                        CLIENT_TIMEOUT_S=client_s):
                    run.make_run(made, options, directory)
                return (directory / "runs.csv").read_text()
            finally:
                wait_for_end_of(scratch)

    def test_programs_that_behave(self):
        for client in (self.CLIENT, self.CLIENT + "; exit 1"):
            made, = csv.DictReader(io.StringIO(self.run_with(client=client)))
            self.assertEqual((made["model"], made["requests"]), ("fork", "7"))
            self.assertGreaterEqual(float(made["foreign_cores"]), 0)
            for column in ("first_process_share", "set_ms", "turns"):
                self.assertIn(column, made)

    def test_processes_are_found_by_their_folder(self):
        with tempfile.TemporaryDirectory() as scratch:
            script = write_script(pathlib.Path(scratch, "server"),
                                  f"#!/bin/sh\n{self.SERVER}\n")
            with processes.serving([script], "fork"):
                wait_until(lambda: len(processes_of(scratch)) == 1,
                           "the child of the server is found")
            wait_for_end_of(scratch)

    def test_servers_that_do_not_start(self):
        for script, ready_s in (("sleep 1000 & wait", 0.2),
                                ("exit 1", PATIENCE_S),
                                ("echo no port; sleep 1000", 0.2),
                                ("yes no port", PATIENCE_S),
                                ("yes :1234 | tr '\\n' ' '", PATIENCE_S)):
            with self.assertRaises(processes.StartFailed) as caught:
                self.run_with(script, ready_s=ready_s)
            limit = str(ready_s) if ready_s < PATIENCE_S else ""
            self.assertEqual(sentences.facts(str(caught.exception)),
                             f"fork | {limit}".rstrip())

    def test_a_server_that_first_prints_other_lines(self):
        banner = "echo my server 2.0; echo; "
        self.assertIn("fork", self.run_with(banner + self.SERVER))

    def test_clients_that_fail(self):
        for script, client_s, facts in (
                ("exit 0", PATIENCE_S, "|"), ("exit 2", PATIENCE_S, "| 2"),
                ("kill -SEGV $$", PATIENCE_S, "| 11"),
                ("sleep 1000", 0.2, "| 0.2")):
            with self.assertRaises(processes.RunFailed) as caught:
                self.run_with(client=script, client_s=client_s)
            self.assertEqual(sentences.facts(str(caught.exception)), facts)

    def test_a_chatty_server_is_read_all_the_time(self):
        """Checks that a server can write more than a pipe holds: if the bench
        stopped reading after the first line, the server would block."""
        chatter = ("echo fork: listening on 127.0.0.1:1; "
                   "head -c 1000000 /dev/zero; touch {}; exec sleep 1000")
        with tempfile.TemporaryDirectory() as scratch:
            done = pathlib.Path(scratch, "done")
            script = write_script(pathlib.Path(scratch, "server"),
                                  f"#!/bin/sh\n{chatter.format(done)}\n")
            with open(pathlib.Path(scratch, "log"), "wb") as log, \
                    processes.serving([script], "fork", log=log) as server:
                wait_until(done.exists, "it has written all")
            server.output.thread.join(PATIENCE_S)
            self.assertGreater(os.path.getsize(log.name), 1000000)

    def reading_late(self, is_time):
        """Returns a patch that lets `processes` wait until is_time() is true
        before each read from a pipe."""
        def read(fd, size):
            wait_until(is_time, "the moment to read")
            return os.read(fd, size)

        late_os = types.SimpleNamespace(**{**vars(os), "read": read})
        return unittest.mock.patch.object(processes, "os", late_os)

    def test_a_pipe_that_is_closed_is_not_taken_for_the_next(self):
        """Checks that a late reader does not read from the next pipe. That pipe
        gets the number of the closed one, and has the first line of another
        server."""
        def pipe_with(line):
            reading, writing = os.pipe()
            os.write(writing, line)
            os.close(writing)
            return os.fdopen(reading, "rb", 0)

        later = []
        with self.reading_late(lambda: later), held_back():
            first = pipe_with(b"first\n")
            output = processes.Output(first)
            first.close()
            with pipe_with(b"second\n") as second:
                later.append("now")
                self.assertEqual(output.find(".+", PATIENCE_S)[0], "first")
                self.assertEqual(second.readline(), b"second\n")

    def test_the_last_words_of_a_server_are_kept(self):
        script = ("trap 'echo last words; exit' TERM; "
                  "echo fork: listening on 127.0.0.1:1; sleep 1000 & wait")
        read, servers = [], []

        def is_time():
            if read:
                return servers and servers[0].process.stdout.closed
            read.append("the first line")
            return True

        with tempfile.TemporaryDirectory() as scratch, held_back(), \
                self.reading_late(is_time):
            server = write_script(pathlib.Path(scratch, "server"),
                                  f"#!/bin/sh\n{script}\n")
            with open(pathlib.Path(scratch, "log"), "wb") as log:
                with processes.serving([server], "fork", log=log) as running:
                    servers.append(running)
                    running.stop()
            said = pathlib.Path(log.name).read_text()
        self.assertEqual(said.split("\n")[1:], ["last words", ""])

    def test_a_child_has_no_blocked_signals(self):
        """Checks that a child has no blocked signals, even if a thread starts
        it while we block signals."""
        show = "grep SigBlk /proc/self/status"
        with held_back(), concurrent.futures.ThreadPoolExecutor() as pool:
            status, said = pool.submit(
                processes.call, ["sh", "-c", show], PATIENCE_S).result()
        self.assertEqual((status, int(said.split()[1], 16)), (0, 0))

    # A program that starts a child, prints its pid, and is killed.
    PARENT = """
import os, sys
sys.path.insert(0, {scripts!r})
from lib import processes
with processes.started(["sh", "-c", "exec sleep 1000"]) as process:
    print(process.pid, flush=True)
    os.kill(os.getpid(), 9)
"""

    def test_no_child_outlives_us(self):
        done = subprocess.run(
            [sys.executable, "-c", self.PARENT.format(scripts=str(SCRIPTS))],
            stdout=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, -signal.SIGKILL)
        child = pathlib.Path("/proc", done.stdout.strip(), "cmdline")
        wait_until(lambda: not child.exists() or not child.read_bytes(),
                   "the child has ended")

    def test_a_process_with_the_number_of_one_that_ended_is_not_killed(self):
        with held_back(), processes.started(["sleep", "1000"]) as another:
            processes.kill_group(types.SimpleNamespace(
                pid=another.pid, returncode=0, wait=lambda: 0))
            another.terminate()
            self.assertEqual(wait(another, PATIENCE_S), -signal.SIGTERM)

    def test_a_signal_comes_only_where_it_is_waited(self):
        raise_when_stopped()
        with held_back(), processes.started(["sleep", "1000"]) as process:
            os.kill(os.getpid(), signal.SIGINT)
            self.assertIsNone(process.poll())
            with self.assertRaises(Interrupted):
                wait(process, PATIENCE_S)
        self.assertEqual(process.returncode, -signal.SIGKILL)

    def test_a_signal_before_the_child_has_a_session_is_not_for_the_child(self):
        """Checks that a signal to our process group, which the child leaves
        just after fork(), neither keeps the child from starting nor ends it."""
        prepare = processes.in_child()

        def signalled():
            os.kill(os.getpid(), signal.SIGTERM)
            prepare()

        raise_when_stopped()
        with held_back(), unittest.mock.patch.object(
                processes, "in_child", lambda core: signalled), \
                processes.started(["true"]) as process:
            self.assertEqual(wait(process, PATIENCE_S), 0)


@tap.part("processes")
class Machine(unittest.TestCase):
    """Calibration and `make doctor` on the machine of the test."""

    def test_a_calibration_gives_numbers_and_leaves_no_process(self):
        before = os.sched_getaffinity(0)
        found = calibration.calibrate(BIN / "fibload")
        self.assertEqual(list(found), list(sentences.CALIBRATION))
        self.assertGreater(found["timer"], 0)
        # On a busy machine, no reply may come in the time of a measurement.
        wait_until(lambda: calibration.reply_us(BIN / "fibload") > 0,
                   "the client gets replies of a server that does nothing")
        self.assertEqual(os.sched_getaffinity(0), before)
        with self.assertRaises(ChildProcessError):
            os.wait()

    def test_a_client_that_cannot_calibrate(self):
        for client in ("true", "false", "no/such/client"):
            self.assertTrue(math.isnan(calibration.reply_us(client)), client)

    def test_the_doctor_can_say_something(self):
        found = [examine() for examine in doctor.EXAMINATIONS]
        self.assertGreater(len(found), 10)
        for one in found:
            self.assertTrue(one.fact)
            self.assertIn(one.state, (doctor.GOOD, doctor.POOR,
                                      doctor.MISSING))


class Bench(unittest.TestCase):
    """Base of the tests that run the whole program. Their client stops after a
    few requests and waits long for late replies: see patient_bin()."""

    def setUp(self):
        self.scratch = folder_for(self)
        self.out = self.scratch / "out"
        self.bin = patient_bin(self.scratch)

    def start(self, *arguments, env=None, **options):
        """Starts a quick bench and returns its process. It leads a process
        group, as if a shell had started it. Its environment has the path of our
        folder, by which wait_for_end_of() finds processes that are left."""
        variables = {"BENCH_TEST": str(self.scratch), **(env or {})}
        bench = subprocess.Popen(
            [sys.executable, program("bench"), "--quick", "--out", self.out,
             "--bin", self.bin, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True, env={**os.environ, **variables}, **options)
        self.addCleanup(bench.stdout.close)
        self.addCleanup(bench.kill)  # if a test fails before it has ended
        return bench

    def end(self, bench, status):
        """Waits until a bench ends. Checks that it has this exit status and
        leaves no process. Returns its output, joined to one line."""
        said = " ".join(bench.communicate(timeout=BENCH_S_MAX)[0].split())
        self.assertEqual(bench.returncode, status, said)
        self.assertNotIn("Traceback", said)
        self.assertNotIn("has failed", said)
        wait_for_end_of(str(self.scratch))
        return said

    def finish(self, *arguments, status=0, env=None, **options):
        """Runs a bench to its end, as start() and end() do, and returns its
        output. Without `env`, it finds no matplotlib and draws no pictures."""
        return self.end(self.start(
            *arguments, env=env or self.without_matplotlib(), **options),
            status)

    def without_matplotlib(self, code="raise ImportError"):
        """Writes a module with this code. Returns the environment variables
        with which Python imports that module instead of matplotlib."""
        (self.scratch / "matplotlib.py").write_text(f"{code}\n")
        return {"PYTHONPATH": str(self.scratch)}

    def runs(self, **columns):
        """Returns the runs of the bench that have these values of columns."""
        return read_runs(self.out / "runs.csv").where(**columns)

    def report(self):
        return (self.out / "report.md").read_text("utf-8")

    def warnings(self):
        """Returns the facts() of each warning in the report."""
        about = json.loads((self.out / "about.json").read_text("utf-8"))
        return list(map(sentences.facts, about["warnings"]))

    def findings(self):
        """Returns the finding of each finished experiment, which the bench must
        print and report."""
        return [finding(experiment, runs)
                for experiment, runs in finished(self.runs())]


@tap.part("small")
class Small(Bench):
    def test_without_matplotlib(self):
        said = self.finish("--only", "silent", "--models", "blocking thread")
        self.assertIn("make setup", said)
        self.assertEqual(self.runs(model="blocking").values("served"), [0])
        self.assertEqual(self.runs(model="thread").values("served"), [1])
        self.assertEqual(len(self.runs()), 4)
        sentence, = self.findings()
        self.assertIn(sentence, said)
        self.assertIn(sentence, self.report())
        self.assertIn("<h3", (self.out / "report.html").read_text("utf-8"))
        self.assertIn("kernel", (self.out / "environment.txt").read_text())

    def test_claims_are_judged_and_said(self):
        said = self.finish("--only", "silent", "--models", "blocking thread")
        claims = rows_of(self.out / "claims.csv")
        self.assertEqual([one["verdict"] for one in claims], ["suggests"] * 2)
        for one in claims:
            self.assertIn(f"suggests: {one['claim']}", said)

    def test_every_request_of_a_timeline_is_kept(self):
        self.finish("--only", "timeline", "--models", "blocking coroutine",
                    "--rounds", "1")
        spans = request_log.read(self.out / "timeline.csv")
        requests = BY_NAME["timeline"].cells[0].requests
        for model in ("blocking", "coroutine"):
            self.assertEqual(len(request_log.shown(spans, model)), requests)
        self.assertEqual(self.runs(model="blocking")[0]["turns"], 0)
        self.assertGreater(self.runs(model="coroutine")[0]["turns"], 0.5)
        self.assertEqual([path.name for path in self.out.iterdir()
                          if path.is_dir()], [])

    def test_another_server_joins(self):
        other = self.scratch / "my server"
        shutil.copy(BIN / "thread", other)
        self.finish("--only", "silent", "--models", "fork", "--server", other)
        self.assertEqual(self.runs().models(), ["fork", "my server"])
        self.assertTrue(self.runs().all_served())


@tap.part("lacking")
class Lacking(Bench):
    """Benches that lack something: a server, a runtime, descriptors, cores, or
    right arguments."""

    def test_a_server_that_is_broken_is_left_out_and_named(self):
        (self.bin / "fork").unlink()
        write_script(self.bin / "fork",
                     '#!/bin/sh\necho >>"$0.tried"\nexit 1\n')
        self.finish("--only", "silent", "--models", "fork thread", status=1)
        self.assertEqual(self.runs().models(), ["thread"])
        self.assertEqual((self.bin / "fork.tried").read_text(), "\n")
        # One warning says that fork has no run, another one says why.
        self.assertEqual(sum("fork" in one for one in self.warnings()), 2)
        self.assertIn(self.findings()[0], self.report())

    def test_a_runtime_that_is_not_installed_is_left_out_and_named(self):
        installed = self.bin / "elsewhere"
        installed.mkdir()
        shutil.copy(BIN / "thread", installed / "node")
        self.finish("--only", "throughput", "--rounds", "1",
                    "--models", "thread node go")
        self.assertEqual(self.runs().models(), ["thread", "node"])
        self.assertEqual(self.runs().values("connections"), [10, 100, 1000])
        self.assertRegex(self.report(),
                         r"measured: go\. `make setup ELSEWHERE=1`")

    def test_servers_without_a_runtime_are_not_made(self):
        tools, made = self.scratch / "tools", self.scratch / "made"
        tools.mkdir()
        for tool in ("bash", "dirname", "mkdir", "ln", "rm"):
            (tools / tool).symlink_to(shutil.which(tool))
        done = subprocess.run(
            [SCRIPTS / "bench" / "elsewhere", made], env={"PATH": str(tools)},
            stdout=subprocess.PIPE, text=True, check=True)
        skipped = set(done.stdout.partition(": ")[2].partition(";")[0].split())
        self.assertLessEqual({"node", "go", "libuv"}, skipped)
        self.assertEqual({path.name for path in (made / "elsewhere").iterdir()},
                         set(ELSEWHERE) - skipped)

    def test_few_descriptors(self):
        self.finish("--only", "throughput", "--models", "coroutine",
                    "--rounds", "1", preexec_fn=lambda: resource.setrlimit(
                        resource.RLIMIT_NOFILE, (64, 64)))
        self.assertEqual(self.runs().values("connections"), [10, 40])
        self.assertTrue(self.runs().all_served())
        self.assertIn("| 40 64 100", self.warnings())

    def test_one_core(self):
        core = min(os.sched_getaffinity(0))
        self.finish("--only", "silent", "--models", "fork", preexec_fn=lambda:
                    os.sched_setaffinity(0, {core}))
        self.assertEqual(self.runs().values("placement"), ["free"])

    def test_bad_arguments(self):
        (self.scratch / "fork").write_text("")
        text = write_script(self.scratch / "text", "no program")
        for arguments, named in (
                (["--only", "nonsense"], "nonsense"),
                (["--models", "nonsense"], "nonsense"),
                (["--bin", self.scratch, "--models", "fork"],
                 f"{self.scratch}/fork"),
                (["--server", "bin/fork"], "--server: fork"),
                (["--server", "/bin/true"], "--server: true did not start"),
                (["--server", text], "--server: cannot start"),
                (["--only", "idle", "--models", "blocking"], "no run to make"),
                (["--models", "go"], "not installed: go"),
                (["--full"], "--full"),
                (["--rounds", "0"], "--rounds: "),
                (["--rounds", "two"], "'two'"),
                (["--out", self.scratch], f"--out: {self.scratch}"),
                (["--draw", self.scratch], f"--draw: {self.scratch}")):
            self.assertIn(named, self.finish(*arguments, status=2))
        self.finish("--out", "/proc/no/folder", status=1)
        self.assertFalse(self.out.exists())


@tap.part("hosts")
class TwoHosts(Bench):
    """A bench that starts its servers with a command prefix, as with ssh. The
    prefixes here lead to another network namespace, to another PID namespace,
    and to a shell that splits its arguments into words again."""

    NETWORK = f"fib{os.getpid()}"
    HERE = f"10.77.{os.getpid() // 60 % 250}.{os.getpid() % 60 * 4 + 1}"
    THERE = f"10.77.{os.getpid() // 60 % 250}.{os.getpid() % 60 * 4 + 2}"
    PIDS = "unshare --pid --fork --mount-proc"

    def setUp(self):
        """Moves the programs to a folder with a space in its name."""
        super().setUp()
        folder = self.scratch / "a folder"
        folder.mkdir()
        self.bin.rename(folder / "bin")
        self.bin = folder / "bin"

    def need(self, command):
        """Runs a command. Skips the test if the command is missing or fails."""
        try:
            done = subprocess.run(command.split(), capture_output=True,
                                  text=True, check=False)
        except OSError as problem:
            raise unittest.SkipTest(str(problem)) from None
        if done.returncode != 0:
            raise unittest.SkipTest(f"the kernel refuses {command}: "
                                    f"{done.stderr.strip()}")

    def make_network(self):
        """Makes a network namespace with an address that we can reach. Skips
        the test if the kernel does not let us."""
        link, name = f"v{self.NETWORK}", self.NETWORK
        self.need(f"ip netns add {name}")
        self.addCleanup(subprocess.run, ["ip", "netns", "del", name],
                        check=True)  # The link goes with it.
        self.need(f"ip link add {link} type veth "
                  f"peer name {link}p netns {name}")
        self.need(f"ip addr add {self.HERE}/30 dev {link}")
        self.need(f"ip link set {link} up")
        inside = f"ip netns exec {name} ip"
        self.need(f"{inside} addr add {self.THERE}/30 dev {link}p")
        self.need(f"{inside} link set {link}p up")

    def joining_words(self):
        """Returns a prefix that, like ssh, joins its arguments with spaces and
        hands them to a shell, in another session. The shell prints a line
        first, as a start file may do."""
        script = write_script(self.scratch / "joined",
                              '#!/bin/sh\necho Welcome; '
                              'exec setsid --wait sh -c "$*"\n')
        return str(script)

    def check_usage(self, *prefix):
        """Runs a bench with this prefix. Checks that the CPU time, memory,
        processes and threads of the servers are measured."""
        said = self.finish("--only", "throughput", "--models",
                           "fork thread coroutine", "--rounds", "1", *prefix)
        self.assertNotRegex(said, r"\bnan\b")
        runs = self.runs(connections=10)
        self.assertEqual(len(runs), 3)
        self.assertEqual(self.runs().values("placement"), ["hosts"])
        for run_ in runs:
            self.assertEqual(run_["served"], 10)
            self.assertGreater(run_["server_cpu_s"], 0)
            self.assertGreater(run_["pss_kib"], 0)
            self.assertTrue(math.isnan(run_["foreign_cores"]))
            self.assertTrue(math.isnan(run_["first_process_share"]))
        self.assertEqual({run_["model"]: (run_["processes"], run_["threads"])
                          for run_ in runs},
                         {"fork": (11, 11), "thread": (1, 11),
                          "coroutine": (1, 1)})
        self.assertIn(prefix[1], self.report())
        self.assertIn("two hosts", self.report())
        return said

    def test_another_network(self):
        self.make_network()
        self.check_usage("--on", f"ip netns exec {self.NETWORK}", "--host",
                         self.THERE)
        log = (self.out / "log.txt").read_text()
        self.assertIn(f"listening on {self.THERE}:", log)
        self.assertNotIn("127.0.0.1:", log)

    def test_other_process_numbers(self):
        self.need(f"{self.PIDS} true")
        self.check_usage("--on", self.PIDS, "--host", "localhost")

    def test_words_that_are_split_again(self):
        self.check_usage("--on", f"{self.joining_words()}", "--host",
                         "127.0.0.1")

    def test_a_server_that_is_broken_there_is_named(self):
        (self.bin / "fork").unlink()
        write_script(self.bin / "fork", "#!/bin/sh\nexit 1\n")
        self.finish("--only", "silent", "--models", "fork thread", "--on",
                    self.joining_words(), "--host", "127.0.0.1", status=1)
        self.assertEqual(self.runs().models(), ["thread"])
        self.assertEqual(sum("fork" in one for one in self.warnings()), 2)

    def test_no_server_outlives_a_bench_that_is_killed(self):
        write_script(self.bin / "fibload", "#!/bin/sh\ncase $1 in --calibrate) "
                     'exit ;; esac\ntouch "$0.asks"; exec sleep 1000\n')
        bench = self.start("--only", "silent", "--models", "fork", "--on",
                           self.joining_words(), "--host", "127.0.0.1",
                           env=self.without_matplotlib())
        wait_until((self.bin / "fibload.asks").exists, "a run begins",
                   BENCH_S_MAX)
        bench.kill()
        bench.wait()
        wait_for_end_of(str(self.scratch))

    def test_bad_arguments(self):
        (self.scratch / "runs.csv").touch()
        for arguments, named in (
                (["--on", "no-such-program"], "no-such-program"),
                (["--on", "false", "--host", "127.0.0.1"], "false"),
                (["--on", "env", "--host", "no.such.host.invalid"],
                 "no.such.host.invalid"),
                (["--on", " "], "--on"),
                (["--on", "env", "--host", "127.0.0.1", "--record",
                  self.scratch], "--record: the clocks"),
                (["--host", "127.0.0.1"], "--host")):
            self.assertIn(named, self.finish("--models", "fork", *arguments,
                                             status=2))


@tap.part("interrupted")
class Interruption(Bench):
    # A client that makes the first run, and hangs in the second one.
    CLIENT = """\
case "$*" in *--calibrate*) echo "50 connections 1"; exit ;; esac
mkdir "$0.first" && exec "$0.real" "$@"
touch "$0.second"
exec sleep 1000
"""

    def second_run(self, *arguments):
        """Starts a bench. Returns its process once its second run has begun,
        which never ends."""
        client = self.bin / "fibload"
        client.rename(self.bin / "fibload.real")
        write_script(client, f"#!/bin/sh\n{self.CLIENT}")
        bench = self.start(*arguments, env=self.without_matplotlib())
        wait_until((self.bin / "fibload.second").exists, "a second run begins",
                   BENCH_S_MAX)
        return bench

    def interrupt_runs(self, interrupt):
        """Calls interrupt(process) during the second of eight runs. Checks that
        the bench ends with a report of the first run."""
        bench = self.second_run("--only", "throughput", "--models",
                                "fork coroutine")
        wait_until(lambda: len(processes_of(str(self.scratch))) > 2,
                   "the bench, the server and the client run")
        interrupt(bench)
        self.end(bench, status=130)
        self.assertEqual(len(self.runs()), 1)
        # The warning says that 1 of 8 runs was made: too few for a finding.
        self.assertIn("| 1 8", self.warnings())
        self.assertEqual(self.findings(), [])
        self.assertIn("## throughput", self.report())

    def press_ctrl_c(self, bench):
        """Sends SIGINT to the process group, as a terminal does."""
        os.killpg(bench.pid, signal.SIGINT)

    def test_ctrl_c_leaves_a_report_and_no_process(self):
        self.interrupt_runs(self.press_ctrl_c)

    def test_sigterm_leaves_a_report_and_no_process(self):
        self.interrupt_runs(subprocess.Popen.terminate)

    def test_ctrl_c_while_drawing_leaves_the_report(self):
        drawing = self.scratch / "drawing"
        # The bench first tries `python -c`, which can import this module. The
        # program that draws the pictures then hangs in it.
        env = self.without_matplotlib(
            "import sys, time\n"
            "if sys.argv[0] != '-c':\n"
            f"    open({str(drawing)!r}, 'w')\n"
            "    time.sleep(1000)")
        bench = self.start("--only", "silent", "--models", "fork", env=env)
        wait_until(drawing.exists, "it draws", BENCH_S_MAX)
        sentence, = self.findings()
        self.assertIn(sentence, self.report())
        self.press_ctrl_c(bench)
        self.end(bench, status=0)
        self.assertIn(sentence, self.report())


class Conclusion(unittest.TestCase):
    def test_an_interrupt_after_the_runs_does_not_lose_the_report(self):
        program = as_module("bench")
        options = types.SimpleNamespace(bin=BIN, size="quick")
        about = {"facts": {}, "calibrations": [], "warnings": []}
        with unittest.mock.patch.object(calibration, "calibrate",
                                        side_effect=Interrupted):
            self.assertTrue(program.make_all([], [], options,
                                             pathlib.Path("none"), about))


class Latest(unittest.TestCase):
    def test_a_link_that_is_refused_is_named_with_the_reason(self):
        refused = PermissionError(errno.EPERM, "not allowed", "run", None, "x")
        with tempfile.TemporaryDirectory() as folder, \
                unittest.mock.patch("pathlib.Path.symlink_to",
                                    side_effect=refused), \
                contextlib.redirect_stdout(io.StringIO()) as said:
            as_module("bench").point_latest_at(pathlib.Path(folder, "run"))
        self.assertRegex(" ".join(said.getvalue().split()),
                         "^.*/latest .*: not allowed$")

    def test_a_bench_without_a_figure_does_not_become_the_latest(self):
        program = as_module("bench")
        with tempfile.TemporaryDirectory() as folder, \
                unittest.mock.patch.multiple(
                    program, ROOT=pathlib.Path(folder),
                    raise_when_stopped=unittest.mock.DEFAULT,
                    report=unittest.mock.DEFAULT), \
                contextlib.redirect_stdout(io.StringIO()):
            run_ = pathlib.Path(folder, "results", "run")
            run_.mkdir(parents=True)
            program.finish(run_, program.Runs(), {})
            self.assertFalse(run_.with_name("latest").is_symlink())


@tap.part("everything")
class Everything(Bench):
    def test_each_experiment_on_a_laptop(self):
        """Runs all experiments, quickly, where a process may open 1,024 files:
        the usual limit on laptops."""
        self.finish("--rounds", "1", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (1024, 1024)))
        self.assertEqual(set(self.runs().values("experiment")), WITH_FIVE)
        for name in WITH_FIVE:
            self.assertEqual(set(self.runs(experiment=name).models()),
                             set(BY_NAME[name].models(MODELS)), name)
            self.assertIn(f"## {name}\n", self.report())
        for sentence in self.findings():
            self.assertIn(sentence, self.report())
        self.assertEqual(list(self.out.glob("*.png")), [])


@tap.part("recording")
class Recording(Bench):
    """`bench --record`: the servers record single requests, for the pictures,
    after the measured runs."""

    def record(self, *arguments):
        """Runs `bench --record` for a copy of the reference run. Returns the
        finished process."""
        self.out.mkdir()
        shutil.copy(REFERENCE / "runs.csv", self.out)
        recorded = run_program(
            "bench", "--record", self.out, "--bin", self.bin, *arguments,
            timeout=BENCH_S_MAX,
            env={**os.environ, "BENCH_TEST": str(self.scratch)})
        wait_for_end_of(str(self.scratch))
        return recorded

    def spans(self, name):
        """Returns the recorded requests of an experiment."""
        path = request_log.recorded_path(self.out, BY_NAME[name])
        return request_log.read(path, request_log.Recorded)

    def check_order(self, span):
        """Checks the order of a request's times. The client may receive a reply
        before the server notes that it has sent it, so `end_us` is compared
        with the end of the computing only."""
        times = (span.begin_us, span.received_us, span.computing_us,
                 span.computed_us, span.replied_us)
        self.assertEqual(list(times), sorted(times))
        self.assertLessEqual(span.computed_us, span.end_us)
        self.assertIn(span.core, os.sched_getaffinity(0))

    def test_the_server_records_each_request(self):
        other = self.scratch / "my server"
        other.symlink_to(BIN / "thread")
        recorded = self.record("--only", "timeline hog", "--models",
                               "blocking coroutine", "--server", other)
        self.assertEqual(recorded.returncode, 0, recorded.stdout)
        timeline, hog = self.spans("timeline"), self.spans("hog")
        requests = BY_NAME["timeline"].cells[0].requests
        for model in ("blocking", "coroutine"):
            mine = [span for span in timeline if span.model == model]
            self.assertEqual(len(mine), requests)
            for span in mine:
                self.check_order(span)
        self.assertEqual(len({span.model for span in timeline}), 2)
        large = [span for span in hog if span.kind == "hog"]
        self.assertEqual({span.model for span in hog}, {"coroutine"})
        self.assertEqual(len({span.connection for span in large}), 4)
        for span in filter(lambda span: span.replies, large):
            self.check_order(span)

    def test_a_model_that_fails_does_not_lose_the_others(self):
        (self.bin / "fork").unlink()
        write_script(self.bin / "fork", "#!/bin/sh\nexit 1\n")
        recorded = self.record("--only", "timeline", "--models", "fork thread")
        self.assertEqual(recorded.returncode, 1, recorded.stdout)
        self.assertIn("fork", sentences.facts(recorded.stdout))
        self.assertEqual({span.model for span in self.spans("timeline")},
                         {"thread"})

    def test_a_trace_that_was_full_is_no_record(self):
        """Checks that a trace in which events were dropped is not used: it
        lacks the requests of its end."""
        (self.bin / "thread").unlink()
        write_script(self.bin / "thread", f"""#!/bin/sh
{BIN}/thread "$@" &
trap 'kill $!' TERM
wait; wait
while [ "$1" != --trace ]; do shift; done
sed -i 's/"dropped_events":0/"dropped_events":1/' "$2"
""")
        recorded = self.record("--only", "timeline", "--models", "thread")
        self.assertEqual(recorded.returncode, 1, recorded.stdout)
        self.assertEqual(self.spans("timeline"), [])

    def test_a_quick_bench_records_nothing(self):
        self.finish("--only", "timeline", "--models", "thread", "--rounds", "1")
        self.assertEqual(self.spans("timeline"), [])

    def test_longer_benches_on_this_machine_record(self):
        bench = as_module("bench")
        with unittest.mock.patch.object(bench.record, "record",
                                        return_value=["a"]) as recorded:
            for size, on, problem in (("quick", None, []),
                                      ("default", "a host", []),
                                      ("default", None, ["a"]),
                                      ("full", None, ["a"])):
                problems = []
                with contextlib.redirect_stdout(io.StringIO()):
                    bench.record_runs(EXPERIMENTS,
                                      types.SimpleNamespace(size=size, on=on),
                                      self.out, problems)
                self.assertEqual(problems, problem)
        self.assertEqual(recorded.call_count, 2)


@tap.part("drawing")
class Drawing(Bench):
    def test_an_earlier_run_gets_its_pictures(self):
        need_matplotlib()
        self.out.mkdir()
        for path in (*REFERENCE.glob("*.csv"), REFERENCE / "about.json"):
            shutil.copy(path, self.out)
        drawn = run_program("bench", "--draw", self.out, timeout=BENCH_S_MAX)
        self.assertEqual((drawn.returncode, drawn.stderr), (0, ""))
        self.assertEqual({path.stem for path in self.out.glob("*.png")},
                         WITH_FIVE)
        page = (self.out / "report.html").read_text("utf-8")
        self.assertEqual(page.count('src="data:image/png;base64,'),
                         len(WITH_FIVE))

    # Draws with a program that prints its pid and sleeps.
    SLOW = """
import sys
sys.path.insert(0, {tests!r})
from under_test import as_module
bench = as_module("bench")
bench.machine.python_with_matplotlib = lambda: "sh"
bench.PICTURES = {script!r}
bench.draw("")
"""

    def test_the_program_that_draws_does_not_outlive_the_bench(self):
        with tempfile.NamedTemporaryFile("w", suffix=".sh") as script:
            script.write("echo $$; exec sleep 1000\n")
            script.flush()
            bench = subprocess.Popen(
                [sys.executable, "-c", self.SLOW.format(
                    tests=str(pathlib.Path(__file__).parent),
                    script=script.name)],
                stdout=subprocess.PIPE, text=True)
            drawing = int(bench.stdout.readline())
        bench.kill()
        try:  # The output ends when neither process is left.
            bench.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.kill(drawing, signal.SIGKILL)
            raise


@tap.part("batches")
class Batches(unittest.TestCase):
    """How fibload opens many connections: in batches of a thousand, each of
    which the server has accepted before the next one begins. The accept queue
    of a server then cannot overflow."""

    BATCH, BATCHES = 1000, 2

    def allow(self, count):
        """Allows this process and the client to have `count` descriptors open
        until the test ends, or skips it."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if 0 <= hard < count:
            self.skipTest(f"a process may have only {hard} descriptors open")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE,
                        (soft, hard))

    def accept_one(self, listener):
        """Accepts a connection, which is closed when the test ends."""
        connection, _ = listener.accept()
        self.addCleanup(connection.close)
        return connection

    def serve(self, listener):
        """Accepts each batch, and replies to the request on its last
        connection. Returns how many connections were pending before each
        reply."""
        pending = []
        for _ in range(self.BATCHES):
            *_, last = [self.accept_one(listener) for _ in range(self.BATCH)]
            last.settimeout(PATIENCE_S)
            self.assertEqual(last.recv(100), b"1\n")
            pending.append(len(select.select([listener], (), (), 0)[0]))
            last.sendall(b"fib: 1\n")
        return pending

    def test_a_batch_is_accepted_before_the_next_one(self):
        self.allow(self.BATCH * self.BATCHES + 100)
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.addCleanup(listener.close)
        listener.settimeout(PATIENCE_S)
        client = subprocess.Popen(
            [BIN / "fibload", "-c", "1", "--idle",
             str(self.BATCH * self.BATCHES), "-n", "1",
             str(listener.getsockname()[1])], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        # On a busy machine, the client may stop waiting for one of the batches.
        self.assertIn(0, self.serve(listener))


if __name__ == "__main__":
    tap.main()

#!/usr/bin/env python3
"""Grades a server, in any language: what it does, never how fast it is.

    grade.py SERVER [--model thread] [--bin DIR] [--conversation PROGRAM]

Runs the conversation that every server must live through, some of the hostile
table, and a few of the bench's experiments with wide margins. `--model` says
what the server claims to be, if its name does not: what is right for one model
is wrong for another. With `any` nothing is expected of how it waits. Explains
each failure, and ends with a line of JSON. Needs the built client and the built
conversation.

Exit status: 0 graded, whatever the grade; 2 it could not be graded.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import types
from dataclasses import dataclass, replace

from claims import AT_LEAST, AT_MOST, Claim, judge
from experiments import EXPERIMENTS
from explanations import explained
from grid import Cell
from interruption import held_back
from lessons import model_files
from ordeals import ANY, ORDEALS
from results import (
    DISTURBED_CORES, ROOT, Runs, counted, read_runs)
from schedule import make_runs, plan
from terminal import say
from trial import tried

PATIENCE_S = 10  # for a reply that may never come; slow languages need some
PART_S_MAX = 180
ROUNDS = 3


@dataclass(frozen=True)
class Part:
    """A part of the grade, and how much it is worth."""

    name: str
    points: int
    what: str


PARTS = (
    Part("protocol", 30, "right answers, however the bytes come"),
    Part("waiting", 10, "who waits for whom"),
    Part("hostile", 10, "clients that are rude, broken or asleep"),
    Part("limits", 10, "full tables, and whether anything is left behind"),
    Part("stopping", 10, "signals: nothing that has arrived is lost"),
    Part("drain", 5, "stopped under load"),
    Part("command_line", 5, "options"),
)
TORTURE = Part("torture", 10, "somebody well-behaved beside hostile clients")
CLAIMS = Part("claims", 10, "a few relations of the bench, with wide margins")

# Those of the hostile table that the conversation does not know, or not as long
# and with somebody beside them: about a second each.
TRIED = ("silent", "dribbling", "never_reading", "resetting", "bursting",
         "exhausting", "churning", "pipelining", "SIGTERM", "SIGKILL")


@dataclass
class Result:
    """What came out of a part."""

    name: str
    points: int
    passed: int
    failures: list  # pairs of a check and what it means
    whole: bool = True

    def earned(self):
        checks = self.passed + len(self.failures)
        share = self.passed / checks if checks and self.whole else 0
        return round(float(self.points * share), 1)


# ---- The conversation


def end(process):
    """Ends the conversation; its servers end with it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return process.communicate()[0]


def converse(part, options):
    """What the conversation says, and whether it came to its end. It takes what
    follows a space for options of the server, so it gets no more of the path
    than the name."""
    environment = {**os.environ, "ONLY": part.name, "MODEL": options.model,
                   "PATIENCE": str(PATIENCE_S)}
    with subprocess.Popen(
            [options.conversation, f"./{options.server.name}"],
            cwd=options.server.parent, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
            start_new_session=True) as process:
        try:
            said, _ = process.communicate(timeout=PART_S_MAX)
        except subprocess.TimeoutExpired:
            said = end(process)
        finally:
            process.poll() is None and end(process)
    return said, bool(re.search(r"^# \d+ passed, \d+ failed$", said, re.M))


def result_of(part, said, whole):
    """Reads TAP: "ok 1 - thread: values"."""
    checks = re.findall(r"^(not )?ok \d+ - [^:]*: (.*)$", said, re.M)
    failures = [(check, explained(check)) for bad, check in checks if bad]
    if not whole:
        failures.append((
            "the end of this part", f"It was not over after {PART_S_MAX} s: a "
            "server that keeps one client waiting fails all that follows. Mend "
            "the first failure of this part first; until then it has no "
            "points."))
    passed = len(checks) - sum(bool(bad) for bad, _ in checks)
    return Result(part.name, part.points, passed, failures, whole)


# ---- The hostile table


def judge_torture(options):
    """A check per ordeal. Its first problem is explained, all are named."""
    result = Result(TORTURE.name, TORTURE.points, 0, [])
    for ordeal in (one for one in ORDEALS if one.name in TRIED):
        with held_back():
            cell = tried(options.model, options.server, ordeal, False,
                         options.bin, subprocess.DEVNULL)
        if not cell.problems:
            result.passed += 1
            continue
        check = f"{ordeal.name}, {cell.problems[0][0]}: " + "; ".join(
            about for _, about in cell.problems)
        result.failures.append((check, explained(check)))
    return result


# ---- A few claims


@dataclass(frozen=True)
class Expectation:
    """What an experiment must show, with a wide margin, of some models."""

    models: tuple
    experiment: str
    load: int
    says: str
    column: str
    relation: str
    bound: float
    meaning: str
    cores: int = 1  # that the machine must have
    in_peace: bool = False  # not judged while other programs take the cores

    def claim(self, name):
        return Claim(name, self.says, self.column, self.relation, self.bound)


WAITING_FOR_ALL = ("fork", "thread", "nonblocking", "coroutine", ANY)
PARALLEL, ONE_THREAD = ("fork", "thread"), ("nonblocking", "coroutine")

EXPECTATIONS = (
    Expectation(
        WAITING_FOR_ALL, "silent", 1, "serves {bound} client behind a silent "
        "one", "served", AT_LEAST, 1,
        "While one client says nothing, nobody waits for the others: see "
        "one-waits-all-wait in servers/blocking.c."),
    Expectation(
        ("blocking",), "silent", 1, "serves {bound} clients behind a silent "
        "one", "served", AT_MOST, 0,
        "It serves several at once: that is more than blocking does, so it is "
        "another model. Say which with MODEL."),
    Expectation(
        WAITING_FOR_ALL, "wait", 100, "answers {bound} of what 100 clients "
        "with a backend of 100 ms can ask for", "share_of_possible", AT_LEAST,
        0.5, "While one client waits for its backend (--delay), the others "
        "must not: a sleep in the wrong place is the blocking trap."),
    Expectation(
        PARALLEL, "latency", 4, "keeps {bound} cores busy with fib(30)",
        "cores", AT_LEAST, 1.3, "Four clients compute, and only one core is "
        "used: the work is not done by processes or threads that can run at "
        "the same time. (A lock around it, or an interpreter's, does that.)",
        cores=2, in_peace=True),
    Expectation(
        ONE_THREAD, "latency", 4, "keeps {bound} cores busy with fib(30)",
        "cores", AT_MOST, 1.3, "One thread cannot use more than a core, so "
        "there are several: it is another model than it claims to be.",
        cores=2),
    Expectation(
        ("fork",), "throughput", 10, "has {bound} processes for 10 clients",
        "processes", AT_LEAST, 10, "There should be a process per client."),
    Expectation(
        ("thread",), "throughput", 10, "has {bound} threads for 10 clients",
        "threads", AT_LEAST, 10, "There should be a thread per client."),
    Expectation(
        ("blocking", *ONE_THREAD), "throughput", 10,
        "has {bound} threads for 10 clients", "threads", AT_MOST, 9,
        "This model needs no thread or process per client."),
    Expectation(
        (*PARALLEL, "coroutine"), "idle", 500, "answers {bound} of the "
        "requests per second of CPU time that it answers without 500 silent "
        "clients", "work_kept", AT_LEAST, 0.4,
        "Silent clients should cost next to nothing. Does it look at every "
        "connection for each request, or search a long list?"),
)

EXPECTED = {model for one in EXPECTATIONS for model in one.models}
KNOWN = sorted(EXPECTED | set(model_files()))

CELLS = {
    "silent": (Cell(1, idle=1, requests=1),),
    "wait": (Cell(100, delay_ms=100),),
    "latency": (Cell(4, n=30),),
    "throughput": (Cell(10),),
    "idle": (Cell(10), Cell(10, idle=500)),
}


def expected_of(model):
    """Of models that are not named, as much as of any."""
    model = model if model in EXPECTED else ANY
    cores = len(os.sched_getaffinity(0))
    return [one for one in EXPECTATIONS
            if model in one.models and one.cores <= cores]


def experiments_for(expected):
    """The experiments of the bench, with a few cells only."""
    loads = {one.experiment: one.load for one in expected}
    return [replace(experiment, cells=CELLS[experiment.name], without=(),
                    more_models=(), load=loads[experiment.name])
            for experiment in EXPERIMENTS if experiment.name in loads]


def measured(experiments, options, directory):
    """Runs of the experiments, and what went wrong."""
    name = options.server.name
    settings = types.SimpleNamespace(
        bin=options.bin, programs={name: options.server}, models=[name],
        rounds=ROUNDS, seed=1, size="default")
    problems = []
    with held_back():
        make_runs(plan(experiments, settings), settings, directory, problems)
    csv = directory / "runs.csv"
    return read_runs(csv) if csv.exists() else Runs(), problems


def disturbed(one, run):
    return one.in_peace and run["foreign_cores"] > DISTURBED_CORES


def as_expected(one, experiments, runs, name):
    """Whether the median agrees, None if nobody can say; a sentence with the
    figure."""
    experiment = next(e for e in experiments if e.name == one.experiment)
    claim = one.claim(name)
    of = Runs(run for run in runs.sound().where(experiment=one.experiment)
              if not disturbed(one, run))
    judged = judge(experiment, claim, of)
    said = f"{claim.sentence()} ({judged.measured()})"
    if not judged.values:
        made = runs.where(experiment=one.experiment)
        return None if any(disturbed(one, run) for run in made) else False, said
    return claim.agrees(judged.spread()[0]), said


def judge_claims(options):
    expected = expected_of(options.model)
    experiments = experiments_for(expected)
    with tempfile.TemporaryDirectory() as directory:
        runs, problems = measured(experiments, options, pathlib.Path(directory))
    result = Result(CLAIMS.name, CLAIMS.points, 0, [])
    for one in expected:
        agrees, said = as_expected(one, experiments, runs, options.server.name)
        if agrees is None:
            say(f"Not judged, as other programs use the processor: {said}.")
        elif agrees:
            result.passed += 1
        else:
            result.failures.append((said, one.meaning))
    for problem in problems:
        result.failures.append((problem, "A run of the bench failed: it must "
                                "start, answer and stop in all of them."))
    return result


# ---- The grade


def show(result, what):
    checks = result.passed + len(result.failures)
    print(f"\n{result.name}: {what}\n  {result.passed} of "
          f"{counted(checks, 'check')}, {result.earned():g} of "
          f"{result.points} points", flush=True)
    explained_already = set()
    for check, meaning in result.failures:
        say(f"FAILED: {check}", 2)
        if meaning not in explained_already:
            say(meaning, 6)
        explained_already.add(meaning)


def grade(options):
    """All results. Without right answers there is nothing else to look at."""
    results = []
    for part in PARTS:
        result = result_of(part, *converse(part, options))
        if not result.passed and not result.failures:
            continue  # This conversation has no such part.
        results.append(result)
        show(result, part.what)
        if part is PARTS[0] and result.passed < 2:
            say("The other parts are not tried: first it must answer.")
            return [*results, *(Result(other.name, other.points, 0, [])
                                for other in (*PARTS[1:], TORTURE, CLAIMS))]
    for part, judged in ((TORTURE, judge_torture), (CLAIMS, judge_claims)):
        results.append(judged(options))
        show(results[-1], part.what)
    return results


def score(options, results):
    """The last line, for programs."""
    possible = sum(result.points for result in results)
    earned = sum(result.earned() for result in results)
    return {
        "server": str(options.server.name), "model": options.model,
        "score": round(100 * earned / possible), "of": 100,
        "parts": {result.name: {
            "passed": result.passed, "failed": len(result.failures),
            "points": result.earned(), "of": result.points}
            for result in results},
        "failed": [check for result in results
                   for check, _ in result.failures],
    }


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="grade", usage=__doc__.split("\n\n")[1].strip())
    parser.add_argument("server", type=pathlib.Path)
    parser.add_argument("--model", choices=KNOWN)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "bin")
    parser.add_argument("--conversation", type=pathlib.Path, default=ROOT /
                        "build" / "plain" / "tests" / "conversation" / "run")
    options = parser.parse_args()
    options.server, options.bin, options.conversation = (
        path.resolve() for path in (options.server, options.bin,
                                    options.conversation))
    name = options.server.name
    options.model = options.model or (name if name in KNOWN else ANY)
    for program in (options.server, options.bin / "fibload",
                    options.conversation):
        if not os.access(program, os.X_OK) or program.is_dir():
            parser.error(f"{program} is no program (make grade SERVER=...)")
    return options


def main():
    options = parse_arguments()
    sys.stdout.reconfigure(errors="replace")
    say(f"{options.server.name}, as a server of the model '{options.model}'")
    results = grade(options)
    total = score(options, results)
    print(f"\n{total['score']} of 100 points")
    print(json.dumps(total))


if __name__ == "__main__":
    main()

"""Runs jobs side by side and adds up the checks they report.

A job is a command that prints TAP and ends with "# N passed, N failed". The
queue starts the jobs that are expected to take longest first, several at once;
those that measure run at the end, one after the other, with nothing beside
them. No verdict depends on how long a job took: the time limit only ends what
hangs.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

TALLY = re.compile(r"^# (\d+) passed, (\d+) failed$", re.M)
FAILURE = re.compile(r"((?:^# .*\n){0,3})"  # what was heard, most often
                     r"^(not ok.*)((?:\n#(?! \d+ passed).*)*)", re.M)
SKIP = re.compile(r"^# skipped: (.*)|^ok .* # SKIP (.*)", re.M)

TIME_LIMIT_S = 900
GUESS_S = 3  # for a job that no stage knows more about and that never ran here
LAST_LINES = 15  # of a log, to be shown when a job gave no tally
SHOWN_LINES = 12  # of a failure: the last say most


@dataclasses.dataclass
class Job:
    """A command, and what is known about it in advance."""

    stage: str
    name: str
    command: list
    environment: dict = dataclasses.field(default_factory=dict)
    expected_s: float = GUESS_S
    alone: bool = False  # it measures: nothing else may run

    @property
    def key(self):
        """What it is called in the file of durations."""
        return f"{self.stage} {self.name}"


@dataclasses.dataclass
class Result:
    """What came out of a job, or of the build of a stage."""

    job: Job
    passed: int = 0
    failed: int = 0
    failures: list = dataclasses.field(default_factory=list)
    skipped: list = dataclasses.field(default_factory=list)
    wall_s: float = 0
    cpu_s: float = 0

    def fail(self, text):
        self.failed += 1
        self.failures.append(text)


def shortened(before, check, after):
    """The line of a failure, and those around it that explain it."""
    return "\n".join([check, *before.splitlines(),
                      *after.strip().splitlines()[-SHOWN_LINES:]])


def judged(job, text, status):
    """The result of a job that printed `text` and ended with `status`."""
    result = Result(job)
    tallies = TALLY.findall(text)
    for passed, failed in tallies:
        result.passed += int(passed)
        result.failed += int(failed)
    result.failures = [shortened(*one) for one in FAILURE.findall(text)]
    result.skipped = [one or two for one, two in SKIP.findall(text)]
    last = "\n".join(f"# {line}" for line in text.splitlines()[-LAST_LINES:])
    if not tallies:
        result.fail(f"not ok - {job.name} ended early, status {status}\n{last}")
    elif status != 0 and result.failed == 0:
        # A sanitizer or valgrind may report after the tally.
        result.fail(f"not ok - {job.name} ended with status {status}\n{last}")
    return result


def end_group(pid):
    """Ends all processes of the group that `pid` leads."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def finished(process):
    """Waits for a process, ends what it left of its group, and returns its
    status as subprocess has it, and what it used."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    end_group(process.pid)  # Before the kernel may use its number again.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = (os.WEXITSTATUS(status) if os.WIFEXITED(status)
                          else -os.WTERMSIG(status))
    return process.returncode, usage


class Durations:
    """How many seconds each job took the last time, and how many of CPU time:
    kept in a file, so that the next run can start the longest first and say how
    much time is left, and a person can see what costs most."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        text = self.path.read_text() if self.path.exists() else ""
        self.known = {key: (float(wall_s), float(cpu_s)) for wall_s, cpu_s, key
                      in re.findall(r"^ *([\d.]+) +([\d.]+) (.+)$", text, re.M)}

    def of(self, job):
        return self.known.get(job.key, (job.expected_s, 0))[0]

    def note(self, result):
        self.known[result.job.key] = result.wall_s, result.cpu_s

    def save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("".join(
            f"{wall_s:7.2f} {cpu_s:7.2f} {key}\n"
            for key, (wall_s, cpu_s) in sorted(self.known.items())))


class Queue:
    """Jobs that wait, and `width` threads that run them.

    Each result is passed to `done`, by one thread at a time. The output of each
    job is in a file of its own in the folder `logs`.
    """

    def __init__(self, width, logs, durations, done):
        self.logs, self.durations, self.done = logs, durations, done
        self.waiting, self.alone = [], []  # the longest last
        self.running = {}  # the job by the process that runs it
        self.closed = False
        self.changed = threading.Condition()
        self.threads = [threading.Thread(target=self.work, daemon=True)
                        for _ in range(width)]
        for thread in self.threads:
            thread.start()

    def add(self, jobs):
        with self.changed:
            for job in jobs:
                (self.alone if job.alone else self.waiting).append(job)
            self.waiting.sort(key=self.durations.of)
            self.changed.notify_all()

    def close(self):
        """Says that no job will be added. Blocks until all have ended."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        for thread in self.threads:
            thread.join()
        while self.alone:
            self.run(self.alone.pop())

    def abandon(self):
        """Ends what runs, and starts nothing more."""
        with self.changed:
            self.waiting, self.alone, self.closed = [], [], True
            for process in self.running:
                end_group(process.pid)

    def work(self):
        """What each thread does: takes the longest job that waits."""
        while True:
            with self.changed:
                while not self.waiting and not self.closed:
                    self.changed.wait()
                if not self.waiting:
                    return
                job = self.waiting.pop()
            self.run(job)

    def start(self, job, log):
        with open(log, "wb") as output, self.changed:
            process = subprocess.Popen(
                list(map(str, job.command)), stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, **job.environment})
            self.running[process] = job
        return process

    def run(self, job):
        name = re.sub(r"[^\w.=-]+", "-", job.name)
        log = self.logs / job.stage / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        began_s = time.monotonic()
        process = self.start(job, log)
        limit = threading.Timer(TIME_LIMIT_S, end_group, [process.pid])
        limit.start()
        status, usage = finished(process)
        limit.cancel()
        result = judged(job, log.read_text(errors="replace"), status)
        result.wall_s = time.monotonic() - began_s
        result.cpu_s = usage.ru_utime + usage.ru_stime
        with self.changed:
            del self.running[process]
            self.durations.note(result)
            self.done(result)

    def left_s(self):
        """About how long the rest will take."""
        with self.changed:
            beside = [*self.waiting, *self.running.values()]
            return (sum(map(self.durations.of, beside)) / len(self.threads)
                    + sum(map(self.durations.of, self.alone)))

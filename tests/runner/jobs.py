"""Runs jobs, several at a time, and adds up the checks that they report.

A job is a command that prints TAP and ends with "# N passed, N failed". The
queue starts the jobs that are expected to take longest first. Jobs that hardly
compute run beside the others, so that these keep the cores busy. While the
cores have more than enough to do, no further job starts: on a slow machine, or
beside other programs, jobs that usually wait would only take the cores from
each other. No verdict depends on how long a job took: the time limit only ends
jobs that hang.
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
FAILURE = re.compile(r"((?:^# .*\n){0,3})"  # the lines before often say why
                     r"^(not ok.*)((?:\n#(?! \d+ passed).*)*)", re.M)
SKIP = re.compile(r"^# skipped: (.*)|^ok .* # SKIP (.*)", re.M)

TIME_LIMIT_S = 900
WAITING = 2  # for each job that computes, as many jobs that wait
RUNNABLE_MAX = 6  # threads per core that run or wait for a core
JOBS_MIN = 3  # jobs per core, even if more threads than that are runnable
CHECK_S = 0.3  # until the queue checks again whether a job may start
GUESS_S = 3  # for a job without a better estimate that has never run here
LAST_LINES = 15  # of a log, which are shown if a job printed no tally
SHOWN_LINES = 12  # of a failure, at most: the last ones say most


@dataclasses.dataclass
class Job:
    """A command, and what is known about it in advance."""

    stage: str
    name: str
    command: list
    environment: dict = dataclasses.field(default_factory=dict)
    expected_s: float = GUESS_S
    waits: bool = False  # the job waits nearly all the time

    @property
    def key(self):
        """The name of the job in the file of durations."""
        return f"{self.stage} {self.name}"


@dataclasses.dataclass
class Result:
    """The result of a job, or of the build of a stage."""

    job: Job
    passed: int = 0
    failed: int = 0
    failures: list = dataclasses.field(default_factory=list)
    skipped: list = dataclasses.field(default_factory=list)
    wall_s: float = 0
    cpu_s: float = 0

    def fail(self, text):
        """Adds a failure that the job did not report itself."""
        self.failed += 1
        self.failures.append(text)


def shortened(before, check, after):
    """Returns the text of a failure: its line, the lines before it, and the
    last lines after it, which explain it."""
    return "\n".join([check, *before.splitlines(),
                      *after.strip().splitlines()[-SHOWN_LINES:]])


def judged(job, text, status):
    """Returns the Result of a job that printed `text` and ended with `status`.
    A job fails, too, if it printed no tally, or ended with an error after a
    tally without failures."""
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
    """Kills all processes of the group that `pid` leads."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def finished(process):
    """Waits for a process, and kills what remains of its process group. Returns
    its exit status, as subprocess defines it, and the resources that it
    used."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    end_group(process.pid)  # Before the kernel can reuse its PID.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = (os.WEXITSTATUS(status) if os.WIFEXITED(status)
                          else -os.WTERMSIG(status))
    return process.returncode, usage


def runnable():
    """Returns how many threads on this machine have a core or wait for one."""
    text = pathlib.Path("/proc/stat").read_text()
    return int(re.search(r"^procs_running (\d+)", text, re.M)[1])


class Durations:
    """The seconds and the CPU seconds that each job took the last time. They
    are stored in a file. So the next run can start the longest jobs first and
    show the remaining time, and people can see which jobs cost most."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        text = self.path.read_text() if self.path.exists() else ""
        self.known = {key: (float(wall_s), float(cpu_s)) for wall_s, cpu_s, key
                      in re.findall(r"^ *([\d.]+) +([\d.]+) (.+)$", text, re.M)}

    def of(self, job):
        """Returns how many seconds a job is expected to take."""
        return self.known.get(job.key, (job.expected_s, 0))[0]

    def note(self, result):
        self.known[result.job.key] = result.wall_s, result.cpu_s

    def save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("".join(
            f"{wall_s:7.2f} {cpu_s:7.2f} {key}\n"
            for key, (wall_s, cpu_s) in sorted(self.known.items())))


class Queue:
    """A queue of jobs, and the threads that run them: `width` for the jobs that
    compute, and WAITING times as many for those that wait.

    Each result is passed to `done`, by one thread at a time. The output of each
    job is written to its own file in the folder `logs`.
    """

    def __init__(self, width, logs, durations, done):
        self.width, self.logs = width, logs
        self.durations, self.done = durations, done
        self.jobs = {False: [], True: []}  # by Job.waits; the longest last
        self.running = {}  # jobs, by the process that runs them
        self.closed = False
        self.changed = threading.Condition()
        self.threads = [threading.Thread(target=self.work, daemon=True,
                                         args=[jobs])
                        for waits, jobs in self.jobs.items()
                        for _ in range(width * (WAITING if waits else 1))]
        for thread in self.threads:
            thread.start()

    def add(self, jobs):
        """Adds jobs."""
        with self.changed:
            for job in jobs:
                self.jobs[job.waits].append(job)
            for kind in self.jobs.values():
                kind.sort(key=self.durations.of)
            self.changed.notify_all()

    def close(self):
        """Promises that no job will be added. Blocks until all jobs have
        ended."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        for thread in self.threads:
            thread.join()

    def abandon(self):
        """Kills the running jobs, and starts no others."""
        with self.changed:
            self.closed = True
            for kind in self.jobs.values():
                kind.clear()
            for process in self.running:
                end_group(process.pid)

    def may_start(self):
        """Returns True if a core may be free for another job."""
        cores = os.cpu_count()
        return (len(self.running) < JOBS_MIN * cores
                or runnable() <= RUNNABLE_MAX * cores)

    def take(self, jobs):
        """Blocks until one of these jobs may start, and returns the longest.
        Returns None if there are none and the queue is closed."""
        with self.changed:
            while jobs or not self.closed:
                if jobs and self.may_start():
                    return jobs.pop()
                self.changed.wait(CHECK_S if jobs else None)
        return None

    def work(self, jobs):
        """Runs the longest of these jobs, again and again, until the queue is
        closed and there are no more. Each thread runs this function."""
        while job := self.take(jobs):
            self.run(job)

    def start(self, job, log):
        """Starts a job, with its output in the file `log`. Returns the
        process."""
        with open(log, "wb") as output, self.changed:
            process = subprocess.Popen(
                list(map(str, job.command)), stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, **job.environment})
            self.running[process] = job
        return process

    def run(self, job):
        """Runs a job to its end, and passes on its result."""
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
        """Returns about how many seconds the remaining jobs will take."""
        with self.changed:
            remaining = [job for job in (*self.jobs[False],
                                         *self.running.values())
                         if not job.waits]
            return sum(map(self.durations.of, remaining)) / self.width

"""Reports on the tests: prints each failure at once, and one line per stage at
the end. On a terminal, one line shows the progress and the time left."""

from __future__ import annotations

import sys
import threading
import time

REFRESH_S = 0.5


def clock(seconds):
    """Returns a time in minutes and seconds: "2:05" for 125 s."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def is_missing_package(reason):
    """Returns True if a test was skipped because a package is missing. No
    package helps if the kernel refuses something."""
    return not reason.startswith("the kernel refuses")


class Report:
    """The results of all stages. All methods may be called from several
    threads."""

    def __init__(self, stages, require_all):
        self.require_all = require_all
        self.results = {stage.name: [] for stage in stages}
        self.stages = stages
        self.began_s = time.monotonic()
        self.jobs = 0
        self.lock = threading.RLock()
        self.on_terminal = sys.stderr.isatty()
        self.line = ""

    def say(self, text):
        """Prints a text above the progress line."""
        with self.lock:
            self.erase()
            print(text, flush=True)

    def erase(self):
        """Erases the progress line."""
        if self.line:
            print("\r" + " " * len(self.line) + "\r", end="", file=sys.stderr,
                  flush=True)
            self.line = ""

    def done(self, result):
        """Adds the result of a job, and prints its failures."""
        with self.lock:
            if self.require_all:
                for reason in filter(is_missing_package, result.skipped):
                    result.fail(f"not ok - skipped, although all are required:"
                                f" {reason}")
            self.results[result.job.stage].append(result)
            for failure in result.failures:
                self.say(f"{result.job.stage}: {failure}")

    def total(self, name):
        """Returns the sum of one field over all results."""
        return sum(getattr(result, name) for results in self.results.values()
                   for result in results)

    def show_progress(self, left_s, building):
        """Prints the progress line in place of the previous one. `building`
        names the stage that is being built, or is ""."""
        ended = sum(map(len, self.results.values()))
        failed = self.total("failed")
        text = (f"{clock(time.monotonic() - self.began_s)}  "
                f"{ended} of {self.jobs} jobs, {failed} failed, ")
        text += (f"building {building}" if building
                 else f"about {clock(left_s)} left")
        with self.lock:
            self.erase()
            self.line = text[:79]
            print(self.line, end="", file=sys.stderr, flush=True)

    def follow(self, queue, building):
        """Starts a thread that keeps the progress line up to date, if there is
        a terminal. `building` returns the stage that is being built, or ""."""
        def work():
            while True:
                time.sleep(REFRESH_S)
                self.show_progress(queue.left_s(), building())
        if self.on_terminal:
            threading.Thread(target=work, daemon=True).start()

    def check_floor(self, stage):
        """Fails a stage that passed fewer checks than its minimum, because some
        checks must have been lost."""
        results = self.results[stage.name]
        passed = sum(result.passed for result in results)
        skipped = [reason for result in results for reason in result.skipped]
        if results and not skipped and passed < stage.checks_min:
            results[0].fail("")
            self.say(f"not ok - {stage.name} has {passed} checks, and should "
                     f"have {stage.checks_min}")

    def summary(self):
        """Prints a line per stage and the totals. Returns the number of failed
        checks."""
        for stage in self.stages:
            self.check_floor(stage)
        with self.lock:
            self.erase()
        for stage in self.stages:
            results = self.results[stage.name]
            passed = sum(result.passed for result in results)
            failed = sum(result.failed for result in results)
            cpu_s = sum(result.cpu_s for result in results)
            print(f"{stage.name:9} {passed:6} passed, {failed} failed "
                  f"{cpu_s:6.0f} s CPU")
            reasons = {reason for result in results
                       for reason in result.skipped}
            for reason in sorted(reasons):
                print(f"{'':9} skipped: {reason}")
        print(f"{'':9} {clock(time.monotonic() - self.began_s)} minutes")
        passed, failed = self.total("passed"), self.total("failed")
        print(f"{passed} passed, {failed} failed")
        return failed

"""Runs tests in parts, and prints the results in the Test Anything Protocol.
This is the counterpart of tap.h for Python.

    tests/bench_test.py                        runs all parts
    ONLY='quick small' tests/bench_test.py     runs these parts
    tests/bench_test.py --parts                lists the parts, one per line
    tests/bench_test.py --parts quick          lists this part, if it exists

Parts do not depend on each other, and may run side by side. A class of tests
belongs to the part that @part names, or to `quick`, which starts no process.
What cannot be tested on this machine is printed as "# skipped: why", and is not
counted as a check.
"""

import dataclasses
import os
import resource
import sys
import time
import traceback
import unittest
from typing import Callable

QUICK = "quick"

# Audit events that Python raises before it starts a process.
STARTING = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn",
            "os.system")


class Tally:
    """The numbers of passed, failed and skipped checks. Prints each check."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, what, problem=""):
        """Prints and counts one check. It has failed if `problem` is not empty;
        the end of `problem` is then printed, too."""
        self.passed += not problem
        self.failed += bool(problem)
        print(f"{'not ok' if problem else 'ok'} {self.passed + self.failed} - "
              f"{what}", flush=True)
        for line in problem.strip().split("\n")[-30:] if problem else ():
            print(f"# {line}", flush=True)

    def skip(self, why):
        """Prints the reason why something is not tested. With REQUIRE=all,
        tests/run counts that as a failure."""
        self.skipped += 1
        print(f"# skipped: {why}", flush=True)

    def finish(self):
        """Prints the plan and the tally. Returns the exit status: 1 if a check
        has failed, or if there was no check."""
        print(f"1..{self.passed + self.failed}\n# {self.passed} passed, "
              f"{self.failed} failed", flush=True)
        return self.failed > 0 or self.passed + self.skipped == 0


@dataclasses.dataclass
class Part:
    """A part of the tests, which can run without the others."""

    name: str
    run: Callable  # is given the Tally


def used_cpu_s():
    """Returns the CPU time in seconds of this process and of the children that
    it has reaped."""
    return sum(usage.ru_utime + usage.ru_stime for usage in (
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN)))


def forget_caller():
    """Removes variables from the environment that are meant for this program,
    and that programs under test would also read: ONLY, and the options of a
    make that started this test. Returns the words of ONLY."""
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"):
        os.environ.pop(name, None)
    return os.environ.pop("ONLY", "").split()


def run_parts(parts, arguments):
    """Runs the parts chosen by ONLY, or lists them with --parts. This is the
    main program of a test. Returns its exit status."""
    names = [part.name for part in parts]
    if arguments[:1] == ["--parts"]:
        kinds = arguments[1:] or names
        print("\n".join(name for name in names if name in kinds))
        return 0
    only = forget_caller() or names
    unknown = sorted(set(only) - set(names))
    if unknown or arguments:
        print(f"no part {' '.join(unknown)}: choose from {' '.join(names)}",
              file=sys.stderr)
        return 2
    tally = Tally()
    for part in parts:
        if part.name in only:
            begin, cpu_s = time.monotonic(), used_cpu_s()
            part.run(tally)
            print(f"# {part.name}: {time.monotonic() - begin:.1f} s, "
                  f"{used_cpu_s() - cpu_s:.1f} s of CPU time", flush=True)
    return tally.finish()


# ---- Classes of unittest as parts


def part(name):
    """Returns a decorator that makes a class of tests belong to the part
    `name`."""
    def put(tests):
        tests.part = name
        return tests

    return put


def sentence(test):
    """Returns the name of a test in plain words: "Numbers: significant
    digits"."""
    _module, _, name = test.id().partition(".")
    return name.replace(".test_", ": ", 1).replace("_", " ") or str(test)


class Result(unittest.TestResult):
    """A unittest result that reports every test as a check."""

    def __init__(self, tally):
        super().__init__()
        self.tally = tally

    def fail(self, test, error):
        self.tally.check(sentence(test),
                         "".join(traceback.format_exception(*error)))

    def addSuccess(self, test):
        self.tally.check(sentence(test))

    def addError(self, test, err):
        self.fail(test, err)

    def addFailure(self, test, err):
        self.fail(test, err)

    def addSubTest(self, test, subtest, err):
        if err:
            self.fail(subtest, err)

    def addSkip(self, test, reason):
        self.tally.skip(f"{reason}: {sentence(test)}")


starting_is_allowed = True


def notice_start(event, _arguments):
    """Fails a test of the quick part that starts a process. Python calls this
    function for each audit event."""
    if event in STARTING and not starting_is_allowed:
        raise AssertionError(f"a test of the part '{QUICK}' calls {event}")


def run_classes(name, classes):
    """Returns a function that runs all tests of these classes as the part
    `name`. In the part `quick`, a test that starts a process fails."""
    def run(tally):
        global starting_is_allowed
        load = unittest.defaultTestLoader.loadTestsFromTestCase
        starting_is_allowed = name != QUICK
        unittest.TestSuite(map(load, classes)).run(Result(tally))
        starting_is_allowed = True

    return run


def main():
    """Runs the test classes of the program that calls this function, and
    exits."""
    sys.addaudithook(notice_start)
    by_part, load = {}, unittest.defaultTestLoader
    for value in vars(sys.modules["__main__"]).values():
        if isinstance(value, type) and issubclass(
                value, unittest.TestCase) and load.getTestCaseNames(value):
            name = getattr(value, "part", QUICK)
            by_part.setdefault(name, []).append(value)
    parts = [Part(name, run_classes(name, classes))
             for name, classes in by_part.items()]
    sys.exit(run_parts(parts, sys.argv[1:]))

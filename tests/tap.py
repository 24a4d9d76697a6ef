"""tap.h for Python: runs tests in parts and prints them in the Test Anything
Protocol.

    tests/bench_test.py                    all parts, one after the other
    ONLY='quick small' tests/bench_test.py     these parts
    tests/bench_test.py --parts            their names, one a line
    tests/bench_test.py --parts quick      the part that starts no process

Parts do not depend on each other, and may run side by side. A class of tests
belongs to the part that @part names, and to `quick` if it has no such mark.
What cannot be tested here is no check: it is printed as "# skipped: why".
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

# Audit events of Python that come before a new process does.
STARTING = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn",
            "os.system")


class Tally:
    """Prints each check, and counts."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, what, problem=""):
        """Records one check. It has failed if there is a problem, the end of
        which is shown."""
        self.passed += not problem
        self.failed += bool(problem)
        print(f"{'not ok' if problem else 'ok'} {self.passed + self.failed} - "
              f"{what}", flush=True)
        for line in problem.strip().split("\n")[-30:] if problem else ():
            print(f"# {line}", flush=True)

    def skip(self, why):
        """Says that something is not tested, which REQUIRE=all makes a failure:
        see tests/run."""
        self.skipped += 1
        print(f"# skipped: {why}", flush=True)

    def finish(self):
        """Prints the plan and the tally. Returns the exit status: 1 if a check
        has failed, or if there was none."""
        print(f"1..{self.passed + self.failed}\n# {self.passed} passed, "
              f"{self.failed} failed", flush=True)
        return self.failed > 0 or self.passed + self.skipped == 0


@dataclasses.dataclass
class Part:
    name: str
    run: Callable  # is given the Tally


def used_cpu_s():
    """The CPU time of this process and of the children it has waited for."""
    return sum(usage.ru_utime + usage.ru_stime for usage in (
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN)))


def forget_caller():
    """Removes from the environment what the programs under test would take for
    meant for them: `make` reads ONLY, and options of a make that called us.
    Returns what ONLY was."""
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"):
        os.environ.pop(name, None)
    return os.environ.pop("ONLY", "").split()


def run_parts(parts, arguments):
    """The main program of a test that consists of these parts. Returns its exit
    status."""
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
    """Decorates a class of tests that belong to this part."""
    def put(tests):
        tests.part = name
        return tests

    return put


def sentence(test):
    """The name of a test as one says it: "Numbers: significant digits"."""
    _module, _, name = test.id().partition(".")
    return name.replace(".test_", ": ", 1).replace("_", " ") or str(test)


class Result(unittest.TestResult):
    """Makes every test a check."""

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
    if event in STARTING and not starting_is_allowed:
        raise AssertionError(f"a test of the part '{QUICK}' calls {event}")


def run_classes(name, classes):
    """Returns what runs all tests of these classes. Those of `quick` fail if
    they start a process."""
    def run(tally):
        global starting_is_allowed
        load = unittest.defaultTestLoader.loadTestsFromTestCase
        starting_is_allowed = name != QUICK
        unittest.TestSuite(map(load, classes)).run(Result(tally))
        starting_is_allowed = True

    return run


def main():
    """Runs the tests of the program that calls, and ends it."""
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

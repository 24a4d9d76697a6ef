#!/usr/bin/env python3
"""Grades the correct servers in other languages in tests/graded. They must get
full marks: the grader must not take points for how a runtime works inside. Only
where a runtime cannot pass a check, as Node, the loss must be the expected one.
Not part of `make test`: each grade takes a minute. Parts: see tap.py."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import tap
from under_test import BIN, ROOT, grade, program

LONG_S = 900  # more than a grade takes on the slowest machine
GRADED = ROOT / "tests" / "graded"


def need(runtime):
    """Skips the test if this runtime is not installed."""
    if shutil.which(runtime) is None:
        raise unittest.SkipTest(f"no {runtime}")


@tap.part("python")
class Python(unittest.TestCase):
    def test_full_marks(self):
        check_full_marks(self, GRADED / "python")


@tap.part("go")
class Go(unittest.TestCase):
    def test_full_marks(self):
        need("go")
        with tempfile.TemporaryDirectory() as folder:
            server = pathlib.Path(folder, "go")
            subprocess.run(["go", "build", "-o", server, GRADED / "go.go"],
                           env={**os.environ, "GOCACHE": f"{folder}/cache"},
                           check=True)
            check_full_marks(self, server)


# libuv cannot pause a listener. When no descriptor is free, it accepts all
# waiting clients and closes their connections. Other servers leave such clients
# in the kernel's queue. So these parts of the grade have failed checks:
CLOSED_BY_LIBUV = {
    "limits": 5,  # each of them: "all 120 clients are served in the end"
    "torture": 1,  # "exhausting"
}


@tap.part("node")
class Node(unittest.TestCase):
    def test_full_marks_but_for_descriptors(self):
        need("node")
        total = graded(GRADED / "node")
        self.assertEqual(
            {name: part["failed"] for name, part in total["parts"].items()
             if part["failed"]}, CLOSED_BY_LIBUV, total["failed"])
        for check in total["failed"]:
            self.assertRegex(check, "all 120 clients are served in the end$"
                                    "|^exhausting, ")


def graded(server):
    """Grades a server without knowing its model. Returns the grader's last
    line, which is JSON: the score and the failed checks."""
    done = subprocess.run(
        [program("grade"), server, "--model", grade.ANY, "--bin", BIN],
        capture_output=True, text=True, timeout=LONG_S, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def check_full_marks(case, server):
    total = graded(server)
    case.assertEqual((total["failed"], total["score"]), ([], 100))


if __name__ == "__main__":
    tap.main()

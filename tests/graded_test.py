#!/usr/bin/env python3
"""Grades correct servers in other languages (tests/graded), of which nothing is
expected but what they do: the grader must not take a point from them for their
runtime, unless that makes a check impossible. Not part of `make test`: each
takes a minute."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import tap
from under_test import BIN, ROOT, grade, program

LONG_S = 900  # for a grade on the slowest machine
GRADED = ROOT / "tests" / "graded"


def need(runtime):
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


# libuv cannot pause a listener. Once no descriptor is free it accepts and
# closes all clients that wait; other servers leave them in the kernel's queue.
CLOSED_BY_LIBUV = {
    "limits": 5,  # all of them: "all 120 clients are served in the end"
    "torture": 1,  # "exhausting"
}


@tap.part("node")
class Node(unittest.TestCase):
    def test_full_marks_but_for_descriptors(self):
        need("node")
        total = graded(GRADED / "node")
        self.assertEqual(
            {name: part["failed"] for name, part in total["parts"].items()
             if part["failed"]}, CLOSED_BY_LIBUV)
        for check in total["failed"]:
            self.assertRegex(check, "all 120 clients are served in the end$"
                                    "|^exhausting, ")


def graded(server):
    """Returns the last line of the grader, as its program reads it."""
    done = subprocess.run(
        [program("grade"), server, "--model", grade.ANY, "--bin", BIN],
        capture_output=True, text=True, timeout=LONG_S, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def check_full_marks(case, server):
    total = graded(server)
    case.assertEqual((total["failed"], total["score"]), ([], 100))


if __name__ == "__main__":
    tap.main()

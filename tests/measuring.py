"""Shared by the tests of bench-client and bench-coro: runs these programs as
modules and as processes, and has the tests that are the same for both."""

import os
import signal
import subprocess
import sys
import unittest

from programs import processes_of, run, wait_for_end_of, wait_until
from under_test import BIN, ROOT, as_module

BUILD = ROOT / "build" / "plain" / "bench"

# How long to wait for an event that must happen, on the slowest machine.
PATIENCE_S = 60

# A Python program that changes constants of a program of ours, and runs it.
PATCHED = """
import sys
sys.path.insert(0, {tests!r})
import measuring
program = measuring.as_module({name!r})
{patch}
sys.argv[0] = {name!r}
program.command_line.run(program.main)
"""


def command(name, *arguments, patch=""):
    """Returns the command that runs a program of ours after it has executed the
    statements in `patch`. There, `program` is the module."""
    code = PATCHED.format(tests=str(ROOT / "tests"), name=name, patch=patch)
    return [sys.executable, "-c", code, *map(str, arguments)]


def finish(command_line, **environment):
    """Runs a command to its end, and returns the result of subprocess.run().
    `environment` is added to that of this process."""
    return subprocess.run(command_line, env={**os.environ, **environment},
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)


def values(rows, **columns):
    """Returns the values of the rows that have these columns, in the order of
    the rows."""
    return [float(row["value"]) for row in rows
            if all(row[name] == text for name, text in columns.items())]


# ---- Tests of both programs


class CommandLine(unittest.TestCase):
    """Base of the tests of a program's command line."""

    NAME = ""  # of the program
    OPTIONS = ("--rounds", "--bin", "--build", "--csv")
    # Wrong arguments, and what the message must name.
    WRONG = ((["--rounds", "0"], "--rounds: "),
             (["--rounds", "many"], "--rounds"),
             (["--nonsense"], "--nonsense"))

    def test_bad_usage(self):
        for arguments, said in self.WRONG:
            done = run(self.NAME, *arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(said, done.stderr)
            self.assertEqual(done.stdout, "")

    def test_help_says_how_it_is_called(self):
        done = run(self.NAME, "--help")
        self.assertEqual(done.returncode, 0)
        for option in self.OPTIONS:
            self.assertIn(option, done.stdout)


def interrupted(command_line, folder, **environment):
    """Starts a program, and interrupts it while fibload runs. Fails unless all
    its processes end, which are found by `folder` in their environment. Returns
    the exit status and the output."""
    with subprocess.Popen(
            command_line, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **environment, "TEST": folder}) as process:
        try:
            wait_until(lambda: processes_of(folder, "fibload"),
                       "fibload runs", PATIENCE_S)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    wait_for_end_of(folder)
    return process.returncode, said

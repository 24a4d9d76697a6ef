"""Shared by the tests of bench-client and bench-coro: runs these programs as
modules and as processes, and reads the files that they write."""

import contextlib
import csv
import os
import pathlib
import subprocess
import sys
import time
import uuid

from under_test import BIN, ROOT, as_module
from under_test import program as path_of

BUILD = ROOT / "build" / "plain" / "bench"

# How long to wait for an event that must happen, on the slowest machine.
PATIENCE_S = 60
LOOK_S = 0.01

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


def run(name, *arguments):
    """Runs a program of ours as a user does, and returns the result of
    subprocess.run()."""
    return finish([sys.executable, path_of(name), *map(str, arguments)])


def write_script(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def rows_of(path):
    """Returns the rows of a CSV file, as dictionaries."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def values(rows, **columns):
    """Returns the values of the rows that have these columns, in the order of
    the rows."""
    return [float(row["value"]) for row in rows
            if all(row[name] == text for name, text in columns.items())]


# ---- Programs that run


def marked_environment(**changes):
    """Returns an environment with a unique mark, by which processes_of() finds
    the processes that have it."""
    return {**os.environ, **changes, "MEASURING_TEST": uuid.uuid4().hex}


@contextlib.contextmanager
def started(command_line, environment):
    """Starts a program, and kills it when the `with` block ends."""
    with subprocess.Popen(command_line, env=environment, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def processes_of(environment, name=""):
    """Returns the PIDs of the processes that have a marked environment and
    whose name starts with `name`."""
    mark = f"MEASURING_TEST={environment['MEASURING_TEST']}".encode()
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            folder = pathlib.Path("/proc", process)
            if mark in (folder / "environ").read_bytes() and (
                    folder / "comm").read_text().startswith(name):
                found.append(int(process))
    return found


def wait_until(is_so, what):
    """Waits until `is_so()` returns a true value. Raises AssertionError, which
    names `what`, after PATIENCE_S."""
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > until:
            raise AssertionError(f"not even after {PATIENCE_S} s: {what}")
        time.sleep(LOOK_S)

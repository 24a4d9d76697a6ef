"""Programs and processes for the tests of the bench. Nothing here depends on
the speed of the machine."""

import contextlib
import csv
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from under_test import ALL_MODELS, BIN, machine, program

# How long to wait for an event that must happen, on the slowest machine.
PATIENCE_S = 30
CHECK_S = 0.01
# How long CLIENT waits for a reply. After that, the request times out, which is
# a fault of the server. With the usual 10 s, it was the fault of a slow machine
# that needed longer to fork 1,000 times.
REPLY_S = 100

# Stands for fibload, but stops after a few requests instead of a short time,
# and waits longer for replies. Where a reply never comes, it waits only for a
# moment.
CLIENT = f"""#!/bin/sh
patience="--timeout {REPLY_S}s --grace $(({REPLY_S} + 20))s"
limits="-d {PATIENCE_S}s $patience --warmup 20ms"
case "$*" in
"--usage "*) ;;
*--calibrate*) echo "50 connections 250,000"; exit ;;
*experiment=hog*) limits="-d 90ms --hog-fib 20 $patience" ;;
*experiment=timeline*) limits="-d {PATIENCE_S}s --grace 50ms" ;;
*model=blocking* | *--trap*) limits="-d 100ms --grace 50ms" ;;
*" -n "*) ;;
*) limits="$limits -n $((5 * $2))" ;;  # $1 is -c
esac
exec {shlex.quote(str(BIN))}/fibload "$@" $limits
"""


def need_matplotlib():
    """Skips the calling test if no python3 on this machine has matplotlib."""
    if machine.python_with_matplotlib() is None:
        raise unittest.SkipTest("no python3 with matplotlib")


def folder_for(test, **options):
    """Makes a folder that is removed when `test` ends. Returns its path."""
    folder = tempfile.TemporaryDirectory(**options)
    test.addCleanup(folder.cleanup)
    return pathlib.Path(folder.name)


def rows_of(path):
    """Returns the rows of a CSV file, as dictionaries."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_script(path, text):
    """Writes an executable file, and returns its path."""
    path.write_text(text)
    path.chmod(0o755)
    return path


def patient_bin(directory):
    """Makes a folder below `directory` that has our servers, and CLIENT in
    place of fibload. Returns its path."""
    programs = directory / "bin"
    programs.mkdir()
    for model in ALL_MODELS:
        shutil.copy(BIN / model, programs)
    write_script(programs / "fibload", CLIENT)
    return programs


def run(name, *arguments, python=sys.executable, **more):
    """Runs a program of ours as a user does, and returns the result of
    subprocess.run()."""
    return subprocess.run([python, program(name), *map(str, arguments)],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, **more)


@contextlib.contextmanager
def started(*command, **more):
    """Starts a server and waits until it is ready. Yields the process and its
    port, and kills the server when the `with` block ends."""
    with subprocess.Popen([*map(str, command)], text=True,
                          stdout=subprocess.PIPE, **more) as process:
        try:
            line = process.stdout.readline()
            assert "listening on" in line, line
            yield process, int(line.rpartition(":")[2])
        finally:
            process.kill()


def wait_until(is_so, what, timeout_s=PATIENCE_S):
    """Waits until `is_so()` returns a true value. Raises AssertionError, which
    names `what`, after `timeout_s`."""
    until = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < until, f"not within {timeout_s} s: {what}"
        time.sleep(CHECK_S)


def processes_of(folder, name=""):
    """Returns the PIDs of all processes whose environment contains this folder,
    and whose name starts with `name`."""
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            path = pathlib.Path("/proc", process)
            if (os.fsencode(folder) in (path / "environ").read_bytes()
                    and (path / "comm").read_text().startswith(name)):
                found.append(int(process))
    return found


def wait_for_end_of(folder):
    """Waits until processes_of() finds none, since a killed process may take a
    moment to end. If some do not end, kills them and raises AssertionError."""
    try:
        wait_until(lambda: not processes_of(folder),
                   f"the processes of {folder} have ended")
    except AssertionError:
        for process in processes_of(folder):
            os.kill(process, signal.SIGKILL)
        raise

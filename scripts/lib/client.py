"""Runs fibload once against a new server, for programs that measure only a few
runs. The bench needs more in each run: see bench/run.py."""

import csv
import pathlib
import tempfile

from lib.processes import RunFailed, ask, serving


def row_of(path):
    """Returns the only row of a CSV file that the client has written. Raises
    RunFailed if the file does not have exactly one row."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            row, = csv.DictReader(file)
    except (OSError, ValueError):
        raise RunFailed("the client left no figures") from None
    return row


def measured(server, name, client, cores=(None, None), delay_s=0):
    """Measures a server once, and returns the client's figures by their names,
    as text. `server` and `client` are commands. `cores` are the cores of the
    server and of the client; None leaves the choice to the kernel. `delay_s` is
    how long the server delays each reply. Raises RunFailed. Must be called
    while signals are blocked."""
    with tempfile.TemporaryDirectory() as folder:
        path, log = pathlib.Path(folder, "row.csv"), pathlib.Path(folder, "log")
        with open(log, "wb") as output, serving(
                server, name, cores[0], output) as running:
            ask([*client, "--interval", "0", "--server-pid", running.pid,
                 "--csv", path, running.port], cores[1], output)
            running.stop(delay_s)
        return row_of(path)

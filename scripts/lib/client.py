"""One run of fibload against a fresh server: for the programs that measure a
few of them. The bench has more to do in a run, see bench/run.py."""

import csv
import pathlib
import tempfile

from lib.processes import RunFailed, ask, serving


def row_of(path):
    """The one row that the client has written. Raises RunFailed."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            row, = csv.DictReader(file)
    except (OSError, ValueError):
        raise RunFailed("the client left no figures") from None
    return row


def measured(server, name, client, cores=(None, None), delay_s=0):
    """The figures of the client, by their names, as text. `server` and `client`
    are commands, `cores` where they run, `delay_s` how long the server waits
    for each reply. Raises RunFailed. For use while signals are held back."""
    with tempfile.TemporaryDirectory() as folder:
        path, log = pathlib.Path(folder, "row.csv"), pathlib.Path(folder, "log")
        with open(log, "wb") as output, serving(
                server, name, cores[0], output) as running:
            ask([*client, "--interval", "0", "--server-pid", running.pid,
                 "--csv", path, running.port], cores[1], output)
            running.stop(delay_s)
        return row_of(path)

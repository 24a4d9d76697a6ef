"""Says what fibload and a server do in one run, and runs fibload once against a
new server, for programs that measure only a few runs. The bench needs more in
each run: see bench/run.py."""

import csv
import pathlib
import tempfile
from dataclasses import dataclass

from lib.processes import RunFailed, ask, serving


@dataclass(frozen=True)
class Load:
    """What client and server do in one run."""

    connections: int
    n: int = 1  # requests ask for fib(n)
    idle: int = 0  # additional connections that send nothing
    hogs: int = 0  # additional connections that ask for fib(40) for a while
    churn: bool = False  # a new connection for every request
    rate: int = 0  # requests due per second; 0: send after each reply
    requests: int = 0  # after which the run ends; 0: it ends after its time
    delay_ms: int = 0  # the server's delay before each reply

    def client_options(self):
        """Returns the options of fibload for this load."""
        options = ["-c", self.connections, "--idle", self.idle, "-f", self.n]
        for name, value in (("--hogs", self.hogs), ("-n", self.requests),
                            ("-R", self.rate)):
            options += [name, value] if value else []
        return [*map(str, options), *(["--churn"] if self.churn else [])]

    def server_options(self):
        """Returns the options of a server for this load."""
        return ["--delay", str(self.delay_ms)] if self.delay_ms else []


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

"""Measures how long normal clients wait beside greedy ones, compared with the
server poll.

A greedy client uses all the service that it can get. If a server gives it more
because it sends more, other clients starve. So 100 normal clients send a
request now and then, and the 99th percentile of their latency is measured. It
is divided by that of the server poll, measured right before, beside as many
greedy clients of the same kind.

For use while signals are blocked, see lib/processes.py.
"""

import csv
import dataclasses
import json
import pathlib
import subprocess
import time

from lib.models import ALL_MODELS
from lib.processes import (CLIENT_OK, CLIENT_TIMEOUT_S, RunFailed,
                           interruptible, serving, started, wait)
from lib.text import print_row
from lib.usage import count_in
from torture.attacks import (
    BLOCK, BUFFER_SIZE, REQUESTS, Attack, churning, flood)
from torture.matrix import ONE_AT_A_TIME

NAME = "fairness"
REFERENCE = "poll"
NORMAL, RATE = 100, 2000  # normal clients, their requests per second in all
GREEDY = 100
SLOTS = NORMAL + GREEDY + 20  # more than the clients of any kind
WARMUP, MEASURED = "300ms", "500ms"
LOOK_S = 0.01
RATIO_MAX = 20
# On a busy machine any client occasionally waits long. So a figure is the
# lowest of several measurements: of two (one with --quick), or of up to six
# until it is fair.
TRIES_MIN, TRIES_MAX = 2, 6
NAME_WIDTH, CELL_WIDTH = 12, 18


# ---- Greedy clients


def pipelining(attack):
    """Sends requests without a pause, and reads the replies."""
    flood(attack, GREEDY, REQUESTS, reads=True)


def endless_line(attack):
    """Sends a line that never ends."""
    flood(attack, GREEDY, b"1" * BLOCK)


def zero_window(attack):
    """Sends requests without a pause, and reads nothing."""
    flood(attack, GREEDY, REQUESTS, buffer_size=BUFFER_SIZE)


KINDS = {"pipelining": pipelining, "endless line": endless_line,
         "zero window": zero_window, "churning": churning}


# ---- One measurement


@dataclasses.dataclass
class Cell:
    """The latency of normal clients beside greedy clients of one kind, for one
    server and for the server poll."""

    server: str
    kind: str
    p99_ms: float
    reference_ms: float
    tries: int

    @property
    def ratio(self):
        return self.p99_ms / self.reference_ms

    @property
    def fair(self):
        return self.ratio <= RATIO_MAX

    @property
    def text(self):
        mark = "" if self.fair else "!"
        return f"{mark}{self.p99_ms:.1f} ({self.ratio:.1f}x)"


def await_connections(client):
    """Waits until the normal clients have opened their connections, or the
    client has ended. The greedy clients come later, so that the server accepts
    the normal ones first: accepting clients during an attack is not what is
    measured."""
    descriptors = pathlib.Path(f"/proc/{client.pid}/fd")
    while client.poll() is None and count_in(descriptors) < NORMAL:
        with interruptible():
            time.sleep(LOOK_S)


def p99_beside(server, greedy, tools, log):
    """Returns the 99th percentile of the latency of normal clients in ms. The
    greedy clients start during the warm-up. A request without a reply counts
    with its age at the end."""
    command = [tools / "fibload", "-c", str(NORMAL), "-R", str(RATE), "-d",
               MEASURED, "--warmup", WARMUP, "--interval", "0", "--json", "-",
               str(server.port)]
    with started(command, None, stdout=subprocess.PIPE, stderr=log) as client:
        await_connections(client)
        attack = Attack(greedy, server.port, server.pid, tools)
        try:
            if wait(client, CLIENT_TIMEOUT_S) not in CLIENT_OK:
                raise RunFailed("fibload failed; see log.txt")
        finally:
            attack.end()
        return json.load(client.stdout)["p99_us"] / 1000


def p99_ms(program, greedy, ours, tools, log):
    """Starts a new server of this program, and returns the result of
    p99_beside() for it."""
    command = [program, "--port", "0", "--quiet"]
    if ours:
        command += ["--max-clients", str(SLOTS)]
    with serving(command, program.name, log=log) as server:
        return p99_beside(server, greedy, tools, log)


def measured(name, program, kind, ours, options, log):
    """Measures a program and the server poll in turns. Returns the Cell with
    the lowest figure of each."""
    own, reference, greedy, tools = [], [], KINDS[kind], options.bin
    tries_min = 1 if options.quick else TRIES_MIN
    while True:
        reference.append(p99_ms(tools / REFERENCE, greedy, True, tools, log))
        own.append(p99_ms(program, greedy, ours, tools, log))
        cell = Cell(name, kind, min(own), min(reference), len(own))
        if len(own) == TRIES_MAX or (len(own) >= tries_min and cell.fair):
            return cell


# ---- The table


def print_table_head():
    print(f"\nThe p99 of {NORMAL} normal clients beside {GREEDY} greedy ones, "
          f"in ms, and how many\ntimes that of {REFERENCE} it is "
          f"(! more than {RATIO_MAX} times):\n")
    print(" " * NAME_WIDTH + "".join(f"{kind:>{CELL_WIDTH}}" for kind in KINDS))


def write_csv(path, cells):
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["server", "greedy", "p99_ms", f"{REFERENCE}_p99_ms",
                        "ratio", "tries", "fair"])
        for cell in cells:
            table.writerow([cell.server, cell.kind, f"{cell.p99_ms:.3f}",
                            f"{cell.reference_ms:.3f}", f"{cell.ratio:.2f}",
                            cell.tries, int(cell.fair)])


def compare(options, directory):
    """Prints a row for each program, and writes fairness.csv. Returns the
    number of cells that are not fair plus the number of incomplete rows."""
    cells, failed = [], 0
    print_table_head()
    with open(directory / "log.txt", "ab") as log:
        for name, program in options.programs.items():
            if name in ONE_AT_A_TIME:
                print(f"{name:{NAME_WIDTH}}  serves one client at a time")
                continue
            row = (measured(name, program, kind, name in ALL_MODELS, options,
                            log) for kind in KINDS)
            try:
                cells += print_row(name, (NAME_WIDTH, CELL_WIDTH), row,
                                   lambda cell: cell.text)
            except RunFailed as problem:
                print(f"  ! {problem}")
                failed += 1
    write_csv(directory / "fairness.csv", cells)
    unfair = sum(not cell.fair for cell in cells)
    print(f"# fairness: {len(cells) - unfair} passed, {unfair + failed} failed")
    return unfair + failed

"""Measures how long normal clients wait beside greedy ones, relative to poll.

A greedy client uses all the service that it can get. If a server gives it more
because it sends more, other clients starve. So 100 normal clients send a
request now and then, and the 99th percentile of their latency is measured. It
is divided by that of the server poll, measured right before, beside as many
greedy clients of the same kind.

Greedy clients that do not read come first. While the server's send buffers fill
up, such a client is not yet different from one that pipelines: it becomes so
when its window is closed and the server can send it nothing more.

For use while signals are blocked, see lib/processes.py.
"""

import dataclasses
import json
import pathlib
import subprocess
import time

from lib import tcp
from lib.processes import (
    CLIENT_OK, CLIENT_TIMEOUT_S, RunFailed, sleep, started, wait)
from lib.text import print_row
from lib.usage import names_in
from torture.attacks import (
    BLOCK, BUFFER_SIZE, REQUESTS, Attack, churning, flood)
from torture.matrix import ONE_AT_A_TIME

NAME = "fairness"
REFERENCE = "poll"
NORMAL, RATE = 100, 2000  # normal clients, their requests per second in all
GREEDY = 100
SLOTS = NORMAL + GREEDY + 20  # more than the clients of any kind
WARMUP, MEASURED = "300ms", "500ms"
CHECK_S = 0.01
STILL_S = 0.1  # between two checks that must find the same
# Invalid requests have long replies, and the size of the server's send buffers
# depends on that of the client's segments: so these are soon full.
INVALID = b"x\n" * (BLOCK // 2)
SEGMENT_SIZE = 88  # the least that Linux accepts
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
    flood(attack, GREEDY, INVALID, buffer_size=BUFFER_SIZE,
          segment_size=SEGMENT_SIZE)


COME_FIRST = (zero_window,)
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

    def row(self):
        """Returns a row of fairness.csv."""
        return {"server": self.server, "greedy": self.kind,
                "p99_ms": f"{self.p99_ms:.3f}",
                f"{REFERENCE}_p99_ms": f"{self.reference_ms:.3f}",
                "ratio": f"{self.ratio:.2f}", "tries": self.tries,
                "fair": int(self.fair)}


def await_still(server):
    """Waits until the greedy clients have sent requests that the server does
    not receive, and nothing moves. Raises RunFailed if that does not happen."""
    until, before = time.monotonic() + CLIENT_TIMEOUT_S, None
    while True:
        now = {one.remote: (one.unread, one.unacknowledged)
               for one in tcp.sockets()
               if one.local.endswith(f":{server.port}") and not one.is_listener}
        unread = sum(unread > 0 for unread, _ in now.values())
        if unread == GREEDY and now == before:
            return
        if time.monotonic() > until:
            raise RunFailed("clients that do not read still get replies")
        before = now
        sleep(STILL_S)


def await_connections(client):
    """Waits until the normal clients have opened their connections, or the
    client has ended. Greedy clients that use all that they can get come later,
    so that the server accepts the normal ones first: accepting clients during
    an attack is not what is measured."""
    descriptors = pathlib.Path(f"/proc/{client.pid}/fd")
    while client.poll() is None and len(names_in(descriptors)) < NORMAL:
        sleep(CHECK_S)


def normal_clients(subject, server):
    """Starts the normal clients, for a `with` statement."""
    command = [subject.tools / "fibload", "-c", NORMAL, "-R", RATE, "-d",
               MEASURED, "--warmup", WARMUP, "--interval", "0", "--json", "-",
               server.port]
    return started(command, stdout=subprocess.PIPE, stderr=subject.log)


def p99_of(client):
    """Waits for the normal clients to end. Returns the 99th percentile of their
    latency in ms. A request without a reply counts with its age at the end."""
    if wait(client, CLIENT_TIMEOUT_S) not in CLIENT_OK:
        raise RunFailed("fibload failed; see log.txt")
    return json.load(client.stdout)["p99_us"] / 1000


def p99_ms(subject, greedy):
    """Starts a server, and returns p99_of() of the normal clients beside greedy
    ones. Those of COME_FIRST come before the normal clients, others after."""
    with subject.serving("--max-clients", SLOTS) as server:
        if greedy in COME_FIRST:
            with Attack(greedy, server.port, subject.tools):
                await_still(server)
                with normal_clients(subject, server) as client:
                    return p99_of(client)
        with normal_clients(subject, server) as client:
            await_connections(client)
            with Attack(greedy, server.port, subject.tools):
                return p99_of(client)


def measured(subject, kind, tries_min):
    """Measures poll and a server alternately, and returns the best Cell."""
    own, reference, greedy = [], [], KINDS[kind]
    poll = dataclasses.replace(subject, name=REFERENCE, is_ours=True,
                               program=subject.tools / REFERENCE)
    while True:
        reference.append(p99_ms(poll, greedy))
        own.append(p99_ms(subject, greedy))
        cell = Cell(subject.name, kind, min(own), min(reference), len(own))
        if len(own) == TRIES_MAX or (len(own) >= tries_min and cell.fair):
            return cell


# ---- The table


def print_head():
    print(f"\nThe p99 of {NORMAL} normal clients beside {GREEDY} greedy ones, "
          f"in ms, and how many\ntimes that of {REFERENCE} it is "
          f"(! more than {RATIO_MAX} times):\n")
    print(" " * NAME_WIDTH + "".join(f"{kind:>{CELL_WIDTH}}" for kind in KINDS))


def compare(subjects, is_quick):
    """Prints a row for each server. Returns the cells, and the number of cells
    that are not fair plus the number of incomplete rows."""
    cells, failed = [], 0
    print_head()
    for subject in subjects:
        if subject.name in ONE_AT_A_TIME:
            print(f"{subject.name:{NAME_WIDTH}}  serves one client at a time")
            continue
        row = (measured(subject, kind, 1 if is_quick else TRIES_MIN)
               for kind in KINDS)
        try:
            cells += print_row(subject.name, (NAME_WIDTH, CELL_WIDTH), row,
                               lambda cell: cell.text)
        except RunFailed as problem:
            print(f"  ! {problem}")
            failed += 1
    unfair = sum(not cell.fair for cell in cells)
    print(f"# fairness: {len(cells) - unfair} passed, {unfair + failed} failed")
    return cells, unfair + failed

"""Observes a server: where each of its threads waits, and what the kernel holds
for its clients. Rates are those since the previous observation."""

import contextlib
import time
from dataclasses import dataclass, field

from watch import coroutines, sockets
from watch.calls import Words, name_of
from watch.clock import ProcessorClocks
from watch.symbols import Symbols

RUNNING, RUNNABLE, BLOCKED, STOPPED = "running", "runnable", "blocked", "stopped"
STATE_OF = {"R": RUNNABLE, "T": STOPPED, "t": STOPPED}  # all others: blocked

# The kernel charges a running thread at every tick of its processor, at 100 Hz
# or faster. A thread not charged for longer than this waits for the processor.
TICK_NS = 15_000_000


@dataclass
class Row:
    """One thread, as it is shown."""

    pid: int
    tid: int
    state: str
    since_s: float  # in this state; None: not known
    at_least: bool  # `since_s` is a minimum: the start was not observed
    cpu_share: float  # of one processor; None at the first look
    switches_per_s: float  # None at the first look
    processor: int
    call: str = ""  # name of the system call, if blocked
    what: str = ""  # the call in words, or the processor it runs on


@dataclass
class Connection:
    """One connection to the server, as it is shown."""

    client: str
    accepted: bool
    state: str
    unread_bytes: int
    unacknowledged_bytes: int


@dataclass
class Snapshot:
    """What one observation of a server has found."""

    name: str
    pid: int
    address: str  # "" if the server listens nowhere
    rows: list
    connections: list
    accept_queue: int
    processes: int
    cpu_share: float  # in processors, of all threads; None at first
    hidden: str = ""  # why system calls are not shown
    coroutines: list = field(default_factory=list)
    coroutines_hidden: str = ""  # why they are not shown


class Observer:
    """Observes a server, and remembers the previous observation."""

    def __init__(self, proc, pid):
        self.proc, self.pid = proc, pid
        self.clocks = ProcessorClocks(proc)
        self.symbols = Symbols(proc, pid)
        self.last = {}  # tid: (the thread, when it was observed, in ns)
        self.first_seen_ns = {}  # tid: (switches, since when at least)

    def look(self, patience_s=0):
        """Returns a Snapshot of the server. Raises OSError if it has ended. To
        list its coroutines, the server must run: this call blocks for at most
        about `patience_s` until it has answered. With 0, it is not asked."""
        first = self.proc.process(self.pid)
        found = sockets.of_server(self.proc, self.pid)
        processes = [first, *self.descendants()]
        threads = [thread for one in processes for thread in one.threads]
        rows = []
        for one in processes:
            words = Words(self.proc, found, one, self.symbols)
            rows += [self.row(thread, words) for thread in one.threads]
        self.tell_running_from_runnable(threads, rows)
        refused = any(thread.refused for thread in threads)
        self.remember(threads)
        shares = [row.cpu_share for row in rows if row.cpu_share is not None]
        listed = [], ""
        if patience_s:
            words = Words(self.proc, found, first, self.symbols)
            listed = coroutines.of_server(first, words, patience_s)
        return Snapshot(
            first.name, self.pid,
            found.listener.local if found.listener else "", rows,
            [Connection(one.remote, bool(one.inode),
                        sockets.STATES.get(one.state, "opening"), one.unread,
                        one.unacknowledged)
             for one in found.connections],
            found.accept_queue, len(processes),
            sum(shares) if shares else None,
            self.proc.hidden_because() if refused else "", *listed)

    def descendants(self):
        """Yields the processes that descend from the server's first process."""
        for pid in self.proc.tree(self.pid)[1:]:
            with contextlib.suppress(OSError):  # The process has ended.
                yield self.proc.process(pid)

    def remember(self, threads):
        """Keeps what the next observation compares with."""
        now_ns = time.monotonic_ns()
        self.last = {one.tid: (one, now_ns) for one in threads}
        self.first_seen_ns = {
            one.tid: seen if seen[0] == one.switches
            else (one.switches, now_ns)
            for one in threads
            for seen in [self.first_seen_ns.get(one.tid, (None, 0))]}

    # ---- Rows

    def row(self, thread, words):
        state = STATE_OF.get(thread.state, BLOCKED)
        since_s, at_least = self.since(thread) if state == BLOCKED else (
            None, False)
        share, switches = self.rates(thread)
        row = Row(thread.pid, thread.tid, state, since_s, at_least, share,
                  switches, thread.processor)
        if state == BLOCKED:
            row.what = words.describe(thread)
            row.call = name_of(thread) or row.what
        return row

    def since(self, thread):
        """Returns for how many seconds a thread has been blocked. Also returns
        True if that is only a minimum, because its start was not observed."""
        not_run_ns = self.clocks.not_run_ns(thread)
        if not_run_ns is not None:
            return not_run_ns / 1e9, False
        switches, seen_ns = self.first_seen_ns.get(thread.tid, (None, 0))
        if switches != thread.switches:
            return 0.0, True
        return (time.monotonic_ns() - seen_ns) / 1e9, True

    def rates(self, thread):
        """Returns the share of a processor that a thread has used since the
        previous observation, and its context switches per second. Returns
        (None, None) for a thread that is new."""
        if thread.tid not in self.last:
            return None, None
        old, then_ns = self.last[thread.tid]
        elapsed_ns = max(1, time.monotonic_ns() - then_ns)
        return ((thread.cpu_ns - old.cpu_ns) / elapsed_ns,
                (thread.switches - old.switches) * 1e9 / elapsed_ns)

    def tell_running_from_runnable(self, threads, rows):
        """Sets the state of the threads that could run to running or runnable.
        On each processor, the thread that the kernel charged last is running,
        if that was a moment ago. The others wait."""
        latest = {}
        for thread, row in zip(threads, rows):
            if row.state == RUNNABLE:
                best = latest.setdefault(thread.processor, (thread, row))
                if thread.exec_start_ns > best[0].exec_start_ns:
                    latest[thread.processor] = (thread, row)
        for thread, row in latest.values():
            if (self.clocks.not_run_ns(thread) or 0) < TICK_NS:
                row.state = RUNNING
        for row in rows:
            if row.state in (RUNNING, RUNNABLE):
                row.what = (f"on processor {row.processor}"
                            if row.state == RUNNING
                            else f"waits for processor {row.processor}")

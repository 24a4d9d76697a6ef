"""Observes a server: where each of its threads waits, and what the kernel holds
for its clients. Rates are those since the previous observation."""

import contextlib
from dataclasses import dataclass, field

from watch import coroutines, proc, sockets
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
    cpu_share: float  # of one processor; None at first
    switches_per_s: float  # None at first
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

    def __init__(self, pid):
        self.pid = pid
        self.clocks = ProcessorClocks()
        self.symbols = Symbols(pid)
        self.last = {}  # the threads of the previous observation, by TID

    def observe(self, patience_s=0):
        """Returns a Snapshot of the server. Raises OSError if it has ended. To
        list its coroutines, the server must run: this call blocks for at most
        about `patience_s` until it has answered. With 0, it is not asked."""
        processes = [proc.process(self.pid), *self.descendants()]
        first, found = processes[0], sockets.of_server(self.pid)
        listener = found.listener
        threads = [thread for one in processes for thread in one.threads]
        words = [Words(found, one, self.symbols) for one in processes]
        rows = [self.row(thread, of) for one, of in zip(processes, words)
                for thread in one.threads]
        self.tell_running_from_runnable(threads, rows)
        self.last = {thread.tid: thread for thread in threads}
        shares = [row.cpu_share for row in rows if row.cpu_share is not None]
        is_hidden = any(thread.is_hidden for thread in threads)
        return Snapshot(
            first.name, self.pid, listener.local if listener else "", rows,
            [connection(one) for one in found.connections],
            listener.unread if listener else 0, len(processes),
            sum(shares) if shares else None,
            proc.hidden_because() if is_hidden else "",
            *coroutines.of_server(first, words[0], patience_s))

    def descendants(self):
        """Yields the processes that descend from the server's first process."""
        for pid in proc.tree(self.pid)[1:]:
            with contextlib.suppress(OSError):  # The process has ended.
                yield proc.process(pid)

    # ---- Rows

    def row(self, thread, words):
        """Converts a thread to a Row, and compares it with the previous
        observation. `words` describes the calls of its process."""
        old = self.last.get(thread.tid)
        if old and old.switches == thread.switches:
            thread.unchanged_ns = old.unchanged_ns
        state = STATE_OF.get(thread.state, BLOCKED)
        since_s, at_least = self.since(thread) if state == BLOCKED else (
            None, False)
        row = Row(thread.pid, thread.tid, state, since_s, at_least,
                  *rates(old, thread), thread.processor)
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
        return (thread.seen_ns - thread.unchanged_ns) / 1e9, True

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


def rates(old, thread):
    """Returns the share of a processor that a thread has used since `old`, the
    previous observation of it, and its context switches per second. Returns
    (None, None) for a thread that is new."""
    if old is None:
        return None, None
    elapsed_ns = max(1, thread.seen_ns - old.seen_ns)
    return ((thread.cpu_ns - old.cpu_ns) / elapsed_ns,
            (thread.switches - old.switches) * 1e9 / elapsed_ns)


def connection(socket):
    """Converts a socket of the server to a Connection."""
    return Connection(socket.remote, bool(socket.inode),
                      sockets.STATES[socket.state], socket.unread,
                      socket.unacknowledged)

"""Reads what /proc says at this moment about processes and their threads.

Nothing here needs root or ptrace. The kernel hides system calls if the process
belongs to another user, or if it is not our child and Yama restricts ptrace.
The number of the call is then -1, and `refused` gives the reason.
"""

import contextlib
import os
import pathlib
import struct
import time
from dataclasses import dataclass, field

from lib.usage import TICKS_PER_S

# What reading about a process raises once it has ended.
ENDED = (OSError, ValueError, IndexError)


@dataclass
class Thread:
    """One thread, as the kernel reports it."""

    pid: int
    tid: int
    state: str  # the letter of proc(5): R, S, D, Z, T ...
    processor: int  # on which it runs or last ran
    cpu_ns: int  # CPU time used so far
    switches: int  # context switches so far
    exec_start_ns: int = 0  # when it last ran, by its processor's clock
    seen_ns: int = 0  # when it was observed, on the monotonic clock
    number: int = -1  # of the system call it is in; -1: none, or hidden
    arguments: tuple = ()  # of that call, as numbers
    wchan: str = ""  # the kernel function in which it sleeps
    refused: str = ""  # why the system call is hidden


@dataclass
class Process:
    """One process with its threads."""

    pid: int
    parent: int
    name: str
    command: tuple = ()
    threads: list = field(default_factory=list)


class Proc:
    """A view of /proc. Each call reads it again. Lists leave out processes that
    have ended; a call for a single process raises OSError."""

    def __init__(self, root="/proc"):
        self.root = pathlib.Path(root)

    def text(self, *path):
        """Returns the text of a file in /proc. Raises OSError."""
        return self.root.joinpath(*map(str, path)).read_text(errors="replace")

    # ---- Processes

    def parents(self):
        """Returns the parent of every process: {pid: parent}."""
        parents = {}
        for name in os.listdir(self.root):
            if name.isdigit():
                with contextlib.suppress(*ENDED):
                    parents[int(name)] = int(self.stat(name)[1][1])
        return parents

    def tree(self, pid):
        """Returns the PIDs of a process and its descendants, parents first."""
        children = {}
        for child, parent in sorted(self.parents().items()):
            children.setdefault(parent, []).append(child)
        found = [pid]
        for one in found:
            found += children.get(one, [])
        return found

    def stat(self, *path):
        """Returns the name in a `stat` file, which may contain spaces and
        brackets, and the list of fields after it. The first is the state."""
        begin, _, rest = self.text(*path, "stat").rpartition(")")
        return begin.partition("(")[2], rest.split()

    def process(self, pid):
        """Returns a process with all its threads. Raises OSError if there is no
        such process, or if it is a zombie."""
        name, fields = self.stat(pid)
        if fields[0] in "ZX":
            raise ProcessLookupError(f"process {pid} has ended")
        command = tuple(self.text(pid, "cmdline").split("\0")[:-1])
        found = Process(pid, int(fields[1]), name, command)
        for tid in sorted(map(int, os.listdir(self.root / str(pid) / "task"))):
            with contextlib.suppress(*ENDED):
                found.threads.append(self.thread(pid, tid))
        return found

    # ---- Threads

    def thread(self, pid, tid):
        """Returns one thread. Raises OSError if it has ended."""
        path = (pid, "task", tid)
        _, fields = self.stat(*path)
        thread = Thread(pid, tid, fields[0], int(fields[36]),
                        self.cpu_ns(path, fields), self.switches(path),
                        self.exec_start_ns(path), time.monotonic_ns())
        if thread.state != "R":
            self.add_call(thread, path)
        return thread

    def cpu_ns(self, path, fields):
        """Returns the CPU time of a thread. Not every kernel has `schedstat`;
        `stat` counts only in ticks, mostly of 10 ms."""
        try:
            return int(self.text(*path, "schedstat").split()[0])
        except ENDED:
            ticks = int(fields[11]) + int(fields[12])
            return ticks * 10**9 // TICKS_PER_S

    def switches(self, path):
        """Returns the number of context switches of a thread."""
        return sum(int(line.split()[1])
                   for line in self.text(*path, "status").splitlines()
                   if "ctxt_switches" in line)

    def exec_start_ns(self, path):
        """Returns when a thread last ran, by the clock of its processor (see
        clock.py), or 0 if the kernel does not say."""
        with contextlib.suppress(OSError, ValueError):
            for line in self.text(*path, "sched").splitlines():
                if line.startswith("se.exec_start"):
                    return int(float(line.split()[-1]) * 1e6)
        return 0

    def add_call(self, thread, path):
        """Adds to `thread` the system call and the kernel function in which it
        is blocked, if the kernel does not hide them."""
        try:
            thread.number, thread.arguments = self.call(path)
        except OSError as problem:
            thread.refused = problem.strerror or "refused"
        with contextlib.suppress(OSError):
            thread.wchan = self.text(*path, "wchan").strip("0\n")

    def call(self, path):
        """Returns the number and arguments of a system call, or (-1, ())."""
        words = self.text(*path, "syscall").split()
        if not words or not words[0].isdigit():
            return -1, ()
        return int(words[0]), tuple(int(word, 16) for word in words[1:7])

    def is_still_in_call(self, thread):
        """Returns True if a thread is in the system call recorded in `thread`,
        and has not run since then."""
        path = (thread.pid, "task", thread.tid)
        try:
            return (self.call(path) == (thread.number, thread.arguments)
                    and self.switches(path) == thread.switches)
        except OSError:
            return False

    # ---- Descriptors and memory

    def descriptor(self, pid, fd):
        """Returns what a descriptor is, as "socket:[123]", or "" if hidden."""
        try:
            return os.readlink(self.root / str(pid) / "fd" / str(fd))
        except OSError:
            return ""

    def descriptors(self, pid):
        """Returns all descriptors of a process: {number: what it refers to}."""
        try:
            numbers = os.listdir(self.root / str(pid) / "fd")
        except OSError:
            return {}
        return {int(fd): self.descriptor(pid, fd) for fd in numbers}

    def watched_count(self, pid, epoll):
        """Returns how many descriptors an epoll watches, None if hidden."""
        try:
            return self.text(pid, "fdinfo", epoll).count("tfd:")
        except OSError:
            return None

    def memory(self, pid, address, form):
        """Reads the memory of a process at an address, and unpacks it with the
        struct format `form`. Returns None if this program may not read it."""
        try:
            with open(self.root / str(pid) / "mem", "rb", 0) as file:
                file.seek(address)
                return struct.unpack(form, file.read(struct.calcsize(form)))
        except (OSError, ValueError, OverflowError, struct.error):
            return None

    def hidden_because(self):
        """Returns why the kernel hides the system calls of a process."""
        try:
            scope = int(self.text("sys/kernel/yama/ptrace_scope"))
        except (OSError, ValueError):
            scope = 0
        if scope:
            return (f"Yama (ptrace_scope {scope}) shows system calls of child "
                    "processes only")
        return "the process belongs to another user"

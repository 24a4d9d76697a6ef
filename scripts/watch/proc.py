"""Reads what /proc says at this moment about processes and their threads.

Nothing here needs root or ptrace. The kernel hides system calls if the process
belongs to another user, if it has more privileges than this program, or if it
is not our child and Yama restricts ptrace. The number of the call is then -1,
and `is_hidden` is true.

Each function reads /proc again. Lists leave out processes that have ended; a
function for a single process raises OSError.
"""

import contextlib
import os
import pathlib
import re
import struct
import time
from dataclasses import dataclass, field

from lib.usage import TICKS_PER_S

ROOT = pathlib.Path("/proc")

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
    exec_start_ns: int  # when it last ran, by its processor's clock; 0: unknown
    seen_ns: int  # when it was observed, on the monotonic clock
    unchanged_ns: int  # since when it has not run, as far as was observed
    number: int = -1  # of the system call it is in; -1: none, or hidden
    arguments: tuple = ()  # of that call, as numbers
    wchan: str = ""  # the kernel function in which it sleeps
    is_hidden: bool = False  # the kernel does not tell the system call


@dataclass
class Process:
    """One process with its threads."""

    pid: int
    name: str
    command: tuple = ()
    threads: list = field(default_factory=list)


def text(*path):
    """Returns the text of a file in /proc. Raises OSError."""
    with open("/".join(map(str, (ROOT, *path))), errors="replace") as file:
        return file.read()


def stat(*path):
    """Returns the name in a `stat` file, which may contain spaces and brackets,
    and the list of fields after it. The first is the state."""
    begin, _, rest = text(*path, "stat").rpartition(")")
    return begin.partition("(")[2], rest.split()


# ---- Processes


def tree(pid):
    """Returns the PIDs of a process and its descendants, parents first."""
    children = {}
    for name in filter(str.isdecimal, os.listdir(ROOT)):
        with contextlib.suppress(*ENDED):
            parent = int(stat(name)[1][1])
            children.setdefault(parent, []).append(int(name))
    found = [pid]
    for one in found:
        found += sorted(children.get(one, []))
    return found


def process(pid):
    """Returns a process with all its threads. Raises OSError if there is no
    such process, or if it is a zombie."""
    name, fields = stat(pid)
    if fields[0] in "ZX":
        raise ProcessLookupError(f"process {pid} has ended")
    command = tuple(text(pid, "cmdline").split("\0")[:-1])
    found = Process(pid, name, command)
    for tid in sorted(map(int, os.listdir(ROOT / str(pid) / "task"))):
        with contextlib.suppress(*ENDED):
            found.threads.append(thread(pid, tid))
    return found


# ---- Threads


def thread(pid, tid):
    """Returns one thread. Raises OSError if it has ended."""
    path = (pid, "task", tid)
    _, fields = stat(*path)
    now_ns = time.monotonic_ns()
    found = Thread(pid, tid, fields[0], int(fields[36]), cpu_ns(path, fields),
                   switches(path), exec_start_ns(path), now_ns, now_ns)
    if found.state != "R":
        try:
            found.number, found.arguments = call(path)
        except OSError:
            found.is_hidden = True
        with contextlib.suppress(OSError):
            found.wchan = text(*path, "wchan").strip("0\n")
    return found


def cpu_ns(path, fields):
    """Returns the CPU time of a thread. Not every kernel has `schedstat`;
    `stat` counts only in ticks, mostly of 10 ms."""
    try:
        return int(text(*path, "schedstat").split()[0])
    except ENDED:
        ticks = int(fields[11]) + int(fields[12])
        return ticks * 10**9 // TICKS_PER_S


def switches(path):
    """Returns the number of context switches of a thread."""
    return sum(map(int, re.findall(r"ctxt_switches:\s*(\d+)",
                                   text(*path, "status"))))


def exec_start_ns(path):
    """Returns when a thread last ran, by the clock of its processor (see
    clock.py), or 0 if the kernel does not say."""
    with contextlib.suppress(OSError):
        for ms in re.findall(r"^se\.exec_start.* ([\d.]+)$",
                             text(*path, "sched"), re.M):
            return int(float(ms) * 1e6)
    return 0


def call(path):
    """Returns the number and the six arguments of a system call, or (-1, ()).
    For a thread of the kernel itself, the file has only zeros, even as the last
    word, the program counter."""
    words = text(*path, "syscall").split()
    if len(words) < 9 or words[-1] == "0x0":
        return -1, ()
    return int(words[0]), tuple(int(word, 16) for word in words[1:7])


def is_still_in_call(found):
    """Returns True if a thread is in the system call recorded in `found`, and
    has not run since then."""
    path = (found.pid, "task", found.tid)
    try:
        return (call(path) == (found.number, found.arguments)
                and switches(path) == found.switches)
    except OSError:
        return False


# ---- Descriptors and memory


def descriptor(pid, fd):
    """Returns what a descriptor is, as "socket:[123]", or "" if hidden."""
    try:
        return os.readlink(ROOT / str(pid) / "fd" / str(fd))
    except OSError:
        return ""


def descriptors(pid):
    """Returns all descriptors of a process: {number: what it refers to}."""
    with contextlib.suppress(OSError):
        return {int(fd): descriptor(pid, fd)
                for fd in os.listdir(ROOT / str(pid) / "fd")}
    return {}


def memory(pid, address, form):
    """Reads the memory of a process at an address, and unpacks it with the
    struct format `form`. Returns None if this program may not read it."""
    try:
        with open(ROOT / str(pid) / "mem", "rb", 0) as file:
            file.seek(address)
            return struct.unpack(form, file.read(struct.calcsize(form)))
    except (OSError, ValueError, OverflowError, struct.error):
        return None


def hidden_because():
    """Returns why the kernel hides the system calls of a process, in few enough
    words for a line of 80 columns."""
    try:
        scope = int(text("sys/kernel/yama/ptrace_scope"))
    except (OSError, ValueError):
        scope = 0
    if scope:
        return f"Yama (ptrace_scope {scope}) shows only those of children"
    return "it belongs to another user, or has more privileges"

"""Measures what a server uses, summed over all its processes: descriptors,
threads, processes, memory and CPU time."""

import contextlib
import dataclasses
import os
import pathlib
import re
import time

from lib.machine import text_of

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PF_EXITING = 0x4  # in the flags of /proc/PID/stat: see linux/sched.h
# Between two checks. The pause grows, because a check takes CPU time.
CHECK_S, CHECK_MAX_S = 0.02, 0.5
SETTLE_S = 20  # at most, until the kernel has released what was closed
CHECKS_ASLEEP = 5  # checks in a row that prove a server idle, or complete
CHECKS_MAX = 50  # checks, until a server is taken for never idle


@dataclasses.dataclass
class Usage:
    """What a server uses at one moment. Memory is counted as PSS: a page that
    several processes share is divided among them."""

    descriptors: int = 0
    threads: int = 0
    processes: int = 0
    zombies: int = 0
    memory_kib: int = 0
    cpu_s: float = 0

    def maximum(self, other):
        """Returns a Usage with the larger value of each field."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other))
        return Usage(*map(max, pairs))

    def excess_over(self, before):
        """Returns how much more is in use than in an earlier Usage, for the
        counts that have grown. Memory and CPU time are not compared."""
        names = ("descriptors", "threads", "processes", "zombies")
        more = {name: getattr(self, name) - getattr(before, name)
                for name in names}
        return {name: count for name, count in more.items() if count > 0}


def stat_of(pid):
    """Returns the fields of /proc/PID/stat from the state on, or []."""
    return text_of(f"/proc/{pid}/stat").rpartition(")")[2].split()


def is_exiting(pid):
    """Returns True if the kernel is ending the process. Its sockets may be
    closed already, although wait(2) cannot yet tell that it has ended."""
    fields = stat_of(pid)
    return bool(fields) and int(fields[6]) & PF_EXITING != 0


def session_of(pid):
    """Yields each process of the session that `pid` leads, zombies included:
    its PID and its fields from stat_of()."""
    for member in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # The process has just ended.
            if os.getsid(int(member)) == pid and (fields := stat_of(member)):
                yield int(member), fields


def kib_of(pid, file, field):
    """Returns a field of /proc/PID/<file> in KiB, 0 if PID has ended."""
    found = re.search(rf"^{field}:\s+(\d+) kB", text_of(f"/proc/{pid}/{file}"),
                      re.M)
    return int(found[1]) if found else 0


def names_in(path):
    """Returns the names of the entries in a folder of /proc."""
    try:
        return os.listdir(path)
    except OSError:
        return []  # The process has just ended.


def usage_of(server):
    """Returns the Usage of a server. `server` is the PID of its first process,
    which must lead a session of its own."""
    sum_ = Usage()
    for pid, fields in session_of(server):
        if fields[0] == "Z":
            sum_.zombies += 1
            continue
        sum_.processes += 1
        sum_.threads += int(fields[17])
        sum_.descriptors += len(names_in(f"/proc/{pid}/fd"))
        sum_.memory_kib += kib_of(pid, "smaps_rollup", "Pss")
        # Includes the time of its reaped children.
        sum_.cpu_s += sum(map(int, fields[11:15])) / TICKS_PER_S
    return sum_


def usage_once_started(server):
    """Waits until the number of threads stops growing, and returns the Usage:
    some servers start their workers after they have reported that they are
    ready. On a busy machine such a server may be waiting for a core, so one
    check without a new thread proves this only if the server is asleep."""
    now = usage_of(server)
    until = time.monotonic() + SETTLE_S
    unchanged = 0
    while unchanged < CHECKS_ASLEEP and time.monotonic() < until:
        time.sleep(CHECK_S)
        before, now = now, usage_of(server)
        unchanged = unchanged + 1 if now.threads <= before.threads else 0
        if unchanged > 0 and not wants_core(server):
            break
    return now


def checks():
    """Yields at once, then at ever longer intervals, for SETTLE_S at most."""
    until, pause_s = time.monotonic() + SETTLE_S, CHECK_S
    yield
    while time.monotonic() < until:
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, CHECK_MAX_S)
        yield


def usage_once_released(server, before, allowed=0):
    """Waits until the server has released what it used since `before`, an
    earlier Usage, and returns the Usage. Each count may remain higher by
    `allowed`. Returns after SETTLE_S even if more is still in use."""
    for _ in checks():
        now = usage_of(server)
        if max(now.excess_over(before).values(), default=0) <= allowed:
            break
    return now


def threads_of(server):
    """Returns the folders in /proc of all threads of the server."""
    return [pathlib.Path(f"/proc/{pid}/task/{thread}")
            for pid, _ in session_of(server)
            for thread in names_in(f"/proc/{pid}/task")]


def wants_core(server):
    """Returns True if a thread of the server is running or runnable."""
    return any(stat_of(path.relative_to("/proc"))[:1] == ["R"]
               for path in threads_of(server))


def becomes_idle(server):
    """Waits until several checks in a row find all threads of the server
    asleep. Returns False if that does not happen within CHECKS_MAX checks. A
    server that polls is never found asleep, however busy the machine is."""
    asleep = 0
    for _ in range(CHECKS_MAX):
        asleep = 0 if wants_core(server) else asleep + 1
        if asleep == CHECKS_ASLEEP:
            return True
        time.sleep(CHECK_S)
    return False


def queued_s(server):
    """Returns for how long the server's threads have been runnable while other
    threads used the cores, in seconds, summed over the threads."""
    waits_ns = (text_of(path / "schedstat").split()[1:2]
                for path in threads_of(server))
    return sum(int(ns) for found in waits_ns for ns in found) / 1e9


def idle_cores(server, seconds):
    """Waits until the server is idle, and returns how many cores it uses during
    the next `seconds`. The time in which its threads waited for a core counts
    as used. Returns 1 if the server does not become idle."""
    if not becomes_idle(server):
        return 1
    before_s, queued_before_s = usage_of(server).cpu_s, queued_s(server)
    time.sleep(seconds)
    waited_s = max(0, queued_s(server) - queued_before_s)
    return (usage_of(server).cpu_s - before_s + waited_s) / seconds

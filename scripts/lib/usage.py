"""What a server uses: descriptors, threads, processes, memory and CPU time, of
all its processes together."""

import dataclasses
import os
import pathlib
import re
import time

from lib.machine import text_of

KIB = 1024
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LOOK_S, LOOK_MAX_S = 0.02, 0.5  # longer and longer: a look takes CPU time
SETTLE_S = 20  # until what is closed is really gone, at most
LOOKS_ASLEEP = 5  # one after the other, until we believe that it is at rest
LOOKS_MAX = 50  # until we believe that it never will be


@dataclasses.dataclass
class Usage:
    """At one moment; memory is PSS, a shared page divided among its sharers."""

    descriptors: int = 0
    threads: int = 0
    processes: int = 0
    zombies: int = 0
    memory_kib: int = 0
    cpu_s: float = 0

    def most(self, other):
        """The larger of each."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other))
        return Usage(*map(max, pairs))

    def kept(self, before):
        """By how much it exceeds an earlier one, by name: what should not."""
        names = ("descriptors", "threads", "processes", "zombies")
        more = {name: getattr(self, name) - getattr(before, name)
                for name in names}
        return {name: count for name, count in more.items() if count > 0}


def stat_of(pid):
    """The fields of /proc/PID/stat from the state on; empty if it is gone."""
    return text_of(f"/proc/{pid}/stat").rpartition(")")[2].split()


def session_of(pid):
    """All processes of the session that `pid` leads, dead ones too, with what
    stat says of them."""
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            fields = stat_of(entry)
            if fields and int(fields[3]) == pid:
                yield int(entry), fields


def memory_kib(pid):
    pss = re.search(r"^Pss:\s+(\d+)", text_of(f"/proc/{pid}/smaps_rollup"),
                    re.M)
    return int(pss[1]) if pss else 0


def count_in(path):
    try:
        return len(os.listdir(path))
    except OSError:
        return 0  # It has just ended.


def usage_of(server):
    """`server` leads a session of its own."""
    sum_ = Usage()
    for pid, fields in session_of(server):
        if fields[0] == "Z":
            sum_.zombies += 1
            continue
        sum_.processes += 1
        sum_.threads += int(fields[17])
        sum_.descriptors += count_in(pathlib.Path(f"/proc/{pid}/fd"))
        sum_.memory_kib += memory_kib(pid)
        # With the time of its dead children.
        sum_.cpu_s += sum(map(int, fields[11:15])) / TICKS_PER_S
    return sum_


def grown(server):
    """Usage when no more processes or threads come: some servers start their
    workers after they have said that they are ready."""
    now = usage_of(server)
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        time.sleep(LOOK_S)
        before, now = now, usage_of(server)
        if now.threads <= before.threads:
            break
    return now


def settled(server, before, allowed=0):
    """Usage when no more than before is in use, but for `allowed` of each, or
    after SETTLE_S."""
    until = time.monotonic() + SETTLE_S
    pause_s = LOOK_S
    while True:
        now = usage_of(server)
        over = [more for more in now.kept(before).values() if more > allowed]
        if not over or time.monotonic() > until:
            return now
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LOOK_MAX_S)


def threads_of(server):
    """The folders of all its threads in /proc."""
    return [path for pid, _ in session_of(server)
            for path in pathlib.Path(f"/proc/{pid}/task").glob("*")]


def wants_core(server):
    """Whether one of its threads runs, or would if it got a core."""
    return any(stat_of(path.relative_to("/proc"))[:1] == ["R"]
               for path in threads_of(server))


def comes_to_rest(server):
    """Waits until all its threads are found asleep several times in a row.
    However busy the machine is, a server that never waits is never found so."""
    asleep = 0
    for _ in range(LOOKS_MAX):
        asleep = 0 if wants_core(server) else asleep + 1
        if asleep == LOOKS_ASLEEP:
            return True
        time.sleep(LOOK_S)
    return False


def queued_s(server):
    """How long its threads were ready to run and other programs had the
    cores."""
    waits_ns = (text_of(path / "schedstat").split()[1:2]
                for path in threads_of(server))
    return sum(int(ns) for found in waits_ns for ns in found) / 1e9


def cores_at_rest(server, seconds):
    """How many cores a server keeps busy that has nothing to do, or would if
    it got them; one if it does not come to rest."""
    if not comes_to_rest(server):
        return 1
    before_s, queued_before_s = usage_of(server).cpu_s, queued_s(server)
    time.sleep(seconds)
    waited_s = max(0, queued_s(server) - queued_before_s)
    return (usage_of(server).cpu_s - before_s + waited_s) / seconds

"""How many connections this machine can hold, and what sets the limit."""

import os
import re
import resource
import socket
import sys

from environment import text_of

KIB = 1024
# What a process needs for itself: standard streams, epoll and so on.
OWN_DESCRIPTORS = 32
# The most that a server takes unless it is told otherwise.
CLIENTS_MAX = 100_000
# About what a connection costs, both ends and the server's stack together, and
# the part of the free memory that we may use.
BYTES_PER_CONNECTION = 16 * KIB
MEMORY_SHARE = 0.9
# Left to others.
SPARE_PROCESSES = 100
SPARE_ENTRIES = 1000
# The first kernel where a stack with its guard page is not two mappings.
GUARD_MARKERS = (6, 13)


def numbers_in(path):
    """All numbers in a file; none if there is no such file."""
    return [int(number) for number in re.findall(r"\d+", text_of(path))]


def meminfo():
    """What /proc/meminfo says, in bytes."""
    rows = re.findall(r"^(\w+):\s+(\d+) kB", text_of("/proc/meminfo"), re.M)
    return {name: int(kib) * KIB for name, kib in rows}


def hard_limit(which):
    _, hard = resource.getrlimit(which)
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def stacks():
    release = re.findall(r"\d+", os.uname().release)
    if tuple(map(int, release[:2])) >= GUARD_MARKERS:
        return sys.maxsize
    mappings, = numbers_in("/proc/sys/vm/max_map_count")
    return mappings // 2 - SPARE_ENTRIES


def per_process():
    descriptors = hard_limit(resource.RLIMIT_NOFILE) - OWN_DESCRIPTORS
    return min(descriptors, stacks(), CLIENTS_MAX)


def processes():
    of_user = hard_limit(resource.RLIMIT_NPROC) if os.geteuid() else sys.maxsize
    most = min([of_user, *numbers_in("/proc/sys/kernel/pid_max"),
                *numbers_in("/sys/fs/cgroup/pids.max")])
    return max(2, most - SPARE_PROCESSES)


def memory():
    return min([meminfo()["MemAvailable"],
                *numbers_in("/sys/fs/cgroup/memory.max")])


def tracked_connections():
    """A firewall may keep a table of all connections. Whether ours would be in
    there shows when there is one."""
    with socket.create_server(("127.0.0.1", 0)) as listener, \
            socket.create_connection(listener.getsockname()):
        used = numbers_in("/proc/sys/net/netfilter/nf_conntrack_count")
    if used in ([], [0]):
        return sys.maxsize
    most, = numbers_in("/proc/sys/net/netfilter/nf_conntrack_max")
    return most - used[0] - SPARE_ENTRIES


def limits():
    """What each limit allows, in connections. That on TCP's memory (tcp_mem)
    is none of them: it counts data on the way, and idle connections have
    none."""
    files, *_ = numbers_in("/proc/sys/fs/file-max")
    return {
        "memory": int(memory() * MEMORY_SHARE) // BYTES_PER_CONNECTION,
        "the limits on processes": processes() // 2 * per_process(),
        "the open files of the whole system": files // 2,
        "the table of nf_conntrack": tracked_connections(),
    }


def tightest():
    """The limit that allows least: its name and how many connections."""
    return min(limits().items(), key=lambda limit: limit[1])

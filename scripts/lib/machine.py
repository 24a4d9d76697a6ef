"""Describes the machine, on which every figure of a report depends, and how many
processes and connections it allows."""

import datetime
import math
import os
import pathlib
import platform
import re
import resource
import shutil
import socket
import struct
import subprocess
import sys
import time

BUSY_SAMPLE_S = 0.5
BUSY_MAX = 0.2  # cores in use, that leave figures in peace
CPU_LATENCY = "/dev/cpu_dma_latency"


def text_of(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def first_line(path):
    return text_of(path).split("\n")[0].strip() or "unknown"


def output(*command, cwd=None):
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True,
                              check=True)
        return done.stdout.strip().split("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def python_with_matplotlib():
    """The first python3 that can draw, or None: the default one often is not
    the one that the system's packages belong to."""
    candidates = [sys.executable, "/usr/bin/python3", shutil.which("python3")]
    for python in filter(None, candidates):
        try:
            subprocess.run([python, "-c", "import matplotlib"], check=True,
                           capture_output=True)
            return python
        except (OSError, subprocess.CalledProcessError):
            continue
    return None


def is_virtual():
    return bool(re.search(r"^flags.*\bhypervisor\b", text_of("/proc/cpuinfo"),
                          re.M))


def processor():
    model = re.search(r"^model name\s*: (.*)$", text_of("/proc/cpuinfo"), re.M)
    return ((model[1] if model else os.uname().machine)
            + (" (virtual machine)" if is_virtual() else ""))


def memory():
    total = re.search(r"MemTotal:\s*(\d+)", text_of("/proc/meminfo"))
    return f"{int(total[1]) / 2**20:.1f} GiB" if total else "unknown"


def limit(which):
    def text(value):
        return "unlimited" if value == resource.RLIM_INFINITY else str(value)

    soft, hard = resource.getrlimit(which)
    return f"{text(soft)} (hard {text(hard)})"


# ---- Control groups, of version 1 and 2

CGROUP, CGROUPS = "/proc/self/cgroup", "/sys/fs/cgroup"


def cgroup_folders(controller):
    """The folders of the control groups that hold us for this controller: our
    own and those around it."""
    for line in text_of(CGROUP).splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            root = pathlib.Path(CGROUPS)
        elif controller in controllers.split(","):
            root = pathlib.Path(CGROUPS, controller)
        else:
            continue
        folder = root / path.lstrip("/")
        yield from (place for place in (folder, *folder.parents)
                    if root in (place, *place.parents))


def cgroup_limit(controller, *files):
    """The lowest number in these files of our control groups; infinity if none
    of them has a limit."""
    found = [text_of(folder / file).strip()
             for folder in cgroup_folders(controller) for file in files]
    return min([int(text) for text in found if text.isdecimal()],
               default=math.inf)


def cpu_quota():
    """How many cores our control groups may use; infinity without a quota."""
    quotas = [math.inf]
    for folder in cgroup_folders("cpu"):
        fields = (text_of(folder / "cpu.max").split()
                  or [text_of(folder / "cpu.cfs_quota_us").strip(),
                      text_of(folder / "cpu.cfs_period_us").strip()])
        if all(map(str.isdecimal, fields)):
            quotas.append(int(fields[0]) / int(fields[1]))
    return min(quotas)


def cores():
    """How many cores we may use, which a quota may make a fraction."""
    return min(len(os.sched_getaffinity(0)), cpu_quota())


# ---- How many connections it can hold

KIB = 1024
# What server and client need besides one descriptor per connection. Of 1,024,
# the usual limit, it leaves the thousand that `wait` asks for.
OWN_DESCRIPTORS = 24
# What else there is, and what a server needs besides one process or thread
# per connection.
OWN_TASKS = 100
# The most that a server takes unless it is told otherwise.
CLIENTS_MAX = 100_000
# About what a connection costs, both ends and the server's stack together, and
# the part of the free memory that we may use.
BYTES_PER_CONNECTION = 16 * KIB
MEMORY_SHARE = 0.9
SPARE_ENTRIES = 1000  # left to others
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
    return math.inf if hard == resource.RLIM_INFINITY else hard


def descriptors_allowed():
    return hard_limit(resource.RLIMIT_NOFILE)


def tasks_allowed():
    """How many processes and threads we may have: the least of what the
    kernel, our control groups and our user allow. root is not held to the
    latter."""
    of_user = hard_limit(resource.RLIMIT_NPROC) if os.geteuid() else math.inf
    return min([of_user, cgroup_limit("pids", "pids.max"),
                *numbers_in("/proc/sys/kernel/threads-max"),
                *numbers_in("/proc/sys/kernel/pid_max")])


def memory_allowed():
    """How many bytes of memory are free for us."""
    return min(meminfo()["MemAvailable"],
               cgroup_limit("memory", "memory.max", "memory.limit_in_bytes"))


def connections_allowed():
    """How many connections a server may have at once, with a process each if
    it needs them, and what the limit is."""
    by_descriptors = descriptors_allowed() - OWN_DESCRIPTORS
    by_tasks = tasks_allowed() - OWN_TASKS
    if by_descriptors <= by_tasks:
        return by_descriptors, (f"a process may have only "
                                f"{descriptors_allowed():,} descriptors open")
    return by_tasks, (f"there may be only {tasks_allowed():,} processes and "
                      "threads")


def stacks_allowed():
    """How many stacks with a guard page a process may have."""
    release = re.findall(r"\d+", os.uname().release)
    if tuple(map(int, release[:2])) >= GUARD_MARKERS:
        return math.inf
    mappings, = numbers_in("/proc/sys/vm/max_map_count")
    return mappings // 2 - SPARE_ENTRIES


def connections_per_process():
    """How many connections one coroutine server holds."""
    return min(descriptors_allowed() - OWN_DESCRIPTORS, stacks_allowed(),
               CLIENTS_MAX)


def tracked_connections_allowed():
    """How many connections a firewall's table has room for, if it tracks those
    on loopback: that shows when there is one."""
    with socket.create_server(("127.0.0.1", 0)) as listener, \
            socket.create_connection(listener.getsockname()):
        used = numbers_in("/proc/sys/net/netfilter/nf_conntrack_count")
    if used in ([], [0]):
        return math.inf
    most, = numbers_in("/proc/sys/net/netfilter/nf_conntrack_max")
    return most - used[0] - SPARE_ENTRIES


def tightest_limit():
    """The limit on connections of the whole machine that allows least: its name
    and how many. That on TCP's memory (tcp_mem) is none of them: it counts
    data on the way, and idle connections have none."""
    pairs = max(2, tasks_allowed() - OWN_TASKS) // 2
    files, *_ = numbers_in("/proc/sys/fs/file-max")
    limits = {
        "memory": memory_allowed() * MEMORY_SHARE // BYTES_PER_CONNECTION,
        "the limits on processes": pairs * connections_per_process(),
        "the open files of the whole system": files // 2,
        "the table of nf_conntrack": tracked_connections_allowed(),
    }
    name, allowed = min(limits.items(), key=lambda limit: limit[1])
    return name, int(allowed)


# ---- What it is


def compiler(root):
    """The compiler and the flags that `make` would use now."""
    said = output("make", "-s", "print-compiler", cwd=root)
    name = said.split(" ")[0]
    return f"{output(name, '--version')}: {said}"


def runtimes(root, models):
    """The versions of what servers of other runtimes run on, by their name."""
    if not models:
        return {}
    said = subprocess.run([root / "scripts/bench/elsewhere", "--versions"],
                          capture_output=True, text=True, check=False).stdout
    versions = dict(line.split(": ", 1) for line in said.splitlines())
    return {model: versions[model] for model in sorted(models & set(versions))}


def busy_s():
    """CPU time since the start of the machine: in use by programs, and stolen
    from it. Without interrupts, which on loopback are our own."""
    fields = first_line("/proc/stat").split()[1:9]
    user, nice, system, _idle, _iowait, _irq, _softirq, steal = map(int, fields)
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


def own_cpu_s():
    """The CPU time of this process, and of all it has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + usage.ru_utime + usage.ru_stime


class Others:
    """Counts the CPU time that other programs take from now on."""

    def __init__(self):
        self.begin_s = time.monotonic()
        self.busy_s, self.own_s = busy_s(), own_cpu_s()

    def cores(self):
        """How many cores they used; to be called when all that we started has
        ended."""
        others_s = busy_s() - self.busy_s - (own_cpu_s() - self.own_s)
        return max(0, others_s) / (time.monotonic() - self.begin_s)


def busy_cores():
    """How many cores are in use while we do nothing. The load average would
    count what we did a minute ago."""
    before = busy_s()
    time.sleep(BUSY_SAMPLE_S)
    return (busy_s() - before) / BUSY_SAMPLE_S


def disturbance(busy):
    """A sentence if others use the machine, else nothing."""
    if busy <= BUSY_MAX:
        return []
    return [f"Other programs used {busy:.1f} cores just before: they may "
            "disturb the figures."]


def few_cores():
    """A sentence if client and server have not a core each, else nothing."""
    if cpu_quota() < 2:
        return [f"A quota allows {100 * cpu_quota():.0f} % of a core: once "
                "client and server have used it up, both stand still. No rate "
                "and no latency is that of a whole core."]
    if cores() < 2:
        return ["There is one core: client and server take it from each other, "
                "and nothing runs in parallel."]
    return []


def keep_cores_awake():
    """Keeps idle cores from sleeping deeply until we end, if we may: waking
    them would be in every figure. Returns what came of it, in words."""
    try:
        latency = os.open(CPU_LATENCY, os.O_WRONLY | os.O_CLOEXEC)
        os.write(latency, struct.pack("i", 0))
    except OSError as problem:
        return f"may sleep deeply ({CPU_LATENCY}: {problem.strerror})"
    return f"kept from sleeping deeply ({CPU_LATENCY} held at 0)"


def describe(root, options, busy):
    """Facts by name, for people."""
    now = datetime.datetime.now().astimezone()
    system = "/proc/sys/"
    return {
        "date": now.strftime("%Y-%m-%d %H:%M %Z"),
        "source": output("git", "describe", "--always", "--dirty", cwd=root),
        "rounds": options.rounds,
        "seed": options.seed,
        "size": options.size,
        "processor": processor(),
        "cores": f"{cores():g} of {os.cpu_count()}",
        "memory": memory(),
        "kernel": "{0.sysname} {0.release} {0.machine}".format(os.uname()),
        "clock source": first_line("/sys/devices/system/clocksource/"
                                   "clocksource0/current_clocksource"),
        "frequency governor": first_line("/sys/devices/system/cpu/cpu0/"
                                         "cpufreq/scaling_governor"),
        "load before": f"{busy:.1f} cores busy",
        "compiler": compiler(root),
        "python": platform.python_version(),
        "open files": limit(resource.RLIMIT_NOFILE),
        "processes": limit(resource.RLIMIT_NPROC),
        "net.core.somaxconn": first_line(system + "net/core/somaxconn"),
        "ip_local_port_range": first_line(
            system + "net/ipv4/ip_local_port_range"),
        "vm.max_map_count": first_line(system + "vm/max_map_count"),
    }

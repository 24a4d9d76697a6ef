"""Describes the machine: what every figure of a report depends on."""

import datetime
import math
import os
import pathlib
import platform
import re
import resource
import shutil
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
    return ((model[1] if model else platform.machine())
            + (" (virtual machine)" if is_virtual() else ""))


def memory():
    total = re.search(r"MemTotal:\s*(\d+)", text_of("/proc/meminfo"))
    return f"{int(total[1]) / 2**20:.1f} GiB" if total else "unknown"


def limit(which):
    def text(value):
        return "unlimited" if value == resource.RLIM_INFINITY else str(value)

    soft, hard = resource.getrlimit(which)
    return f"{text(soft)} (hard {text(hard)})"


# What server and client need besides one descriptor per connection.
DESCRIPTORS_OF_THEIR_OWN = 32

# What else there is, and what a server needs besides one process or thread
# per connection.
TASKS_OF_THEIR_OWN = 100


def descriptors_allowed():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if hard == resource.RLIM_INFINITY else hard


def tasks_allowed():
    """How many processes and threads we may have: the least of what the
    kernel, our control group and our user allow. root is not held to the
    latter."""
    allowed = [int(first_line("/proc/sys/kernel/threads-max"))]
    group = re.search(r"^0::(.*)$", text_of("/proc/self/cgroup"), re.M)
    path = f"/sys/fs/cgroup{group[1] if group else ''}/pids.max"
    if first_line(path).isdecimal():
        allowed.append(int(first_line(path)))
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY and os.geteuid() != 0:
        allowed.append(soft)
    return min(allowed)


def connections_allowed():
    """How many connections a server may have at once, with a process each if
    it needs them, and what the limit is."""
    by_descriptors = descriptors_allowed() - DESCRIPTORS_OF_THEIR_OWN
    by_tasks = tasks_allowed() - TASKS_OF_THEIR_OWN
    if by_descriptors <= by_tasks:
        return by_descriptors, (f"a process may have only "
                                f"{descriptors_allowed():,} descriptors open")
    return by_tasks, (f"there may be only {tasks_allowed():,} processes and "
                      "threads")


def compiler(root):
    """The compiler and the flags that `make` would use now."""
    said = output("make", "-s", "print-compiler", cwd=root)
    name = said.split(" ")[0]
    return f"{output(name, '--version')}: {said}"


def busy_s():
    """CPU time since the start of the machine: in use by programs, and stolen
    from it. Without interrupts, which on loopback are our own."""
    fields = first_line("/proc/stat").split()[1:9]
    user, nice, system, _idle, _iowait, _irq, _softirq, steal = map(int, fields)
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


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
    cores = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}"
    return {
        "date": now.strftime("%Y-%m-%d %H:%M %Z"),
        "source": output("git", "describe", "--always", "--dirty", cwd=root),
        "rounds": options.rounds,
        "seed": options.seed,
        "size": options.size,
        "processor": processor(),
        "cores": cores,
        "memory": memory(),
        "kernel": " ".join((platform.system(), platform.release(),
                            platform.machine())),
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

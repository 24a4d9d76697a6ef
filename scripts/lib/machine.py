"""Describes the machine, on which every figure of a report depends, and
computes how many processes and connections it allows."""

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
BUSY_MAX = 0.2  # cores that others may use without disturbing figures
CPU_LATENCY = "/dev/cpu_dma_latency"


def text_of(path):
    """Returns the text of a file, or "" if it cannot be read."""
    try:
        return pathlib.Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def first_line(path):
    """Returns the first line of a file, or "unknown" if there is none."""
    return text_of(path).split("\n")[0].strip() or "unknown"


def output(*command, cwd=None):
    """Returns a command's first line of output, "unknown" if it fails."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True,
                              check=True)
        return done.stdout.strip().split("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def python_with_matplotlib():
    """Returns the path of the first python3 that has matplotlib, or None. The
    default python3 may lack the system's packages."""
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
    total = meminfo().get("MemTotal")
    return f"{total / 2**30:.1f} GiB" if total else "unknown"


def limit(which):
    """Returns a resource limit of this process as text, soft and hard."""
    def text(value):
        return "unlimited" if value == resource.RLIM_INFINITY else str(value)

    soft, hard = resource.getrlimit(which)
    return f"{text(soft)} (hard {text(hard)})"


# ---- Control groups, of version 1 and 2

CGROUP, CGROUPS = "/proc/self/cgroup", "/sys/fs/cgroup"


def cgroup_folders(controller):
    """Yields the folders of the control groups that limit this process by
    `controller`: its own group and the groups around it."""
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
    """Returns the lowest number in these files of our control groups, or
    infinity if none of them sets a limit."""
    found = [text_of(folder / file).strip()
             for folder in cgroup_folders(controller) for file in files]
    return min([int(text) for text in found if text.isdecimal()],
               default=math.inf)


def cpu_quota():
    """Returns how many cores our control groups allow, or infinity."""
    quotas = [math.inf]
    for folder in cgroup_folders("cpu"):
        fields = (text_of(folder / "cpu.max").split()
                  or [text_of(folder / "cpu.cfs_quota_us").strip(),
                      text_of(folder / "cpu.cfs_period_us").strip()])
        if all(map(str.isdecimal, fields)):
            quotas.append(int(fields[0]) / int(fields[1]))
    return min(quotas)


def cores():
    """Returns how many cores this process may use, perhaps a fraction."""
    return min(len(os.sched_getaffinity(0)), cpu_quota())


def two_cores():
    """Returns a core for the server and another one for the client. They are
    the same if this process may use only one."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


# ---- How many connections it can hold

KIB = 1024
# Descriptors that server and client need besides one per connection. With the
# usual limit of 1,024, they leave the 1,000 of the experiment `wait`.
OWN_DESCRIPTORS = 24
# Processes of other programs, and those that a server needs besides one process
# or thread per connection.
OWN_TASKS = 100
# The default of a server's --max-clients.
CLIENTS_MAX = 100_000
# About what a connection costs: both ends and the server's stack. And the share
# of the free memory that we may use.
BYTES_PER_CONNECTION = 16 * KIB
MEMORY_SHARE = 0.9
SPARE_ENTRIES = 1000  # of a table, left to other programs
# The first kernel that does not count a stack and its guard page as two
# mappings.
GUARD_MARKERS = (6, 13)


def numbers_in(path):
    """Returns all numbers in a file; none if it cannot be read."""
    return [int(number) for number in re.findall(r"\d+", text_of(path))]


def meminfo():
    """Returns the fields of /proc/meminfo, in bytes, by their names."""
    rows = re.findall(r"^(\w+):\s+(\d+) kB", text_of("/proc/meminfo"), re.M)
    return {name: int(kib) * KIB for name, kib in rows}


def descriptors_allowed():
    """Returns how many descriptors a process may have open: the hard limit,
    since our programs raise the soft one; infinity if there is none."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if hard == resource.RLIM_INFINITY else hard


def task_limits():
    """Returns how many processes and threads this user may have, by the name of
    each limit that is set: those of the kernel, of our control groups and of
    the user. That of the user does not apply to root."""
    of_user, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    is_free = os.geteuid() == 0 or of_user == resource.RLIM_INFINITY
    limits = {"ulimit -u": math.inf if is_free else of_user,
              "pids.max": cgroup_limit("pids", "pids.max")}
    for name in ("threads-max", "pid_max"):
        for number in numbers_in(f"/proc/sys/kernel/{name}"):
            limits[f"kernel.{name}"] = number
    return limits


def tasks_allowed():
    """Returns how many processes and threads this user may have."""
    return min(task_limits().values())


def memory_allowed():
    """Returns how many bytes of memory our control groups may still use."""
    return min(meminfo()["MemAvailable"],
               cgroup_limit("memory", "memory.max", "memory.limit_in_bytes"))


def connections_allowed():
    """Returns how many connections a server may have at once, even if it needs
    a process for each, and the reason for the limit as text."""
    by_descriptors = descriptors_allowed() - OWN_DESCRIPTORS
    by_tasks = tasks_allowed() - OWN_TASKS
    if by_descriptors <= by_tasks:
        return by_descriptors, (f"a process may have only "
                                f"{descriptors_allowed():,} descriptors open")
    return by_tasks, (f"there may be only {tasks_allowed():,} processes and "
                      "threads")


def stacks_allowed():
    """Returns how many stacks with a guard page a process may have."""
    release = re.findall(r"\d+", os.uname().release)
    if tuple(map(int, release[:2])) >= GUARD_MARKERS:
        return math.inf
    mappings, = numbers_in("/proc/sys/vm/max_map_count")
    return mappings // 2 - SPARE_ENTRIES


def connections_per_process():
    """Returns how many connections one coroutine server can hold."""
    return min(descriptors_allowed() - OWN_DESCRIPTORS, stacks_allowed(),
               CLIENTS_MAX)


def tracked_connections_allowed():
    """Returns how many more connections fit into the firewall's connection
    table, or infinity if the firewall does not track loopback. To find out,
    this function opens a connection and checks whether the table is empty."""
    with socket.create_server(("127.0.0.1", 0)) as listener, \
            socket.create_connection(listener.getsockname()):
        used = numbers_in("/proc/sys/net/netfilter/nf_conntrack_count")
    if used in ([], [0]):
        return math.inf
    most, = numbers_in("/proc/sys/net/netfilter/nf_conntrack_max")
    return most - used[0] - SPARE_ENTRIES


def tightest_limit():
    """Returns the lowest limit on connections of the whole machine: its name
    and the number of connections. The limit on TCP memory (tcp_mem) is left
    out: it counts buffered data, of which idle connections have none."""
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


# ---- What the machine is and does


def compiler(root):
    """Returns the compiler's version, and the flags that `make` would use."""
    said = output("make", "-s", "print-compiler", cwd=root)
    name = said.split(" ")[0]
    return f"{output(name, '--version')}: {said}"


def runtimes(root, models):
    """Returns the versions of other runtimes, by the names of their servers."""
    if not models:
        return {}
    said = subprocess.run([root / "scripts/bench/elsewhere", "--versions"],
                          capture_output=True, text=True, check=False).stdout
    versions = dict(line.split(": ", 1) for line in said.splitlines())
    return {model: versions[model] for model in sorted(models & set(versions))}


def busy_s():
    """Returns the CPU seconds that programs have used since the machine
    started, plus those that the hypervisor has taken away (steal). Time in
    interrupts is left out: on loopback, our own traffic causes them."""
    fields = first_line("/proc/stat").split()[1:9]
    user, nice, system, _idle, _iowait, _irq, _softirq, steal = map(int, fields)
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


def own_cpu_s():
    """Returns the CPU seconds of this process and its reaped children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + usage.ru_utime + usage.ru_stime


class Others:
    """A counter of the CPU time that other programs use from now on."""

    def __init__(self):
        self.begin_s = time.monotonic()
        self.busy_s, self.own_s = busy_s(), own_cpu_s()

    def cores(self):
        """Returns how many cores other programs have used. All processes that
        this program started must have ended."""
        others_s = busy_s() - self.busy_s - (own_cpu_s() - self.own_s)
        return max(0, others_s) / (time.monotonic() - self.begin_s)


def busy_cores():
    """Returns how many cores are in use while this program sleeps. The load
    average would include the last minute, in which this program was busy."""
    others = Others()
    time.sleep(BUSY_SAMPLE_S)
    return others.cores()


def disturbance(busy):
    """Returns a list with a warning if other programs use the machine, or an
    empty list. `busy` is the number of cores in use."""
    if busy <= BUSY_MAX:
        return []
    return [f"Other programs used {busy:.1f} cores just before: they may "
            "disturb the figures."]


def few_cores():
    """Returns a warning, in a list, if client and server share a core."""
    if cpu_quota() < 2:
        return [f"A quota allows {100 * cpu_quota():.0f} % of a core. When "
                "client and server have used it up, both must wait. So no rate "
                "or latency is that of a whole core."]
    if cores() < 2:
        return ["There is only one core: client and server share it, and "
                "nothing runs in parallel."]
    return []


def keep_cores_awake():
    """Keeps idle cores from deep sleep until this program ends, if the system
    permits that: waking them would add to every latency. Returns as text
    whether it does."""
    try:
        latency = os.open(CPU_LATENCY, os.O_WRONLY | os.O_CLOEXEC)
        os.write(latency, struct.pack("i", 0))
    except OSError as problem:
        return f"may sleep deeply ({CPU_LATENCY}: {problem.strerror})"
    return f"kept from sleeping deeply ({CPU_LATENCY} held at 0)"


FACTS = "environment.txt"  # in the folder of a run


def facts_of(directory):
    """Returns the facts in the folder of a run, by name. Raises OSError."""
    text = (directory / FACTS).read_text("utf-8")
    return dict(re.findall(r"^(\S+(?: \S+)*)  +(.+)$", text, re.M))


def describe(root, options, busy):
    """Returns the facts for a report, as texts by their names. `busy` is the
    number of cores that were in use before."""
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

"""Describes the machine: what every figure of a report depends on."""

import datetime
import os
import pathlib
import platform
import re
import resource
import subprocess


def first_line(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").split("\n")[0].strip()
    except OSError:
        return "unknown"


def output(*command, cwd=None):
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
        return done.stdout.strip().split("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def processor():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", text, re.M)
    virtual = " (virtual machine)" if re.search(r"^flags.*\bhypervisor\b", text, re.M) else ""
    return (model[1] if model else platform.machine()) + virtual


def memory():
    kib = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text(encoding="utf-8"))[1])
    return f"{kib / 2**20:.1f} GiB"


def limit(which):
    soft, hard = resource.getrlimit(which)
    def text(value):
        return "unlimited" if value == resource.RLIM_INFINITY else str(value)
    return f"{text(soft)} (hard {text(hard)})"


def compiler(root):
    """The compiler and the flags that `make` would use now."""
    said = output("make", "-s", "print-compiler", cwd=root)
    name = said.split(" ")[0]
    return f"{output(name, '--version')}: {said}"


def describe(root, options):
    facts = {
        "date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "source": output("git", "describe", "--always", "--dirty", cwd=root),
        "rounds": options.rounds,
        "seed": options.seed,
        "quick": "yes" if options.quick else "no",
        "processor": processor(),
        "cores": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}",
        "memory": memory(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "clock source": first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "frequency governor": first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load before": first_line("/proc/loadavg"),
        "compiler": compiler(root),
        "python": platform.python_version(),
        "open files": limit(resource.RLIMIT_NOFILE),
        "processes": limit(resource.RLIMIT_NPROC),
        "net.core.somaxconn": first_line("/proc/sys/net/core/somaxconn"),
        "ip_local_port_range": first_line("/proc/sys/net/ipv4/ip_local_port_range"),
        "vm.max_map_count": first_line("/proc/sys/vm/max_map_count"),
    }
    width = max(len(name) for name in facts) + 2
    return "".join(f"{name:{width}}{value}\n" for name, value in facts.items())

#!/usr/bin/env python3
"""Says what this machine has for the bench, what is missing, what that costs,
and the command that mends it. Changes nothing.

Exit status: 0 the bench can run, 1 it cannot.
"""

import os
import shutil
import sys
from dataclasses import dataclass

import environment
from results import ROOT, counted
from terminal import say

CONNECTIONS_WANTED = 10010
SYSTEM = "/proc/sys/"
CLOCK = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"

GOOD, POOR, MISSING = "good", "poor", "missing"


@dataclass(frozen=True)
class Finding:
    """What one examination found."""

    state: str
    fact: str
    cost: str = ""  # of what is not good
    remedy: str = ""


def compiler():
    name = os.environ.get("CC", "cc")
    if shutil.which(name):
        return Finding(GOOD, f"{name}: {environment.output(name, '--version')}")
    return Finding(MISSING, f"no {name}", "nothing can be built", "make setup")


def programs():
    if (ROOT / "bin" / "fibload").exists():
        return Finding(GOOD, "servers and client are built")
    return Finding(POOR, "nothing is built", "make bench builds first", "make")


def matplotlib():
    python = environment.python_with_matplotlib()
    if python:
        return Finding(GOOD, f"matplotlib in {python}")
    return Finding(POOR, "no matplotlib", "no pictures; all else is made",
                   "make setup")


def cores():
    number = len(os.sched_getaffinity(0))
    if number > 1:
        return Finding(GOOD, counted(number, "core"))
    return Finding(POOR, "1 core", "client and server take it from each other, "
                   "and nothing runs in parallel: latency shows no difference",
                   "give the virtual machine, or the container, a second one")


def connections():
    room, reason = environment.connections_allowed()
    if room >= CONNECTIONS_WANTED:
        return Finding(GOOD, f"{CONNECTIONS_WANTED:,} connections fit")
    return Finding(POOR, f"{room:,} connections fit: {reason}",
                   "cells with more clients are shrunk, and claims about them "
                   "are not judged",
                   "ulimit -Hn 20000, as root; or nofile in "
                   "/etc/security/limits.conf")


def queue():
    length = environment.first_line(SYSTEM + "net/core/somaxconn")
    if not length.isdecimal() or int(length) >= 4096:
        return Finding(GOOD, f"net.core.somaxconn {length}")
    return Finding(POOR, f"net.core.somaxconn {length}",
                   "a burst of clients waits a second to connect again",
                   "sudo sysctl net.core.somaxconn=4096")


def ports():
    text = environment.first_line(SYSTEM + "net/ipv4/ip_local_port_range")
    found = [int(port) for port in text.split() if port.isdecimal()]
    if not found or found[1] - found[0] >= 2 * CONNECTIONS_WANTED:
        return Finding(GOOD, f"local ports {text}")
    return Finding(POOR, f"local ports {text}",
                   "clients run out of ports", "sudo sysctl "
                   'net.ipv4.ip_local_port_range="32768 60999"')


def clock():
    name = environment.first_line(CLOCK)
    if name in ("tsc", "kvm-clock", "arch_sys_counter", "unknown"):
        return Finding(GOOD, f"clock source {name}")
    return Finding(POOR, f"clock source {name}",
                   "reading the clock is a slow call, which every request "
                   f"pays for; see {CLOCK}")


def governor():
    name = environment.first_line(GOVERNOR)
    if name in ("performance", "unknown"):
        return Finding(GOOD, f"frequency governor {name}")
    return Finding(POOR, f"frequency governor {name}",
                   "cores change their speed while they are measured",
                   "sudo cpupower frequency-set -g performance")


def calm():
    busy = environment.busy_cores()
    if busy < 0.1:
        return Finding(GOOD, "nobody else uses the machine")
    return Finding(POOR, f"others use {busy:.1f} cores",
                   "runs are disturbed: they are marked, some repeated",
                   "end other programs; `top` shows them")


def idle_cores():
    path = environment.CPU_LATENCY
    if os.access(path, os.W_OK):
        return Finding(GOOD, f"idle cores can be kept awake ({path})")
    return Finding(POOR, "idle cores may sleep deeply",
                   "with one client the latency is mostly the waking of "
                   "cores", f"run the bench as root, who may write {path}")


def kernel():
    return Finding(GOOD, "kernel " + os.uname().release)


EXAMINATIONS = (compiler, programs, matplotlib, kernel, cores, connections,
                queue, ports, clock, governor, idle_cores, calm)


def tell(finding):
    say(f"{finding.state:8} {finding.fact}")
    for name, text in (("costs", finding.cost), ("mend", finding.remedy)):
        if text:
            say(f"{name}: {text}", 9)


def main():
    findings = [examine() for examine in EXAMINATIONS]
    for finding in findings:
        tell(finding)
    sys.exit(any(finding.state == MISSING for finding in findings))


if __name__ == "__main__":
    main()

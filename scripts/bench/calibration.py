"""Measures, before and after the runs, what this machine can do.

A system call, a timer and the waking of a core have costs that no server can
avoid. The client is limited, too: it gets replies from no server faster than
from one that does nothing. Figures of about that size say more about the
machine than about the model. If the figures before and after the runs differ,
the machine has changed meanwhile.
"""

import math
import os
import re
import subprocess
import time
import timeit
from statistics import median

from lib import machine
from lib.text import duration

CALLS = 20000
TIMERS = 100
TIMER_S = 0.0005
ROUND_TRIPS = 300
MEASURED = "80ms"  # the length of each of the client's measurements
CLIENT_TIMEOUT_S = 60  # for all of these, on the slowest machine

# Two calibrations may differ by this factor, because cores wake more or less
# quickly.
DRIFT_MAX = 1.5


def loop_us(call):
    """Returns the time of one call in µs, from the fastest of five loops."""
    return 1e6 * min(timeit.repeat(call, number=CALLS, repeat=5)) / CALLS


def timer_us():
    """Returns the median time in µs by which a sleeping process wakes late."""
    slept_s = timeit.repeat(lambda: time.sleep(TIMER_S), number=1,
                            repeat=TIMERS)
    return 1e6 * (median(slept_s) - TIMER_S)


def round_trip_us(here, there):
    """Returns the median time in µs in which a byte goes from core `here` to a
    process on core `there` and back."""
    before = os.sched_getaffinity(0)
    requests, replies = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:  # It answers every byte, and ends with its parent.
        try:
            os.close(requests[1])
            os.sched_setaffinity(0, {there})
            while os.read(requests[0], 1):
                os.write(replies[1], b".")
        finally:
            os._exit(0)

    def go_and_return():
        os.write(requests[1], b".")
        os.read(replies[0], 1)

    os.sched_setaffinity(0, {here})
    times_s = timeit.repeat(go_and_return, number=1, repeat=ROUND_TRIPS)
    for end in requests + replies:
        os.close(end)
    os.waitpid(child, 0)
    os.sched_setaffinity(0, before)
    return 1e6 * median(times_s)


def wake_up_us():
    """Returns how much longer it takes to wake a process on another core, which
    sleeps, than on the same core, in µs. Counts only one direction of the round
    trip. Returns NaN on a machine with one core."""
    one, two = machine.two_cores()
    if one == two:
        return math.nan
    return max(0, (round_trip_us(one, two) - round_trip_us(one, one)) / 2)


def reply_us(client):
    """Returns the time per reply of a server that does nothing, in µs, for a
    client with 50 connections. Returns NaN if the client fails, or if the
    machine is so busy that no reply comes."""
    try:
        said = subprocess.run(
            [client, "--calibrate", "-d", MEASURED, "--warmup", MEASURED],
            capture_output=True, text=True, check=True,
            timeout=CLIENT_TIMEOUT_S).stdout
    except (OSError, subprocess.SubprocessError):
        return math.nan
    rate = re.search(r"^ *50 connections +([\d,]+)", said, re.M)
    per_s = int(rate[1].replace(",", "")) if rate else 0
    return 1e6 / per_s if per_s > 0 else math.nan


def calibrate(client):
    """Returns all times in µs, by name. Takes about a second."""
    call_us = loop_us(os.getppid) - loop_us(().__len__)  # without Python's part
    return {"system call": max(0, call_us), "timer": timer_us(),
            "wake-up": wake_up_us(), "null server": reply_us(client)}


def described(before, after=None):
    """Returns the calibration as texts for a report, by name. `after` is the
    calibration after the runs, if there is one."""
    def text(name):
        """Returns one time, or the times before and after."""
        then = duration(before[name], 2)
        return then if not after else (
            f"{then}, after the runs {duration(after[name], 2)}")

    return {"system call": f"{text('system call')}, for getppid()",
            "timer": f"{text('timer')} late",
            "wake-up": f"{text('wake-up')}, for a sleeping core",
            "null server": f"{text('null server')} per reply to 50 clients, "
                           "from a server that computes nothing"}


def drifted(before, after):
    """Returns the names of the times that differ by more than DRIFT_MAX."""
    return [name for name in before
            if max(before[name], after[name])
            > DRIFT_MAX * max(0.01, min(before[name], after[name]))]

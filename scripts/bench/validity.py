"""Lists what limits the conclusions from a run. Each function below returns a
sentence about a threat, written from what was measured, or "" without it."""

import math

from bench.calibration import drifted
from bench.claims import ENOUGH_ROUNDS
from bench.design import HOSTS
from lib.machine import is_virtual
from lib.samples import DISTURBED_CORES
from lib.text import counted, duration, rounded


def on_two_hosts(runs):
    """Returns whether the servers ran on another host."""
    return any(run.get("placement") == HOSTS for run in runs)


def network(runs, _calibrations):
    """Says what the network between client and server means for the figures."""
    if on_two_hosts(runs):
        return ("Server and client ran on two hosts. Latencies and rates "
                "include the network between them. The server could use all "
                "cores, so statements about one core or two may not hold. Only "
                "the client's host was calibrated. It is unknown what other "
                "programs did on the server's host, and which of the server's "
                "processes used the CPU time.")
    return ("Client and server share one machine. Its loopback interface loses "
            "no packets and has no distance. So the figures show what a "
            "request costs, not how fast it would be over a network.")


def waking(runs, calibrations):
    """Says how much of a latency is the time to wake a core."""
    if on_two_hosts(runs):
        return ""
    found = [one["wake-up"] for one in calibrations]
    if math.isnan(found[0]):
        return ("There is only one core: nothing ran in parallel, and client "
                "and server took turns.")
    took = " to ".join(dict.fromkeys(
        duration(us, 2) for us in (min(found), max(found))))
    return (f"Waking a sleeping core took {took}. While a single client waits "
            "for a reply, its core and the server's fall asleep, so its "
            "latency includes up to two of these times.")


def client_ceiling(_runs, calibrations):
    """Says which rate the client cannot exceed."""
    reply_us = calibrations[0].get("null server", math.nan)
    if math.isnan(reply_us):
        return ""
    return (f"From a server that computes nothing, the client gets "
            f"{rounded(1e6 / reply_us, 2)} replies a second over 50 "
            "connections. At about this rate, the client is the limit.")


def virtual(_runs, _calibrations):
    """Says that the machine is virtual."""
    if is_virtual():
        return ("This is a virtual machine. Its host may run other machines "
                "on these cores, and waking a core usually takes longer than "
                "on real hardware.")
    return ""


def client(runs, _calibrations):
    """Says in how many cells the client limited the rate."""
    limited = runs.cells(lambda of: of.client_limited())
    if not limited:
        return ""
    return (f"In {limited} of {counted(runs.cells(), 'cell')}, the client was "
            "busy for 90 % of the time or more. These rates (≥) are limits of "
            "the client: compare the CPU time instead.")


def others(runs, _calibrations):
    """Says in how many runs other programs disturbed the server."""
    number = len(runs.disturbed())
    if not number:
        return ""
    return (f"In {number} of {counted(len(runs), 'run')}, other programs used "
            f"more than {DISTURBED_CORES} cores. The bench repeats such a run "
            "once, if there is time, and keeps the attempt that was disturbed "
            "less. Cells in which most rounds were disturbed are marked (~).")


def rounds(runs, _calibrations):
    """Says that there are too few rounds for a verdict."""
    number = runs.rounds()
    if number >= ENOUGH_ROUNDS:
        return ""
    return (f"With {counted(number, 'round')}, the verdicts are only "
            "suggestions: the range of six covers the median with 97 %.")


def drift(_runs, calibrations):
    """Says what changed between the two calibrations."""
    before, *after = calibrations
    names = drifted(before, after[0]) if after else []
    if not names:
        return ""
    return (f"The machine changed during the bench ({', '.join(names)}). "
            "Compare only figures of the same round, as the claims do.")


THREATS = (network, waking, client_ceiling, virtual, client, others, rounds,
           drift)


def threats(runs, calibrations):
    """Returns all sentences. `calibrations` has the one before the runs, and
    the one after them unless that was not made."""
    found = (threat(runs, calibrations) for threat in THREATS)
    return tuple(filter(None, found))

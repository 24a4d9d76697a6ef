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
        return ("Server and client ran on two hosts: latencies and rates "
                "include the network between them. No program was kept to a "
                "core, so what is said of one core or two may not hold. Only "
                "the client's host was calibrated. What other programs did on "
                "the server's host is unknown, and so is how the CPU time is "
                "divided among the server's processes.")
    return ("Client and server share one machine, and no packet is lost or far "
            "away: the figures say what a request costs, not how fast it would "
            "be over a network.")


def waking(runs, calibrations):
    """Says how much of a latency is the time to wake a core."""
    if on_two_hosts(runs):
        return ""
    found = [one["wake-up"] for one in calibrations]
    if math.isnan(found[0]):
        return ("There is one core: nothing ran in parallel, and client and "
                "server took it from each other.")
    took = " to ".join(dict.fromkeys(
        duration(us, 2) for us in (min(found), max(found))))
    return (f"To wake a sleeping core took {took} here: where "
            "one client waits for one reply, the latency is mostly two of "
            "these, whatever the model.")


def client_ceiling(_runs, calibrations):
    """Says which rate the client cannot exceed."""
    reply_us = calibrations[0].get("null server", math.nan)
    if math.isnan(reply_us):
        return ""
    return (f"Of a server that does nothing the client gets "
            f"{rounded(1e6 / reply_us, 2)} replies a second with 50 "
            "connections: rates of that size are the client's limit.")


def virtual(_runs, _calibrations):
    """Says that the machine is virtual."""
    if is_virtual():
        return ("This is a virtual machine: its host may take a core away, and "
                "waking one takes longer than on bare metal.")
    return ""


def client(runs, _calibrations):
    """Says in how many cells the client limited the rate."""
    limited = runs.cells(lambda of: of.client_limited())
    if not limited:
        return ""
    return (f"In {counted(limited, 'cell')} of {runs.cells()} the client was "
            "busy 90 % of the time or more: these rates (≥) are the "
            "client's, so compare CPU time instead.")


def others(runs, _calibrations):
    """Says in how many runs other programs disturbed the server."""
    number = len(runs.disturbed())
    if not number:
        return ""
    return (f"In {counted(number, 'run')} of {len(runs)} other programs used "
            f"more than {DISTURBED_CORES} cores; runs like these are repeated "
            "once, as far as the time allows, and the better attempt counts. "
            "Cells in which most rounds are disturbed are marked (~).")


def rounds(runs, _calibrations):
    """Says that there are too few rounds for a verdict."""
    number = runs.rounds()
    if number >= ENOUGH_ROUNDS:
        return ""
    return (f"{counted(number, 'round')} only suggest a verdict: "
            "six cover the median with 97 %.")


def drift(_runs, calibrations):
    """Says what changed between the two calibrations."""
    before, *after = calibrations
    names = drifted(before, after[0]) if after else []
    if not names:
        return ""
    return (f"The machine changed during the run ({', '.join(names)}): compare "
            "within rounds only, as the claims do.")


THREATS = (network, waking, client_ceiling, virtual, client, others, rounds,
           drift)


def threats(runs, calibrations):
    """Returns all sentences. `calibrations` has the one before the runs, and
    the one after them unless that was not made."""
    found = (threat(runs, calibrations) for threat in THREATS)
    return tuple(filter(None, found))

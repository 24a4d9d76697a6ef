"""Lists what limits the conclusions from a run, in sentences that are written
from what was measured."""

import math

from bench.calibration import drifted
from bench.claims import ENOUGH_ROUNDS
from bench.design import HOSTS
from lib.machine import is_virtual
from lib.samples import DISTURBED_CORES
from lib.text import counted, duration, rounded


def placement(runs, calibrations):
    """Yields sentences about the hosts and cores of client and server: what the
    figures include therefore, and what they cannot show."""
    if any(run.get("placement") == HOSTS for run in runs):
        yield ("Server and client ran on two hosts. Latencies and rates "
               "include the network between them. The server could use all "
               "cores, so statements about one core or two may not hold. Only "
               "the client's host was calibrated. It is unknown what other "
               "programs did on the server's host, and which of the server's "
               "processes used the CPU time.")
        return
    yield ("Client and server share one machine. Its loopback interface loses "
           "no packets and has no distance. So the figures show what a "
           "request costs, not how fast it would be over a network.")
    found = [one["wake-up"] for one in calibrations]
    if math.isnan(found[0]):
        yield ("There is only one core: nothing ran in parallel, and client "
               "and server took turns.")
    else:
        took = " to ".join(dict.fromkeys(
            duration(us, 2) for us in (min(found), max(found))))
        yield (f"Waking a sleeping core took {took}. While a single client "
               "waits for a reply, its core and the server's fall asleep, so "
               "its latency includes up to two of these times.")


def limits(runs, calibrations):
    """Yields what limited the rates: the client, or a virtual machine."""
    reply_us = calibrations[0].get("null server", math.nan)
    if not math.isnan(reply_us):
        yield (f"From a server that computes nothing, the client gets "
               f"{rounded(1e6 / reply_us, 2)} replies a second over 50 "
               "connections. At about this rate, the client is the limit.")
    if is_virtual():
        yield ("This is a virtual machine. Its host may run other machines "
               "on these cores, and waking a core usually takes longer than "
               "on real hardware.")
    limited = runs.cells(lambda of: of.client_limited())
    if limited:
        yield (f"In {limited} of {counted(runs.cells(), 'cell')}, the client "
               "was busy for 90 % of the time or more. These rates (≥) are "
               "limits of the client: compare the CPU time instead.")


def noise(runs, calibrations):
    """Yields what made the figures uncertain: other programs, few rounds, and
    changes of the machine between the two calibrations."""
    disturbed = len(runs.disturbed())
    if disturbed:
        yield (f"In {disturbed} of {counted(len(runs), 'run')}, other programs "
               f"used more than {DISTURBED_CORES} cores. The bench repeats "
               "such a run once, if there is time, and keeps the attempt that "
               "was disturbed less. Cells in which most rounds were disturbed "
               "are marked (~).")
    if 0 < runs.rounds() < ENOUGH_ROUNDS:
        yield (f"With {counted(runs.rounds(), 'round')}, the verdicts are only "
               "suggestions: the range of six covers the median with 97 %.")
    names = drifted(*calibrations) if len(calibrations) > 1 else []
    if names:
        yield (f"The machine changed during the bench ({', '.join(names)}). "
               "Compare only figures of the same round, as the claims do.")


def threats(runs, calibrations):
    """Returns all sentences. `calibrations` has the one before the runs, and
    the one after them unless that was not made."""
    return tuple(threat for kind in (placement, limits, noise)
                 for threat in kind(runs, calibrations))

"""Makes all runs: decides their order, shows the remaining time, and repeats
runs that other programs disturbed.

In every round, each cell of each experiment is run once with each model. The
order is random within blocks that last a few seconds (randomised complete
blocks). Other programs then disturb all runs of a block alike, so that ratios
within a round stay valid.
"""

import math
import random
import time
from collections import defaultdict
from dataclasses import replace

from bench.claims import MORE_ROUNDS
from bench.design import PlannedRun
from bench.run import (
    GRACE_S, QUIET_S, make_run, measured_s, warmup_s)
from lib.processes import RunFailed, StartFailed, held_back
from lib.samples import DISTURBED_CORES
from lib.text import counted, rewrite, say

RUN_OVERHEAD_S = 0.1  # about, to start and stop both programs
REPEATS_SHARE = 0.1  # of the planned runs, at most, are repeated
MORE_SHARE = 0.1  # of the planned runs, at most, are added


def one_round(number, experiments, options, order):
    """Returns the runs of one round, in random order: the blocks, the models in
    each block, and the runs of each model are shuffled. `order` is the
    generator of random numbers."""
    runs = [PlannedRun(experiment, cell, model, number)
            for experiment in experiments
            for cell, model in experiment.runs(options.models)]
    place = defaultdict(order.random)  # of a block, of a model in it, of a run
    return sorted(runs, key=lambda run: (
        place[run.block], place[run.block, run.model],
        place[run.block, run.model, run.cell]))


def plan(experiments, options):
    """Returns the runs of all rounds. Each round has an order of its own."""
    order = random.Random(options.seed)
    return [run for number in range(1, options.rounds + 1)
            for run in one_round(number, experiments, options, order)]


def more_rounds(experiments, judged, options):
    """Returns MORE_ROUNDS rounds of runs for the claims whose rounds disagree,
    with only the models that they compare. A claim is left out if its runs
    would exceed what remains of MORE_SHARE of all planned runs."""
    order = random.Random(f"{options.seed}, more")
    rounds = [one_round(options.rounds + 1 + i, experiments, options, order)
              for i in range(MORE_ROUNDS)]
    left = MORE_SHARE * options.rounds * len(rounds[0])
    added = set()
    for one in judged:
        compared = {(one.experiment, model) for model in one.claim.models()}
        runs = MORE_ROUNDS * sum(run.part in compared - added
                                 for run in rounds[0])
        if one.wants(MORE_ROUNDS) and runs <= left:
            added |= compared
            left -= runs
    return [run for runs in rounds for run in runs if run.part in added]


def expected_s(run, options):
    """Returns about how many seconds a run takes, to show what remains."""
    cell = run.cell
    starving = (run.model in ("blocking", "coroutine --trap")
                and cell.connections + cell.idle > 1 and not cell.churn)
    over_early = cell.requests and not (starving and cell.idle)
    return (RUN_OVERHEAD_S + warmup_s(run)
            + (0 if over_early else measured_s(run, options))
            + (QUIET_S + GRACE_S if starving else 0))


class Progress:
    """A display of the progress and the remaining time: one line that is
    rewritten on a terminal, or one line for each round elsewhere."""

    def __init__(self, runs, options):
        self.planned = len(runs)
        self.expected = {self.kind(run): expected_s(run, options)
                         for run in runs}
        self.round = 0

    def kind(self, run):
        """Returns a key that is equal for runs that take the same time."""
        return run.part, run.cell

    def made(self, run, took_s):
        """Stores how long a run took, as the time that each later run of its
        kind is expected to take."""
        self.expected[self.kind(run)] = took_s

    def show(self, run, waiting):
        """Shows which run is made now, and how long it and those in `waiting`
        will take."""
        number = self.planned - sum(one.attempt == 1 for one in waiting)
        left = round(sum(self.expected[self.kind(one)]
                         for one in (run, *waiting)))
        text = (f"round {run.round}, run {number} of {self.planned}, "
                f"{left // 60}:{left % 60:02} left")
        what = f"{run.experiment.name} {run.model} {run.cell.connections}"
        if not rewrite(f"{text}  {what}") and run.round != self.round:
            print(text, flush=True)
        self.round = run.round


class Repeats:
    """The planned runs, and at the end of each round once more those that other
    programs disturbed. Each is repeated at most once, and in all at most
    REPEATS_SHARE of `share_of` runs."""

    def __init__(self, runs, share_of):
        self.waiting = list(runs)
        self.left = math.ceil(REPEATS_SHARE * share_of)

    def __iter__(self):
        while self.waiting:
            yield self.waiting.pop(0)

    def consider(self, run, foreign_cores):
        """Schedules a run for repetition if it was disturbed."""
        again = foreign_cores > DISTURBED_CORES and run.attempt == 1
        if again and self.left > 0:
            self.left -= 1
            place = sum(one.round <= run.round for one in self.waiting)
            self.waiting.insert(place, replace(run, attempt=2))


@held_back()
def make_runs(runs, options, directory, problems):
    """Makes all runs, and appends a sentence to `problems` for each different
    failure. If a server does not start, its other runs in that experiment are
    skipped. It may still start in another experiment, which may need less."""
    progress = Progress(runs, options)
    planned = Repeats(runs, 0 if options.size == "quick" else len(runs))
    broken = set()
    for run in planned:
        if run.part in broken:
            continue
        progress.show(run, planned.waiting)
        begin = time.monotonic()
        try:
            foreign_cores = make_run(run, options, directory)
            progress.made(run, time.monotonic() - begin)
            planned.consider(run, foreign_cores)
        except RunFailed as failure:
            if isinstance(failure, StartFailed):
                broken.add(run.part)
            rewrite()
            note(problems, f"{run.experiment.name}, {run.model}, "
                 f"{counted(run.cell.connections, 'client')}: {failure}.")
    rewrite()


def note(problems, text):
    """Appends a text to `problems` and prints it, once."""
    if text not in problems:
        problems.append(text)
        say(f"bench: {text}")

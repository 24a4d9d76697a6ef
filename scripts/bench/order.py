"""Makes all runs: in which order, how long it takes, which are made again.

In every round each experiment's cells meet each model once, in randomised
complete blocks of a few seconds: whatever else the machine does, it does to all
runs of a block alike, and ratios within a round stay comparable.
"""

import math
import random
import time

from bench.claims import MORE_ROUNDS
from bench.run import (
    GRACE_S, QUIET_S, make_run, measured_s, two_cores, warmup_s)
from lib.processes import RunFailed, StartFailed, held_back
from lib.samples import DISTURBED_CORES
from lib.text import rewrite, say

RUN_OVERHEAD_S = 0.1  # of starting and stopping both programs, about
REPEATS_SHARE = 0.1  # of all runs, at most, are made again
MORE_SHARE = 0.1  # of all runs, at most, are in these


def one_round(number, experiments, options, order):
    """Its runs: blocks, groups in a block, and runs in a group, each in a
    random order."""
    blocks = [(experiment, block) for experiment in experiments
              for block in experiment.blocks(options.models)]
    order.shuffle(blocks)
    runs = []
    for experiment, block in blocks:
        order.shuffle(block)
        for group in block:
            order.shuffle(group)
            runs += [{"round": number, "experiment": experiment, "cell": cell,
                      "model": model} for cell, model in group]
    return runs


def plan(experiments, options):
    """All runs of all rounds, every round in an order of its own."""
    order = random.Random(options.seed)
    return [run for number in range(1, options.rounds + 1)
            for run in one_round(number, experiments, options, order)]


def more_rounds(experiments, judged, options):
    """The runs of more rounds of what the claims compare on which the rounds
    disagree; of the first of these claims if it would take long for all."""
    order = random.Random(f"{options.seed}, more")
    rounds = [one_round(options.rounds + 1 + i, experiments, options, order)
              for i in range(MORE_ROUNDS)]
    left = MORE_SHARE * options.rounds * len(rounds[0])
    wanted = set()
    for one in judged:
        compared = {(one.experiment, model) for model in one.claim.models()}
        runs = MORE_ROUNDS * sum(compares(run, compared - wanted)
                                 for run in rounds[0])
        if one.wants(MORE_ROUNDS) and runs <= left:
            wanted |= compared
            left -= runs
    return [run for runs in rounds for run in runs if compares(run, wanted)]


def compares(run, wanted):
    return (run["experiment"].name, run["model"]) in wanted


def expected_s(run, options):
    """About how long a run takes: only used to say how much time is left."""
    cell = run["cell"]
    starving = (run["model"] in ("blocking", "coroutine --trap")
                and cell.connections + cell.idle > 1 and not cell.churn)
    over_early = cell.requests and not (starving and cell.idle)
    return (RUN_OVERHEAD_S + warmup_s(run)
            + (0 if over_early else measured_s(run, options))
            + (QUIET_S + GRACE_S if starving else 0))


class Progress:
    """A line that says how far we are: rewritten on a terminal, one per round
    elsewhere."""

    def __init__(self, runs, options):
        self.runs = runs
        self.expected = {self.kind(run): expected_s(run, options)
                         for run in runs}
        self.round = 0

    def kind(self, run):
        """Runs that take the same time."""
        return run["experiment"].name, run["cell"], run["model"]

    def made(self, run, took_s):
        """The next of its kind is expected to take as long."""
        self.expected[self.kind(run)] = took_s

    def left_s(self, number):
        return sum(self.expected[self.kind(run)] for run in self.runs[number:])

    def show(self, number, run):
        left = round(self.left_s(number))
        text = (f"round {run['round']}, run {number + 1} of "
                f"{len(self.runs)}, {left // 60}:{left % 60:02} left")
        what = (f"{run['experiment'].name} {run['model']} "
                f"{run['cell'].connections}")
        if not rewrite(f"{text}  {what}") and run["round"] != self.round:
            print(text, flush=True)
        self.round = run["round"]


class Repeats:
    """Which runs to make again, because others used the machine meanwhile:
    once each, at the end of their round, and not more than a share of all."""

    def __init__(self, planned):
        self.left = math.ceil(REPEATS_SHARE * planned)
        self.waiting = []

    def consider(self, run, foreign_cores):
        again = foreign_cores > DISTURBED_CORES and "again" not in run
        if again and self.left > 0:
            self.left -= 1
            self.waiting.append({**run, "again": True})

    def due(self, next_run):
        """Those of the round that ends before the next run."""
        if self.waiting and (next_run is None or
                             next_run["round"] > self.waiting[0]["round"]):
            due, self.waiting = self.waiting, []
            return due
        return []


def with_repeats(runs, repeats):
    """Every run with its number, and between rounds those made again."""
    for number, run in enumerate(runs):
        for other in repeats.due(run):
            yield number, other
        yield number, run
    for other in repeats.due(None):
        yield len(runs) - 1, other


@held_back()
def make_runs(runs, options, directory, problems):
    """Makes all runs, and adds to `problems` what went wrong, each once. A
    model that does not start is not tried again in its experiment: others may
    ask less of it."""
    cores = two_cores()
    progress = Progress(runs, options)
    repeats = Repeats(0 if options.size == "quick" else len(runs))
    broken = set()
    for number, run in with_repeats(runs, repeats):
        part = (run["experiment"].name, run["model"])
        if part in broken:
            continue
        progress.show(number, run)
        begin = time.monotonic()
        try:
            foreign_cores = make_run(run, options, directory, cores)
            progress.made(run, time.monotonic() - begin)
            repeats.consider(run, foreign_cores)
        except RunFailed as failure:
            if isinstance(failure, StartFailed):
                broken.add(part)
            rewrite()
            note(problems, f"{run['experiment'].name}, {run['model']}, "
                 f"{run['cell'].connections} clients: {failure}.")
    rewrite()


def note(problems, text):
    if text not in problems:
        problems.append(text)
        say(f"bench: {text}")

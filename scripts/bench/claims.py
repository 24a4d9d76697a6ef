"""Judges what the experiments are there to show.

A claim compares a figure of one cell, or its ratio to that of another cell,
with a bound. Every round gives a value of its own, because whatever disturbs
the machine disturbs the cells of a round alike. The claim holds if all of an
interval of these values agrees with the bound, and fails if none of it does.
Absolute speed is never judged.

The interval covers the true median of the values with a probability that needs
no assumption about how they are distributed (the order statistics of the sign
test), but one about the rounds: that they are independent. Their lag-1
autocorrelation is shown beside each claim. The range of six covers the median
with 97 %, and of nine the second to the eighth value with 96 %. Looking at six,
and at nine only if they disagree, is right with 94.5 % for each claim: a wrong
verdict needs all of six (1 in 64, on either side), or eight of nine with the
other one among the six (6 in 512). Fewer than six rounds only suggest.
"""

import csv
import math
from dataclasses import dataclass

from lib.samples import Sample, coverage, spared
from lib.text import counted, with_range
from lib.verdicts import (
    CONTRADICTING, FAILS, HOLDS, INCONCLUSIVE, NOT_MEASURED, SUGGESTS,
    SUGGESTS_NOT)

AT_LEAST, AT_MOST = "at least", "at most"

# From which on the range over the rounds covers the median with 97 %.
ENOUGH_ROUNDS = 6

# One round cannot say how much a figure varies.
ROUNDS_MIN = 2

# How many more rounds are made where six disagree: of nine they can be.
MORE_ROUNDS = 3


@dataclass(frozen=True)
class Claim:
    model: str
    says: str  # what the model does; {bound} stands for relation and bound
    column: str  # of runs.csv, or computed from it
    relation: str
    bound: float
    load: int = None  # that of its experiment, if it is not said
    than_model: str = None  # compared with this model's column, or ...
    than_load: int = None  # ... with this load's
    otherwise: str = ""  # what may be the cause if it fails

    def sentence(self):
        bound = f"{self.relation} {self.bound:g}" if self.bound else "no"
        return f"{self.model} {self.says.format(bound=bound)}"

    def is_ratio(self):
        return self.than_model is not None or self.than_load is not None

    def models(self):
        """Whose runs it needs."""
        return {self.model, self.than_model or self.model}

    def agrees(self, value):
        if self.relation == AT_LEAST:
            return value >= self.bound
        return value <= self.bound


def each(models, *what, **more):
    """The same claim about several models."""
    return tuple(Claim(model, *what, **more) for model in models.split())


@dataclass(frozen=True)
class Judgement:
    """A claim, and what came out of it."""

    experiment: str
    claim: Claim
    sample: Sample  # a value for every round that could be judged

    @property
    def values(self):
        return tuple(self.sample)

    @property
    def verdict(self):
        if not self.values:
            return NOT_MEASURED
        agreeing = [self.claim.agrees(value) for value in self.sample.interval]
        enough = len(self.values) >= ENOUGH_ROUNDS
        if len(self.values) < ROUNDS_MIN or any(agreeing) != all(agreeing):
            return INCONCLUSIVE
        if all(agreeing):
            return HOLDS if enough else SUGGESTS
        return FAILS if enough else SUGGESTS_NOT

    def spread(self):
        if not self.values:
            return None
        return self.sample.median, self.sample.low, self.sample.high

    def coverage(self):
        return coverage(len(self.values), spared(len(self.values)))

    def wants(self, more):
        """Whether so many more rounds may decide it: if then another extreme
        value can be spared."""
        rounds = len(self.values)
        return (self.verdict == INCONCLUSIVE
                and spared(rounds + more) > spared(rounds))

    def measured(self):
        """The median and the range of what was judged, in words."""
        return with_range(self.spread()) if self.values else "-"

    def doubt(self):
        """What to think of it if it does not hold, in words."""
        if not self.values:
            return "no run has the load that it needs"
        if len(self.values) < ROUNDS_MIN:
            return f"{counted(len(self.values), 'round')} cannot tell"
        if self.verdict in (HOLDS, SUGGESTS):
            return f"{counted(len(self.values), 'round')} only"
        what = ("every round contradicts it" if self.verdict in CONTRADICTING
                else "rounds disagree")
        return f"{what}, perhaps because {self.claim.otherwise}"


def judge(experiment, claim, runs):
    """Judges one claim of an experiment on its sound runs."""
    load = experiment.load if claim.load is None else claim.load
    axis = experiment.axis
    sample = runs.where(model=claim.model, **{axis: load}).sample(claim.column)
    if claim.is_ratio():
        than_load = load if claim.than_load is None else claim.than_load
        sample /= runs.where(model=claim.than_model or claim.model,
                             **{axis: than_load}).sample(claim.column)
    return Judgement(experiment.name, claim, sample)


def judgements(shown):
    """Of experiments with their runs. Claims about models that did not take
    part at all are left out."""
    found = []
    for experiment, runs in shown:
        present = set(runs.models())
        found += [judge(experiment, claim, runs)
                  for claim in experiment.claims if claim.models() <= present]
    return found


def write_claims(path, judged):
    """claims.csv: a row for every claim."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["experiment", "claim", "verdict", "median", "lowest",
                       "highest", "relation", "bound", "rounds", "coverage",
                       "autocorrelation", "model", "column", "possible_cause"])
        for one in judged:
            rows.writerow([
                one.experiment, one.claim.sentence(), one.verdict,
                *(f"{value:.4g}" for value in one.spread() or [math.nan] * 3),
                one.claim.relation, one.claim.bound, len(one.values),
                f"{one.coverage():.3f}",
                f"{one.sample.autocorrelation():.2f}",
                one.claim.model, one.claim.column, one.claim.otherwise])

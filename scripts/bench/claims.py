"""Judges the claims of the experiments.

A claim compares a figure of one model, or its ratio to that of another model,
with a bound. Each round gives one value, because other programs disturb the
cells of one round alike. An interval of these values is compared with the
bound. The claim holds if the whole interval agrees with the bound. It fails if
the whole interval contradicts the bound. Claims never judge absolute speed.

The interval covers the true median of the values with a known probability
(order statistics, as in the sign test). This needs no assumption about the
distribution of the values, but it assumes that the rounds are independent.
Therefore the lag-1 autocorrelation of the rounds is shown beside each claim.

With six rounds, the interval is their range, which covers the median with 97 %.
With nine rounds, it reaches from the second lowest to the second highest value,
which covers the median with 96 %. The bench makes six rounds, and three more
only if the six disagree. The verdict is then right with 94.5 % for each claim.
It is wrong in two cases: if all six values are on one side of the true median,
which has a probability of 1/64 for each side; or if five of the six are, and
the three that are added are on the same side (6/512 for each side). Fewer than
six rounds only suggest a verdict.
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

# With so many rounds, their range covers the median with 97 %.
ENOUGH_ROUNDS = 6

# Fewer rounds cannot show how much a figure varies.
ROUNDS_MIN = 2

# Rounds that are added if six disagree. Of nine values, the lowest and the
# highest can be left out.
MORE_ROUNDS = 3


@dataclass(frozen=True)
class Claim:
    """A relation that an experiment is expected to show."""

    model: str
    says: str  # what the model does, with {bound} for relation and bound
    column: str  # of runs.csv, or one that lib/samples.py computes
    relation: str
    bound: float
    load: int = None  # None: the load of the experiment
    than_model: str = None  # for a ratio: the model to compare with
    otherwise: str = ""  # a possible cause if the claim fails

    def sentence(self):
        """Returns the claim as a sentence, without a full stop."""
        bound = f"{self.relation} {self.bound:g}" if self.bound else "no"
        return f"{self.model} {self.says.format(bound=bound)}"

    def models(self):
        """Returns the models whose runs this claim needs."""
        return {self.model, self.than_model or self.model}

    def agrees(self, value):
        """Returns whether a value agrees with the bound."""
        if self.relation == AT_LEAST:
            return value >= self.bound
        return value <= self.bound


def each(models, *what, **more):
    """Returns the same claim for each of the models, which spaces separate."""
    return tuple(Claim(model, *what, **more) for model in models.split())


@dataclass(frozen=True)
class Judgement:
    """A claim, and the values by which it is judged."""

    experiment: str
    claim: Claim
    sample: Sample  # a value for each round with sound runs

    @property
    def verdict(self):
        """The verdict on the claim: see lib/verdicts.py."""
        if not self.sample:
            return NOT_MEASURED
        agreeing = [self.claim.agrees(value) for value in self.sample.interval]
        enough = len(self.sample) >= ENOUGH_ROUNDS
        if len(self.sample) < ROUNDS_MIN or any(agreeing) != all(agreeing):
            return INCONCLUSIVE
        if all(agreeing):
            return HOLDS if enough else SUGGESTS
        return FAILS if enough else SUGGESTS_NOT

    def spread(self):
        """Returns (median, lowest, highest) of the interval, None if empty."""
        if not self.sample:
            return None
        return self.sample.median, self.sample.low, self.sample.high

    def coverage(self):
        """Returns the probability that the interval covers the true median."""
        return coverage(len(self.sample), spared(len(self.sample)))

    def wants(self, more):
        """Returns whether `more` rounds may decide an inconclusive claim,
        because one more extreme value could then be left out."""
        rounds = len(self.sample)
        return (self.verdict == INCONCLUSIVE
                and spared(rounds + more) > spared(rounds))

    def measured(self):
        """Returns the median and the interval of the values as text."""
        return with_range(self.spread())

    def doubt(self):
        """Returns as text why the claim is not certain: too few rounds, or a
        possible cause if the rounds contradict it or disagree."""
        if not self.sample:
            return "no run has the load that it needs"
        if len(self.sample) < ROUNDS_MIN:
            return f"{counted(len(self.sample), 'round')} cannot tell"
        if self.verdict in (HOLDS, SUGGESTS):
            return f"{counted(len(self.sample), 'round')} only"
        what = ("every round contradicts it" if self.verdict in CONTRADICTING
                else "rounds disagree")
        return f"{what}, perhaps because {self.claim.otherwise}"


def judge(experiment, claim, runs):
    """Returns the Judgement of a claim. Faulty runs are left out."""
    load = experiment.load if claim.load is None else claim.load
    at = runs.where(**{experiment.axis: load})
    return Judgement(experiment.name, claim, at.figure(
        claim.column, claim.model, claim.than_model))


def judgements(shown):
    """Returns the judgements of all claims. `shown` are pairs of an experiment
    and its runs. Claims about models without any runs are left out."""
    found = []
    for experiment, runs in shown:
        present = set(runs.models())
        found += [judge(experiment, claim, runs)
                  for claim in experiment.claims if claim.models() <= present]
    return found


def write_claims(path, judged):
    """Writes claims.csv, with one row for each claim."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["experiment", "claim", "verdict", "median", "lowest",
                       "highest", "relation", "bound", "rounds", "coverage",
                       "autocorrelation", "model", "column", "possible_cause"])
        for one in judged:
            rows.writerow([
                one.experiment, one.claim.sentence(), one.verdict,
                *(f"{value:.4g}" for value in one.spread() or [math.nan] * 3),
                one.claim.relation, one.claim.bound, len(one.sample),
                f"{one.coverage():.3f}",
                f"{one.sample.autocorrelation():.2f}",
                one.claim.model, one.claim.column, one.claim.otherwise])

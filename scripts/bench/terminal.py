"""Prints the summary on the terminal: for each experiment its finding, bars in
the place of a picture, and its claims."""

import math

from bench.claims import HOLDS, NOT_MEASURED, SUGGESTS, judgements
from bench.design import deciding, finding, load_named
from bench.experiments import finished
from bench.tables import COLUMNS, mark, served
from lib.samples import ratio
from lib.text import counted, rounded, say

BAR_WIDTH = 22
NAME_WIDTH = 16
NOTHING_FINISHED = "No experiment was finished."


def summary_lines(column, at):
    """Yields a line for each model. It has a bar of block characters if the
    column has one, and the number of clients served if that is not all. The
    highest value fills BAR_WIDTH columns, and NaN has no bar."""
    values = [run[column.bar] for run in at] if column.bar else []
    most = max(filter(math.isfinite, values), default=0)
    for model, of in at.by("model"):
        if not column.bar:
            yield f"  {model:{NAME_WIDTH}} {column.text(of)}"
            continue
        value = of.median(column.bar)
        share = ratio(value, most)
        length = 0 if math.isnan(share) else max(1, round(BAR_WIDTH * share))
        number = f"{mark(of)}{rounded(value)}"
        left_out = "" if of.all_served() else f"  {served(of)} served"
        yield (f"  {model:{NAME_WIDTH}} {'█' * length:{BAR_WIDTH}} "
               f"{number:>10}{left_out}")


def print_claims(judged):
    """Prints a paragraph for each claim, with the verdict first."""
    print()
    measured = [one for one in judged if one.verdict != NOT_MEASURED]
    for one in measured:
        agrees = one.verdict in (HOLDS, SUGGESTS)
        verdict = one.verdict if agrees else one.verdict.upper()
        why = "" if one.verdict == HOLDS else f"; {one.doubt()}"
        say(f"{verdict}: {one.claim.sentence()} ({one.measured()}){why}.", 2)
    if len(measured) < len(judged):
        claims = counted(len(judged) - len(measured), "claim")
        say(f"not measured: {claims}, as no run has the load needed.", 2)


def print_summary(runs):
    """Prints the summary of all experiments that can be judged."""
    shown = list(finished(runs))
    if not shown:
        print(NOTHING_FINISHED)
    for experiment, of in shown:
        at = deciding(experiment, of)
        column = COLUMNS[experiment.columns[0]]
        print()
        say(f"{experiment.name}: {finding(experiment, of)}.")
        print(f"\n  {column.heading}, {load_named(experiment, at)}")
        print("\n".join(summary_lines(column, at)))
        print_claims(judgements([(experiment, of)]))
    print()

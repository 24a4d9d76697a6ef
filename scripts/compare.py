#!/usr/bin/env python3
"""Sets two runs of the bench side by side: two machines, or one before and
after a change.

    compare.py results/A results/B

First what differs in their surroundings, then every experiment at the load
where it is judged, then the verdicts. Two figures are told apart only where
their ranges do not meet: whatever else differs may be noise.
"""

import pathlib
import sys

from claims import judgements
from experiments import finished
from grid import deciding, load_named
from results import in_order, read_runs, rounded, with_range

# Facts that differ between any two runs.
OF_NO_INTEREST = ("date", "seed", "load before")

COMPARED = {
    "req_per_s": "replies per second",
    "server_cpu_us_per_req": "CPU time per request, µs",
    "kib_per_silent": "memory per silent client, KiB",
}


def aligned(rows):
    """Lines with the columns below each other."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  " + "  ".join(f"{cell:{width}}" for cell, width
                             in zip(row, widths)).rstrip() for row in rows]


# ---- The surroundings


def facts_of(directory):
    """environment.txt as a dictionary; empty if there is none."""
    path = directory / "environment.txt"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    pairs = (line.split("  ", 1) for line in lines if "  " in line)
    return {name: fact.strip() for name, fact in pairs}


def differing(a, b):
    return [(name, a.get(name, "-"), b.get(name, "-"))
            for name in dict.fromkeys([*a, *b])
            if name not in OF_NO_INTEREST and a.get(name) != b.get(name)]


def surroundings(a, b):
    rows = differing(a, b)
    if not rows:
        yield "The surroundings are the same."
    for name, left, right in rows:
        yield f"{name}\n  A  {left}\n  B  {right}"


# ---- The figures


def told_apart(a, b):
    """What can be said of B against A, given (median, lowest, highest)."""
    if b[1] > a[2]:
        return "more"
    return "less" if b[2] < a[1] else "the ranges meet"


def figures(a, b, column):
    """A row for every model that both have, served in full."""
    for model in in_order(set(a.models()) & set(b.models())):
        left, right = a.where(model=model), b.where(model=model)
        spreads = left.spread(column), right.spread(column)
        known = all(value == value for spread in spreads for value in spread)
        if left.all_served() and right.all_served() and known:
            ratio = spreads[1][0] / spreads[0][0] if spreads[0][0] else 0
            yield (model, *map(with_range, spreads), rounded(ratio),
                   told_apart(*spreads))


def compared(experiment, a, b):
    """Lines about one experiment, at its load if both have it."""
    a, b = deciding(experiment, a), deciding(experiment, b)
    loads = load_named(experiment, a), load_named(experiment, b)
    if loads[0] != loads[1]:
        yield f"{experiment.name}: A has {loads[0]}, B has {loads[1]}."
        return
    for column, heading in COMPARED.items():
        rows = list(figures(a, b, column))
        if rows:
            yield f"\n{experiment.name}, {loads[0]}: {heading}"
            yield from aligned([("", "A", "B", "B / A", "B has"), *rows])


# ---- The verdicts


def verdicts(a, b):
    """Claims on which the runs do not agree, and how many they agree on."""
    left, right = ({one.claim.sentence(): one.verdict
                    for one in judgements(shown.items())} for shown in (a, b))
    both = [claim for claim in left if claim in right]
    rows = [(claim, left[claim], right[claim]) for claim in both
            if left[claim] != right[claim]]
    yield f"\nThe verdicts agree on {len(both) - len(rows)} claims" + (
        ", not on:" if rows else ".")
    if rows:
        yield from aligned([("", "A", "B"), *rows])


def comparison(directories):
    """All lines."""
    yield from (f"{name}  {path}" for name, path in zip("AB", directories))
    yield ""
    yield from surroundings(*map(facts_of, directories))
    a, b = (dict(finished(read_runs(path / "runs.csv")))
            for path in directories)
    for experiment in a:
        if experiment in b:
            yield from compared(experiment, a[experiment], b[experiment])
    yield from verdicts(a, b)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        print("\n".join(comparison([pathlib.Path(a) for a in sys.argv[1:]])))
    except (OSError, ValueError) as problem:
        sys.exit(f"compare: {problem}")

"""Reads runs.csv: one row per run of the client."""

import csv
import math
from statistics import median

# Columns that are names. All others are numbers.
NAMES = ("experiment", "model")


class Runs(list):
    """Rows of runs.csv, each a dictionary."""

    def where(self, **wanted):
        return Runs(run for run in self if all(run[k] == v for k, v in wanted.items()))

    def values(self, column):
        """The distinct values of a column, sorted."""
        return sorted({run[column] for run in self})

    def models(self, order):
        """The models that have runs, in the given order; unknown ones last."""
        found = {run["model"] for run in self}
        return [m for m in order if m in found] + sorted(found - set(order))

    def spread(self, column):
        """(median, lowest, highest) of a column over the rounds."""
        found = [run[column] for run in self]
        return (median(found), min(found), max(found)) if found else None

    def median(self, column):
        found = self.spread(column)
        return found[0] if found else float("nan")

    def rounds(self):
        return len(self.values("round"))

    def ratios(self, column, over, under):
        """Per round, a column where `over` holds by that where `under` does."""
        found = []
        for number in self.values("round"):
            of = self.where(round=number)
            high, low = of.where(**over), of.where(**under)
            if high and low and low[0][column] > 0:
                found.append(high[0][column] / low[0][column])
        return found


def read_runs(path):
    with open(path, newline="", encoding="utf-8") as file:
        return Runs(complete(row) for row in csv.DictReader(file))


def complete(row):
    """Numbers as numbers, and what follows from them."""
    run = {name: text if name in NAMES else float(text) for name, text in row.items()}
    run["cores"] = (run["server_user_s"] + run["server_sys_s"]) / run["duration_s"]
    return run


# ---- Numbers for people


def rounded(value):
    """Three significant digits, with thousands separated: 142,000."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "-"
    step = 10 ** (math.floor(math.log10(abs(value))) - 2)
    value = round(value / step) * step
    digits = max(0, 2 - math.floor(math.log10(abs(value)) + 1e-9))
    return f"{value:,.{digits}f}"


def duration(us):
    """A time given in microseconds, in a fitting unit."""
    for limit, unit, scale in ((1e3, "µs", 1), (1e6, "ms", 1e3)):
        if us < limit * 0.9995:
            return f"{rounded(us / scale)} {unit}"
    return f"{rounded(us / 1e6)} s"


def with_range(spread, text=rounded):
    """A median with its range: 142,000 (139,000-151,000)."""
    if spread is None:
        return "-"
    middle, low, high = spread
    return text(middle) if low == high else f"{text(middle)} ({text(low)}-{text(high)})"


def factor(value):
    """A ratio: 1.9x."""
    return f"{value:.1f}x" if value < 10 else f"{value:.0f}x"


def listed(names):
    """Names as one says them: a, b and c."""
    names = list(names)
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]

"""Reads runs.csv, one row per run of the client, and says what a figure was in
each round.

A row is a dictionary from column to number. The rows of one cell are its
rounds. A Sample is one figure of a cell, or the ratio of two, round by round:
every table, sentence, claim, picture and prediction gets its figures from
there, so that faulty runs and missing values are dealt with in one place.
"""

import csv
import math
from collections import Counter
from dataclasses import dataclass
from statistics import median

from lib.models import in_order

# Columns that are names. All others are numbers.
NAMES = ("experiment", "model", "placement")

# What a server must not do to a client. A run in which it did says nothing
# about speed.
FAULTS = {
    "wrong": "wrong replies",
    "error_replies": "error replies",
    "failed": "failed connections",
    "timeouts": "timeouts",
}

# Cores that other programs used during a run, from which on it is disturbed.
# Times are counted in ticks of 10 ms: in a short run, less is not seen.
DISTURBED_CORES = 0.15

# The client's own CPU time, of one core, from which on it sets the limit.
CLIENT_LIMIT_SHARE = 0.9

# Of the clients, above which all are served: a window ends while some of 10,000
# have not had their turn.
ALL_MIN = 0.99

# The probability that an interval keeps when extreme values are left out.
COVERAGE_MIN = 0.95


def coverage(rounds, without=0):
    """The probability that the range over so many rounds, without so many of
    the lowest and as many of the highest, covers the true median: it does
    unless no more than these fell on one side of it."""
    beside = sum(math.comb(rounds, fell) for fell in range(without + 1))
    return max(0.0, 1 - 2 * beside / 2**rounds)


def spared(rounds):
    """How many of the lowest and of the highest values can be left out."""
    without = 0
    while coverage(rounds, without + 1) >= COVERAGE_MIN:
        without += 1
    return without


def faults(run):
    """What went wrong in a run, in words; empty for a sound one."""
    return [f"{text}: {run[c]:,.0f}" for c, text in FAULTS.items() if run.get(c)]


@dataclass(frozen=True)
class Sample:
    """The values of a figure by round. Rounds whose run was faulty or missing,
    or that gave no number, are not in it."""

    values: dict

    def __bool__(self):
        return bool(self.values)

    def __len__(self):
        return len(self.values)

    def __iter__(self):
        """The values in the order of the rounds."""
        return (self.values[number] for number in sorted(self.values))

    def __truediv__(self, base):
        """Returns the ratios of the rounds that both have."""
        return Sample({number: value / base.values[number]
                       for number, value in self.values.items()
                       if base.values.get(number, 0) > 0})

    def __mul__(self, factor):
        return Sample({number: factor * value
                       for number, value in self.values.items()})

    @property
    def median(self):
        return median(self.values.values()) if self else math.nan

    @property
    def interval(self):
        """The values from the lowest to the highest, without the extreme ones
        as far as they can be spared: claims and findings are judged by them."""
        spare = spared(len(self))
        return sorted(self)[spare:len(self) - spare]

    @property
    def low(self):
        return min(self.interval, default=math.nan)

    @property
    def high(self):
        return max(self.interval, default=math.nan)

    def spread(self):
        """(median, lowest, highest) of all rounds, or None if there are
        none."""
        return (self.median, min(self), max(self)) if self else None

    def below(self, other):
        """Whether it is lower in every round that both have, one at least,
        but for those that can be spared."""
        return (self / other).high < 1

    def autocorrelation(self):
        """How much a round resembles the one before it (lag 1, from -1 to 1):
        near 0 if rounds are independent. Not a number for less than three, or
        if all are the same."""
        values = list(self)
        mean = sum(values) / len(values) if values else 0
        parts = [value - mean for value in values]
        squares = sum(part * part for part in parts)
        if len(values) < 3 or squares == 0:
            return math.nan
        return sum(a * b for a, b in zip(parts, parts[1:])) / squares


class Runs(list):
    """Rows of runs.csv."""

    def where(self, **wanted):
        return Runs(run for run in self
                    if all(run[k] == v for k, v in wanted.items()))

    def sound(self):
        return Runs(run for run in self if not faults(run))

    def values(self, column):
        """The distinct values of a column, sorted."""
        return sorted({run[column] for run in self})

    def models(self):
        """The models that have runs."""
        return in_order({run["model"] for run in self})

    def sample(self, column):
        """A column of the sound runs of one cell, by round."""
        return Sample({run["round"]: run[column] for run in self.sound()
                       if math.isfinite(run[column])})

    def spread(self, column):
        """(median, lowest, highest) of a column over the rounds."""
        return self.sample(column).spread()

    def median(self, column):
        return self.sample(column).median

    def all_served(self):
        """Whether the clients got replies, in most rounds."""
        return self.median("served") > ALL_MIN * self.median("connections")

    def disturbed(self):
        """Those in which other programs took more than nothing."""
        return Runs(run for run in self
                    if run["foreign_cores"] > DISTURBED_CORES)

    def client_limited(self):
        """Whether the client was busy all the time: the server could have
        done at least what these runs say."""
        return self.median("client_cpu_share") >= CLIENT_LIMIT_SHARE

    def cells(self, wanted=lambda of: True):
        """How many cells there are, or of them those that are wanted."""
        found = {}
        for run in self:
            found.setdefault(place({**run, "round": 0}), Runs()).append(run)
        return sum(map(wanted, found.values()))

    def rounds(self):
        """How many rounds every figure rests on: those of the cell that has
        fewest."""
        cells = Counter(place({**run, "round": 0}) for run in self)
        return min(cells.values(), default=0)


def read_runs(path):
    """All rows of a file. Raises OSError or ValueError if it has none."""
    with open(path, newline="", encoding="utf-8") as file:
        try:
            runs = Runs(complete(row) for row in csv.DictReader(file))
        except (KeyError, TypeError, ValueError) as problem:
            raise ValueError(f"{path} is not a list of runs") from problem
    if not runs:
        raise ValueError(f"{path} has no runs")
    runs = least_disturbed(runs)
    compare_with_none_silent(runs)
    return runs


def place(run):
    """What is the same in a run and its repetition."""
    return (*(run[c] for c in ("experiment", "model", "round", "connections",
                               "idle")), run.get("hogs", 0), run.get("rate", 0))


def least_disturbed(runs):
    """Of runs that were repeated only the best attempt."""
    best = {}
    for run in runs:
        other = best.get(place(run))
        if not other or run["foreign_cores"] < other["foreign_cores"]:
            best[place(run)] = run
    return Runs(best.values())


def complete(row):
    """Numbers as numbers, and what follows from them."""
    run = {name: text if name in NAMES else float(text)
           for name, text in row.items()}
    run["cores"] = ratio(run["server_user_s"] + run["server_sys_s"],
                         run.get("server_wall_s", run["duration_s"]))
    run["ctx_switches_per_req"] = ratio(run["ctx_switches"], run["requests"])
    run.setdefault("foreign_cores", 0.0)
    for name in ("first_process_share", "set_ms", "turns"):
        run.setdefault(name, math.nan)
    run.setdefault("hogs", 0.0)
    run["kept_beside_hogs"] = ratio(run.get("rate_during", 0),
                                    run.get("rate_before", 0))
    run["kept_up"] = ratio(run["req_per_s"], run.get("rate", 0))
    run["first_cpu_us_per_req"] = (run["server_cpu_us_per_req"]
                                   * run["first_process_share"])
    run["server_cpu_ms_per_req"] = run["server_cpu_us_per_req"] / 1000
    # Clients that wait together are answered together, and a window ends
    # before or after such a moment. Up to the last reply, nothing is cut off.
    run["rate_to_last"] = ratio(run.get("replies", 0),
                                run.get("server_wall_s", 0))
    run["share_of_possible"] = ratio(
        run["rate_to_last"] * run.get("delay_ms", 0), 1000 * run["connections"])
    return run


def compare_with_none_silent(runs):
    """Adds to each run what its idle connections cost: the share that is
    left of the rate, and of the requests that a second of CPU time is enough
    for, and memory for each. All against the run of the same round that had
    none; not a number if that was faulty or is missing."""
    def cell(run):
        return run["experiment"], run["model"], run["round"], run["connections"]

    none = {cell(run): run for run in runs.sound() if not run["idle"]}
    nothing = dict.fromkeys(
        ("req_per_s", "server_cpu_us_per_req", "pss_kib"), math.nan)
    for run in runs:
        base = none.get(cell(run), nothing)
        run["rate_kept"] = ratio(run["req_per_s"], base["req_per_s"])
        run["work_kept"] = ratio(base["server_cpu_us_per_req"],
                                 run["server_cpu_us_per_req"])
        run["kib_per_silent"] = ratio(run["pss_kib"] - base["pss_kib"],
                                      run["idle"])


def ratio(over, under):
    """A quotient; not a number, and shown as '-', where there is none."""
    return over / under if under > 0 else float("nan")

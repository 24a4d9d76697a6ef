"""Reads runs.csv, which has one row per run of the client, and returns each
figure round by round.

A row is a dictionary from column to number. A cell is one combination of
experiment, model and load; its rows are its rounds. A Sample holds one figure
of a cell, or the ratio of two, by round. Every table, sentence, claim, picture
and prediction gets its figures from a Sample, so that faulty runs and missing
values are handled in one place.
"""

import csv
import math
from dataclasses import dataclass
from statistics import median

from lib.models import in_order

# Columns that are names. All others are numbers.
NAMES = ("experiment", "model", "placement")

# Columns that count faults of the server. A run with a fault says nothing about
# its speed.
FAULTS = {
    "wrong": "wrong replies",
    "error_replies": "error replies",
    "failed": "failed connections",
    "timeouts": "timeouts",
}

# A run is disturbed if other programs used more cores than this. The kernel
# counts in ticks of 10 ms, so in a short run less cannot be detected.
DISTURBED_CORES = 0.15

# The client limits the throughput if it uses at least this share of a core.
CLIENT_LIMIT_SHARE = 0.9

# Above this share of the clients, all count as served: when the window ends,
# some of 10,000 may still wait for their turn.
ALL_MIN = 0.99

# How probably an interval must cover the median when extreme values are left
# out.
COVERAGE_MIN = 0.95


def coverage(rounds, without=0):
    """Returns the probability that a range of values covers the true median.
    The range leaves out the `without` lowest and the `without` highest of
    `rounds` values. It misses the median only if at most `without` values are
    on one side of the median."""
    beside = sum(math.comb(rounds, fell) for fell in range(without + 1))
    return max(0.0, 1 - 2 * beside / 2**rounds)


def spared(rounds):
    """Returns how many of the lowest values, and of the highest, can be left
    out so that the range covers the median with COVERAGE_MIN."""
    without = 0
    while coverage(rounds, without + 1) >= COVERAGE_MIN:
        without += 1
    return without


def faults(run):
    """Returns what went wrong in a run, as texts; none for a sound run."""
    return [f"{text}: {run[column]:,.0f}"
            for column, text in FAULTS.items() if run.get(column)]


@dataclass(frozen=True)
class Sample:
    """The values of one figure by round. Rounds whose run was faulty or
    missing, or gave no number, are left out."""

    values: dict

    def __bool__(self):
        return bool(self.values)

    def __len__(self):
        return len(self.values)

    def __iter__(self):
        """Yields the values in the order of the rounds."""
        return (self.values[number] for number in sorted(self.values))

    def __truediv__(self, base):
        """Returns the ratio to `base` for each round that both samples have and
        in which `base` is positive."""
        return Sample({number: value / base.values[number]
                       for number, value in self.values.items()
                       if base.values.get(number, 0) > 0})

    def __sub__(self, base):
        """Returns the difference from `base` for each round that both have."""
        return Sample({number: value - base.values[number]
                       for number, value in self.values.items()
                       if number in base.values})

    def __mul__(self, factor):
        return Sample({number: factor * value
                       for number, value in self.values.items()})

    @property
    def median(self):
        return median(self.values.values()) if self else math.nan

    @property
    def interval(self):
        """The sorted values without the extreme ones that spared() allows to
        leave out. Claims and findings are judged by this interval."""
        spare = spared(len(self))
        return sorted(self)[spare:len(self) - spare]

    @property
    def low(self):
        return min(self.interval, default=math.nan)

    @property
    def high(self):
        return max(self.interval, default=math.nan)

    def spread(self):
        """Returns (median, lowest, highest) of all rounds, None if empty."""
        return (self.median, min(self), max(self)) if self else None

    def below(self, other):
        """Returns True if this sample is lower than `other` in every round that
        both have. Rounds that spared() allows to leave out do not count.
        Returns False if the samples have no round in common."""
        return (self / other).high < 1

    def autocorrelation(self):
        """Returns the correlation of each round with the previous one (lag 1),
        from -1 to 1. It is near 0 if the rounds are independent. Returns NaN
        for fewer than three rounds, or if all values are equal."""
        values = list(self)
        mean = sum(values) / len(values) if values else 0
        parts = [value - mean for value in values]
        sum_of_squares = sum(part * part for part in parts)
        if len(values) < 3 or sum_of_squares == 0:
            return math.nan
        return sum(a * b for a, b in zip(parts, parts[1:])) / sum_of_squares


class Runs(list):
    """A list of rows of runs.csv."""

    def where(self, **columns):
        """Returns the runs in which these columns have these values."""
        return Runs(run for run in self
                    if all(run[k] == v for k, v in columns.items()))

    def sound(self):
        """Returns the runs without a fault: see faults()."""
        return Runs(run for run in self if not faults(run))

    def values(self, column):
        """Returns the distinct values of a column, sorted."""
        return sorted({run[column] for run in self})

    def models(self):
        """Returns the models that have runs, in the order to show them."""
        return in_order({run["model"] for run in self})

    def sample(self, column):
        """Returns a column of one cell as a Sample, without faulty runs."""
        return Sample({run["round"]: run[column] for run in self.sound()
                       if math.isfinite(run[column])})

    def by(self, column):
        """Yields the runs for each value of a column, as pairs of value and
        Runs: models in the order to show them, all else from the lowest."""
        for value in self.models() if column == "model" else (
                self.values(column)):
            yield value, self.where(**{column: value})

    def figure(self, column, model, than=None):
        """Returns a column of a model as a Sample. With `than`, returns the
        ratio to that column of the model `than`, taken within each round."""
        own = self.where(model=model).sample(column)
        return own / self.where(model=than).sample(column) if than else own

    def spread(self, column):
        """Returns Sample.spread() of a column."""
        return self.sample(column).spread()

    def median(self, column):
        return self.sample(column).median

    def all_served(self):
        """Returns True if nearly all connections got a reply (ALL_MIN)."""
        return self.median("served") > ALL_MIN * self.median("connections")

    def disturbed(self):
        """Returns the runs in which others used more than DISTURBED_CORES."""
        return Runs(run for run in self
                    if run["foreign_cores"] > DISTURBED_CORES)

    def client_limited(self):
        """Returns True if the client was busy nearly all the time: it limited
        the throughput, and the server may be faster than these runs show."""
        return self.median("client_cpu_share") >= CLIENT_LIMIT_SHARE

    def by_cell(self):
        """Returns the runs of each cell, which are its rounds."""
        found = {}
        for run in self:
            found.setdefault(place({**run, "round": 0}), Runs()).append(run)
        return found.values()

    def cells(self, counts=lambda of: True):
        """Returns the number of cells for whose runs counts() is true."""
        return sum(map(counts, self.by_cell()))

    def rounds(self):
        """Returns the number of rounds of the cell that has fewest: every
        figure rests on at least so many."""
        return min(map(len, self.by_cell()), default=0)


def append_rows(path, rows):
    """Appends rows, which are dictionaries, to a CSV file. The first line of a
    new file has the names of the columns."""
    with open(path, "a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0] if rows else (),
                               lineterminator="\n")
        if rows and file.tell() == 0:
            table.writeheader()
        table.writerows(rows)


def read_runs(path):
    """Returns the Runs of a runs.csv. Raises OSError if it cannot be read, and
    ValueError if it is no list of runs or has no row."""
    with open(path, newline="", encoding="utf-8") as file:
        try:
            runs = Runs(complete(row) for row in csv.DictReader(file))
        except (KeyError, TypeError, ValueError) as problem:
            raise ValueError(f"{path} is not a list of runs") from problem
    if not runs:
        raise ValueError(f"{path} has no runs")
    runs = least_disturbed(runs)
    compare_with_none_idle(runs)
    return runs


def place(run):
    """Returns the cell and the round of a run, which a repetition shares."""
    return (*(run[c] for c in ("experiment", "model", "round", "connections",
                               "idle")), run.get("hogs", 0), run.get("rate", 0))


def least_disturbed(runs):
    """Returns the least disturbed of the attempts at each planned run."""
    best = {}
    for run in runs:
        other = best.get(place(run))
        if not other or run["foreign_cores"] < other["foreign_cores"]:
            best[place(run)] = run
    return Runs(best.values())


def complete(row):
    """Converts a row of runs.csv to numbers, and adds computed columns."""
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
    # Clients that wait together get their replies together, so a rate depends
    # on whether the window ends just before or just after. A rate up to the
    # last reply does not.
    run["rate_to_last"] = ratio(run.get("replies", 0),
                                run.get("server_wall_s", 0))
    run["share_of_possible"] = ratio(
        run["rate_to_last"] * run.get("delay_ms", 0), 1000 * run["connections"])
    return run


def compare_with_none_idle(runs):
    """Adds to each run what its idle connections cost, compared with the run of
    the same round that had none. `rate_kept` and `work_kept` are the shares
    that remain of the rate and of the requests per second of CPU time.
    `kib_per_silent` is the memory for each idle connection, under the name that
    it has in every claims.csv. A figure is NaN if the other run is faulty or
    missing."""
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
    """Returns over / under, or NaN if `under` is not positive."""
    return over / under if under > 0 else math.nan

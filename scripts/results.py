"""Reads runs.csv, one row per run of the client, and says numbers plainly.

A row is a dictionary from column to number. Several rows of one cell are its
rounds, and are described by their median, lowest and highest value.
"""

import csv
import math
import pathlib
import re
import textwrap
from collections import Counter
from statistics import median

ROOT = pathlib.Path(__file__).resolve().parent.parent


def names_in(path):
    """The words of a file, of which there are none if there is no file."""
    return tuple(path.read_text("utf-8").split()) if path.exists() else ()


# In the order in which they are shown: those that are compared unless others
# are asked for, and those that may be.
MODELS = names_in(ROOT / "servers" / "MODELS")
MORE_MODELS = names_in(ROOT / "servers" / "more" / "MODELS")
ALL_MODELS = MODELS + MORE_MODELS

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


def faults(run):
    """What went wrong in a run, in words; empty for a sound one."""
    return [f"{text}: {run[c]:,.0f}" for c, text in FAULTS.items() if run[c]]


def names(text):
    """Names with spaces or commas between them, as people write them."""
    return text.replace(",", " ").split()


def chosen(models):
    """Each once, and for `all` all there are."""
    return list(dict.fromkeys(
        name for model in models
        for name in (ALL_MODELS if model == "all" else [model])))


def in_order(models):
    """Our models as they are always shown, each with its variants, then
    others."""
    def place(model):
        name = model.split()[0]
        return (ALL_MODELS.index(name) if name in ALL_MODELS
                else len(ALL_MODELS)), model

    return sorted(set(models), key=place)


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

    def spread(self, column):
        """(median, lowest, highest) of a column over the rounds."""
        found = [run[column] for run in self]
        return (median(found), min(found), max(found)) if found else None

    def median(self, column):
        found = self.spread(column)
        return found[0] if found else float("nan")

    def all_served(self):
        """Whether every connection got a reply, in most rounds."""
        return self.median("served") == self.median("connections")

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
                               "idle")), run.get("hogs", 0))


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
    """Adds to each run what its silent connections cost: the share that is
    left of the rate, and of the requests that a second of CPU time is enough
    for, and memory for each. All against the run of the same round that had
    none."""
    def cell(run):
        return run["experiment"], run["model"], run["round"], run["connections"]

    none = {cell(run): run for run in runs if not run["idle"]}
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


# ---- Numbers for people


def rounded(value, digits=3):
    """A value to some significant digits, thousands separated: 142,000."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "-"
    step = 10.0 ** (math.floor(math.log10(abs(value))) + 1 - digits)
    value = round(value / step) * step
    magnitude = math.floor(math.log10(abs(value)) + 1e-9)
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"


def duration(us, digits=3):
    """A time given in microseconds, in a fitting unit."""
    for limit, unit, scale in ((1e3, "µs", 1), (1e6, "ms", 1e3)):
        if us < limit * (1 - 0.5 / 10**digits):
            return f"{rounded(us / scale, digits)} {unit}"
    return f"{rounded(us / 1e6, digits)} s"


def with_range(spread, text=rounded):
    """A median with its range: 142,000 (139,000-151,000)."""
    if spread is None:
        return "-"
    middle, low, high = (text(value) for value in spread)
    return middle if low == high else f"{middle} ({low}-{high})"


def factor(value):
    """A ratio: 1.9x."""
    return f"{value:.1f}x" if value < 10 else f"{value:.0f}x"


def wrapped(text, width, indent=0):
    """Lines of at most this width, all but the first indented a little more
    if any is; a unit stays with its number."""
    no_break = re.sub(r"(\d) (µs\b|ms\b|s\b|%)", "\\1\u00a0\\2", text)
    lines = textwrap.fill(no_break, width, initial_indent=" " * indent,
                          subsequent_indent=" " * (indent and indent + 2))
    return lines.replace("\u00a0", " ")


def counted(number, noun):
    """A number of things: 1 client, 1,000 clients."""
    return f"{number:,.0f} {noun}{'' if number == 1 else 's'}"


def listed(names):
    """Names as one says them: a, b and c."""
    *first, last = [*names] or [""]
    return f"{', '.join(first)} and {last}" if first else last

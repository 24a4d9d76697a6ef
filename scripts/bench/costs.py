"""Has what `make bench-coro` and `make bench-client` share: their options, the
values of all rounds, tables of figures with their goals, and a file of all."""

import csv
import os
import pathlib
import time
from dataclasses import dataclass

from lib import command_line
from lib.command_line import FAILED, INTERRUPTED
from lib.models import ROOT
from lib.processes import Interrupted, RunFailed, held_back
from lib.samples import Sample
from lib.text import rewrite

RANGE_ENDS = 70  # the column of a table where the range of the values ends


def parser(doc, name):
    """Returns the parser of the options that both programs have. The default
    file for the values is results/NAME.csv; `doc` is the text of --help."""
    options = command_line.parser(doc)
    options.add_argument("--rounds", type=command_line.count, default=5,
                         metavar="N", help="how often each is measured "
                                           "(default: 5)")
    command_line.add_bin(options)
    options.add_argument("--build", type=pathlib.Path, metavar="DIR",
                         default=ROOT / "build" / "plain" / "bench",
                         help="the folder of the programs of bench/")
    options.add_argument("--csv", type=pathlib.Path, metavar="FILE",
                         default=ROOT / "results" / f"{name}.csv",
                         help=f"gets all values (default: results/{name}.csv)")
    return options


# ---- Measuring


class Figures:
    """The values of all figures, named by tuples, and what went wrong."""

    def __init__(self):
        self.values = {}  # for each figure: its values by the round's number
        self.problems = []
        self.round = 1
        self.whole = True  # false: interrupted

    def note(self, *figure, value):
        """Stores the value of a figure in this round."""
        self.values.setdefault(figure, {})[self.round] = value

    def sample(self, *figure):
        """Returns a figure as a Sample of the rounds that measured it."""
        return Sample(self.values.get(figure, {}))

    def measure(self, rounds, tasks):
        """Makes all measurements in all rounds. tasks(number) yields those of a
        round: the name of each, a function, and its arguments. Shows on a
        terminal what is measured next, and how long the rest will take."""
        plan = [(number, *task) for number in range(1, rounds + 1)
                for task in tasks(number)]
        begin_s = time.monotonic()
        for done, (self.round, name, task, *arguments) in enumerate(plan):
            left = ""
            if done > 0:  # The rest takes about as long as what was done.
                per_task_s = (time.monotonic() - begin_s) / done
                left = f", {per_task_s * (len(plan) - done):.0f} s left"
            rewrite(f"round {self.round}, {done + 1} of {len(plan)}{left}  "
                    f"{name}")
            self.attempt(task, *arguments)
        rewrite()

    def attempt(self, task, *arguments):
        """Makes one measurement. A failure is a problem, and leaves a gap."""
        try:
            task(*arguments)
        except RunFailed as failure:
            self.problems.append(str(failure))


def bench(name, figures, work, show):
    """Calls work(), which measures, and show(), which prints and stores what
    was measured, even if work() was interrupted. Prints the problems of the
    program `name`. Returns the exit status."""
    status = 0
    try:
        with held_back():
            work()
    except Interrupted:
        status = INTERRUPTED
        figures.whole = False
        figures.problems.append("interrupted: not all rounds were made")
    show()
    for problem in figures.problems:
        print(f"{name}: {problem}")
    return status or (FAILED if figures.problems else 0)


# ---- Showing


@dataclass(frozen=True)
class Row:
    """A line of a table: a figure, or, with `base`, its ratio to another figure
    in each round. `most` and `least` are the goals."""

    text: str
    figure: tuple
    unit: str = ""
    base: tuple = None
    most: float = None
    least: float = None
    per: int = 0  # instead of a ratio: the difference, divided by this

    def sample(self, figures):
        """Returns the row's values, for the rounds that have all it needs."""
        sample = figures.sample(*self.figure)
        if self.base is None:
            return sample
        base = figures.sample(*self.base)
        return ((sample - base) * (1 / self.per) if self.per else sample / base)

    def verdict(self, value):
        """Returns the goal and whether a value meets it, or "" without one."""
        if self.most is not None:
            met, goal = value <= self.most, f"at most {self.most:,g}"
        elif self.least is not None:
            met, goal = value >= self.least, f"at least {self.least:,g}"
        else:
            return ""
        return f"{goal:<14} {'met' if met else 'MISSED'}"

    def line(self, sample, shown, width):
        """Returns the line: the median of the sample, its range and the goal.
        shown(value, unit) formats a value; `width` is that of the text."""
        middle, low, high = (shown(value, self.unit)
                             for value in sample.spread())
        unit = f" {self.unit:<6}" if self.unit else ""
        left = f"  {self.text:<{width}}{middle:>9}{unit}"
        return (f"{left}{f'{low}-{high}':>{RANGE_ENDS - len(left)}}  "
                f"{self.verdict(sample.median)}").rstrip()


def print_rows(title, rows, figures, shown, width):
    """Prints the rows that have values. See Row.line() for the arguments."""
    head = f"{title:<{width + 4}}{'median':>7}"
    print(f"\n{head}{'range':>{RANGE_ENDS - width - 11}}  goal")
    for row in rows:
        sample = row.sample(figures)
        if sample:
            print(row.line(sample, shown, width))


def save(path, header, rows, figures):
    """Writes all values to a CSV file, and prints its path. Each row has the
    names of a figure, and its Sample: the file has a line for each value. If
    the figures are not whole, an older file stays as it is."""
    if not figures.whole and path.exists():
        print(f"\nNot stored: {os.path.relpath(path)} keeps its values")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow((*header, "round", "value"))
        for *names, sample in rows:
            out.writerows((*names, number, f"{value:.6g}")
                          for number, value in sample.values.items())
    print(f"\nAll values: {os.path.relpath(path)}")

#!/usr/bin/env python3
"""Many machines on one page: what the runs of a class have in common.

    classroom.py DIR [--draw FILE]

DIR has a folder with runs.csv for every student, or a file NAME.csv. Prints, of
a few ratios, the median over the machines and how far they lie apart, and on
how many machines each claim holds; writes the same to DIR/class.html, with a
picture in which every machine is a dot, if there is matplotlib. Absolute times
of different machines are not compared. `--draw` draws that picture only, and
needs matplotlib.
"""

import math
import pathlib
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Callable

from claims import FAILS, HOLDS, INCONCLUSIVE, NOT_MEASURED, judgements
from compare import aligned
from document import Heading, Items, Picture, Table, Text, page
from environment import python_with_matplotlib
from experiments import EXPERIMENTS, finished
from results import ROOT, counted, ratio, read_runs, rounded

PAGE, PICTURE = "class.html", "class.png"
TITLE = "How servers wait, on our machines"


@dataclass(frozen=True)
class Figure:
    """Something of a model that may be compared across machines."""

    experiment: str
    text: str
    models: tuple
    value: Callable  # of the runs at the load that decides, and the model
    logarithmic: bool = False


def share(column):
    return lambda at, model: at.where(model=model).median(column)


def times(column, base):
    """How many times another model's."""
    return lambda at, model: ratio(at.where(model=model).median(column),
                                   at.where(model=base).median(column))


FIGURES = (
    Figure("latency", "cores busy, 4 clients ask for fib(30)",
           ("fork", "thread", "nonblocking", "coroutine"), share("cores")),
    Figure("throughput", "CPU time per request, times that of coroutine, "
           "100 clients", ("fork", "thread", "nonblocking"),
           times("server_cpu_us_per_req", "coroutine")),
    Figure("idle", "share of the rate kept beside 10,000 silent clients",
           ("thread", "nonblocking", "coroutine"), share("rate_kept"), True),
    Figure("idle", "memory per silent client, times that of coroutine",
           ("thread", "nonblocking"), times("kib_per_silent", "coroutine"),
           True),
    Figure("wait", "share of what 1,000 waiting clients can get",
           ("fork", "thread", "nonblocking", "coroutine"),
           share("share_of_possible")),
)


# ---- What was collected


def collected(directory):
    """The runs of every student by name, and sentences about what could not
    be read."""
    found, problems = {}, []
    paths = {path.parent.name: path for path in directory.rglob("runs.csv")
             if path.parent != directory}
    paths.update((path.stem, path) for path in directory.glob("*.csv"))
    for name, path in sorted(paths.items()):
        try:
            found[name] = read_runs(path)
        except (OSError, ValueError) as problem:
            problems.append(f"{name} is left out: {problem}")
    return found, problems


def value_of(figure, runs):
    """A figure by model, of one machine. Models without one are left out."""
    experiment = next(e for e in EXPERIMENTS if e.name == figure.experiment)
    at = runs.sound().where(experiment=experiment.name,
                            **{experiment.axis: experiment.load})
    values = {model: figure.value(at, model) for model in figure.models}
    return {model: value for model, value in values.items()
            if math.isfinite(value)}


def values_of(figure, machines):
    """A list for every model, a value for every machine that has one."""
    values = [value_of(figure, runs) for runs in machines.values()]
    return {model: [one[model] for one in values if model in one]
            for model in figure.models}


def verdicts(machines):
    """For every claim, how many machines came to which verdict."""
    found = {}
    for runs in machines.values():
        for one in judgements(finished(runs)):
            said = f"{one.experiment}: {one.claim.sentence()}"
            found.setdefault(said, Counter())[one.verdict] += 1
    return found


# ---- What is said


def figure_rows(figure, machines):
    for model, values in values_of(figure, machines).items():
        if values:
            yield (model, rounded(median(values)), rounded(min(values)),
                   rounded(max(values)), str(len(values)))


def verdict_rows(machines):
    for said, counts in verdicts(machines).items():
        yield (said, *(str(counts[verdict]) for verdict in (
            HOLDS, FAILS, INCONCLUSIVE, NOT_MEASURED)))


FIGURE_HEADER = ("model", "median", "lowest", "highest", "machines")
VERDICT_HEADER = ("claim", HOLDS, FAILS, INCONCLUSIVE, NOT_MEASURED)


def text(machines, problems):
    """Lines for the terminal."""
    yield counted(len(machines), "machine")
    yield from problems
    for figure in FIGURES:
        rows = list(figure_rows(figure, machines))
        if rows:
            yield f"\n{figure.experiment}: {figure.text}"
            yield from aligned([FIGURE_HEADER, *rows])
    rows = list(verdict_rows(machines))
    if rows:
        yield "\nOn how many machines a claim holds"
        yield from aligned((*row[1:], row[0])
                           for row in (VERDICT_HEADER, *rows))


def blocks(directory, machines, problems):
    """The same for the page."""
    yield Heading(1, TITLE)
    yield Text(f"{counted(len(machines), 'machine')}: the median over all, the "
               "lowest and the highest. Only ratios are compared; how fast a "
               "machine is does not matter.")
    if problems:
        yield Items(tuple(problems))
    if (directory / PICTURE).exists():
        yield Picture(PICTURE, "Each machine is a dot, a line is the median")
    for figure in FIGURES:
        rows = tuple(figure_rows(figure, machines))
        if rows:
            yield Heading(3, f"{figure.experiment}: {figure.text}")
            yield Table(FIGURE_HEADER, rows, ("model",))
    yield Heading(2, "On how many machines a claim holds")
    yield Table(VERDICT_HEADER, tuple(verdict_rows(machines)), ("claim",))


# ---- The picture


def draw_figure(axes, figure, machines, colour):
    """A row for each model, with a dot for each machine."""
    values = values_of(figure, machines)
    for row, (model, found) in enumerate(values.items()):
        spread = [row + 0.25 * math.sin(7.0 * number)
                  for number in range(len(found))]
        axes.plot(found, spread, "o", color=colour(model), alpha=0.6)
        if found:
            axes.plot([median(found)] * 2, [row - 0.4, row + 0.4],
                      color=colour(model), linewidth=3)
    axes.set_yticks(range(len(values)), values)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_title(f"{figure.experiment}: {figure.text}", loc="left",
                   fontsize=13)
    if figure.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    else:
        axes.set_xlim(left=0)


def draw(machines, path):
    from slides import colour, plt  # Needs matplotlib.

    shown = [figure for figure in FIGURES
             if any(values_of(figure, machines).values())]
    figure, all_axes = plt.subplots(len(shown), 1, squeeze=False,
                                    figsize=(12.8, 1 + 2.2 * len(shown)))
    for axes, one in zip(all_axes[:, 0], shown):
        draw_figure(axes, one, machines, colour)
    figure.suptitle(f"{counted(len(machines), 'machine')}: each is a dot, a "
                    "line is the median", x=0.02, ha="left", fontweight="bold")
    figure.tight_layout()
    figure.savefig(path)


def draw_elsewhere(directory):
    """Draws in a python3 that can, if there is one."""
    python = python_with_matplotlib()
    if python is None:
        print("No picture: no python3 with matplotlib was found; `make setup` "
              "installs it.")
        return
    subprocess.run([python, ROOT / "scripts" / "classroom.py", directory,
                    "--draw", directory / PICTURE], check=False)


def main(arguments):
    if len(arguments) not in (1, 3) or arguments[1:2] not in ([], ["--draw"]):
        sys.exit(__doc__)
    directory = pathlib.Path(arguments[0])
    machines, problems = collected(directory)
    if not machines:
        sys.exit(f"classroom: no runs.csv below {directory}")
    if len(arguments) == 3:
        draw(machines, arguments[2])
        return
    (directory / PICTURE).unlink(missing_ok=True)
    draw_elsewhere(directory)
    print("\n".join(text(machines, problems)))
    (directory / PAGE).write_text(
        page(TITLE, list(blocks(directory, machines, problems)), directory),
        encoding="utf-8")
    print(f"\n{directory / PAGE}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Defines what an experiment of the bench is, and which runs it consists of.

A cell is what client and server do in one run. The cells of an experiment
differ in one column, its axis. The experiment runs each of its cells with each
of its models. experiments.py has the experiments themselves.
"""

import math
from dataclasses import dataclass, replace
from typing import Callable

from lib.client import Load
from lib.models import ELSEWHERE
from lib.samples import Runs
from lib.text import counted, plural

# Each axis is a column of runs.csv. The noun says what the column counts.
AXES = {"connections": "client", "idle": "idle client", "hogs": "hog",
        "rate": "request per second"}

# Which cores server and client use on a machine with at least two.
# APART: a core each, so that they cannot take it from each other.
# TOGETHER: the same core, so that neither has to wake a core for the other.
# FREE: all cores, because the question is which server uses them.
# HOSTS: server and client are on two hosts, and not bound to a core.
APART, TOGETHER, FREE, HOSTS = "apart", "together", "free", "hosts"
PLACES = {
    APART: "Server on one core, client on another.",
    TOGETHER: "Server and client on one core.",
    FREE: "Server and client may use all cores.",
    HOSTS: "Server on one host, client on another.",
}

# Models that leave clients waiting in the accept queue, and how many clients
# that queue can hold (net.core.somaxconn is 4,096). Further clients could not
# even connect.
QUEUING = ("blocking", "coroutine --trap", "select", "prefork", "pool")
QUEUE_MAX = 4000

# The sizes of a bench. Each has the cells of the smaller ones, and more.
SIZES = ("quick", "default", "full")


@dataclass(frozen=True)
class Cell(Load):
    """The load of a run, and which benches and models have it."""

    size: str = "quick"  # the smallest bench that has this cell
    without: tuple = ()  # models without this cell, except in a full bench
    asked_by: tuple = ()  # models; if one takes part, any bench has this cell

    def fits(self, model):
        """Returns whether a model takes part in this cell."""
        clients = self.connections + self.idle + self.hogs
        return model not in self.without and (
            model not in QUEUING or clients <= QUEUE_MAX)


def grid(cell, axis, quick, default=(), full=()):
    """Returns copies of `cell`, one for each load on the axis. Every bench has
    the loads of `quick`; the default and the full bench also have those of
    `default`; only the full bench has those of `full`."""
    return tuple(replace(cell, size=size, **{axis: load})
                 for size, loads in zip(SIZES, (quick, default, full))
                 for load in loads)


@dataclass(frozen=True)
class Experiment:
    """One question, with the runs that answer it."""

    name: str
    question: str
    axis: str  # the column of runs.csv in which its cells differ
    cells: tuple
    load: int  # at which the finding and most claims are judged
    seconds: float  # measured in one run
    placement: str  # of server and client
    finding: Callable
    columns: tuple  # of its table, see tables.py; the terminal shows the first
    claims: tuple
    explanation: str
    more_models: tuple = ()  # models with options: "coroutine --trap"
    without: tuple = ()  # models that do not take part
    elsewhere: bool = False  # servers in other languages take part
    asked_by: tuple = ()  # models; if not empty, one of them must take part
    # Whether claims compare different loads of one model. Its runs in a round
    # then follow each other, because a machine's speed drifts within seconds.
    compares_loads: bool = False
    by_request: bool = False  # only if the user names it, or in a full bench
    cost: str = ""  # the column of the report's first table, if any
    breaks: Callable = None  # returns how a model breaks down here, or ""
    # Selects which requests are stored for the pictures, see request_log.py,
    # and in how many rounds: writing every request down takes CPU time.
    trace: Callable = None
    traced_rounds: float = math.inf

    def models(self, chosen):
        """Returns the chosen models that take part, and their variants."""
        if self.asked_by and not set(self.asked_by) & set(chosen):
            return []
        if not self.elsewhere:
            chosen = [m for m in chosen if m not in ELSEWHERE]
        variants = [variant for variant in self.more_models
                    if variant.split()[0] in chosen]
        return [m for m in chosen if m not in self.without] + variants

    def runs(self, chosen):
        """Returns the runs of one round, as pairs of cell and model."""
        return [(cell, model) for cell in self.cells
                for model in self.models(chosen) if cell.fits(model)]


@dataclass(frozen=True)
class PlannedRun:
    """A run that the bench is to make: a cell of an experiment, with a model. A
    run that was made is a row of runs.csv: see lib/samples.py."""

    experiment: Experiment
    cell: Cell
    model: str
    round: int
    attempt: int = 1  # 2 if other programs disturbed the first one

    @property
    def load(self):
        return getattr(self.cell, self.experiment.axis)

    @property
    def part(self):
        """The part of a bench to which the run belongs: what an experiment
        finds out about a model."""
        return self.experiment.name, self.model

    @property
    def block(self):
        """The block to which the run belongs. The runs of a block follow each
        other, so that runs that are compared are only seconds apart: all models
        at one load, or all runs if the experiment compares loads."""
        if self.experiment.compares_loads:
            return self.experiment.name
        return self.experiment.name, self.cell

    @property
    def is_traced(self):
        """Whether the client writes down every request."""
        return (self.experiment.trace
                and self.round <= self.experiment.traced_rounds)


def of_size(experiment, size, models=()):
    """Returns the experiment with the cells of a bench of this size."""
    sizes = SIZES[:SIZES.index(size) + 1]
    cells = (cell for cell in experiment.cells
             if cell.size in sizes or set(cell.asked_by) & set(models))
    if size == "full":
        cells = (replace(cell, without=()) for cell in cells)
    return replace(experiment, cells=tuple(cells))


def fitting(experiment, allowed, reason):
    """Returns the experiment, reduced to at most `allowed` connections at once,
    and a sentence for each cell that changed. Cells that become equal are
    merged. `reason` says what limits the connections."""
    axis, cells, notes = experiment.axis, {}, []
    if axis == "rate":  # It takes no connections.
        return experiment, notes
    for cell in experiment.cells:
        load = getattr(cell, axis)
        others = cell.connections + cell.idle + cell.hogs - load
        most = max(1, allowed - others)
        if load > most:
            notes.append(f"{experiment.name} has {most:,} instead of {load:,} "
                         f"{plural(AXES[axis])}: {reason}")
        cells.setdefault(min(load, most), cell)
    shrunk = tuple(replace(cell, **{axis: load})
                   for load, cell in cells.items())
    return replace(experiment, cells=shrunk), notes


def deciding_load(experiment, loads):
    """Returns the experiment's load, or the next lower one, or the lowest."""
    below = [load for load in loads if load <= experiment.load]
    return max(below, default=min(loads))


def deciding(experiment, runs):
    """Returns the runs at the deciding load."""
    load = deciding_load(experiment, runs.values(experiment.axis))
    return runs.where(**{experiment.axis: load})


def deciding_cell(experiment):
    """Returns the cell whose runs deciding() returns if all runs were made."""
    cells = {getattr(cell, experiment.axis): cell
             for cell in reversed(experiment.cells)}
    return cells[deciding_load(experiment, cells)]


def furthest(experiment, runs):
    """Calls deciding() for each model separately, because not every model has
    runs at every load. Returns all these runs."""
    return Runs(run for _, of in runs.by("model")
                for run in deciding(experiment, of))


def load_named(experiment, runs):
    """Returns the load of these runs as text: "4 clients"."""
    return counted(runs[0][experiment.axis], AXES[experiment.axis])


def finding(experiment, runs):
    """Returns the finding of an experiment, without a full stop."""
    sentence = experiment.finding(deciding(experiment, runs))
    return sentence if runs.rounds() > 1 else f"In a single round: {sentence}"

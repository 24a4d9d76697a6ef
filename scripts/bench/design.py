"""What an experiment of the bench is: its cells, and which runs follow.

A cell is what client and server do in one run. An experiment has a grid of
cells along one axis, which it meets with every model. The experiments
themselves are in experiments.py.
"""

import math
from dataclasses import dataclass, replace
from typing import Callable

from lib.models import ELSEWHERE, MODELS
from lib.samples import Runs
from lib.text import counted, plural

# What a column counts in which the cells of an experiment differ.
AXES = {"connections": "client", "idle": "silent client", "hogs": "hog",
        "rate": "request per second"}

# Which cores server and client have, if there are two. A core each: both
# always have one, and cannot take it from each other. One for both: neither has
# to wake a core for the other. All: the question is who uses them.
# A host each, if the bench was told so: no program is kept to a core.
APART, TOGETHER, FREE, HOSTS = "apart", "together", "free", "hosts"
PLACES = {
    APART: "Server on one core, client on another.",
    TOGETHER: "Server and client on one core.",
    FREE: "Server and client may use all cores.",
    HOSTS: "Server on one host, client on another.",
}

# Models that leave clients waiting in the kernel's queue, and how many fit in
# there (net.core.somaxconn is 4,096): beyond that, connecting itself fails.
QUEUING = ("blocking", "coroutine --trap", "select", "prefork", "pool")
QUEUE_MAX = 4000

# How long a bench may be. Each has the cells of those before it.
SIZES = ("quick", "default", "full")


@dataclass(frozen=True)
class Cell:
    """What client and server do in one run."""

    connections: int
    n: int = 1  # which fib
    idle: int = 0  # more connections, which say nothing
    hogs: int = 0  # more connections, which ask for fib(40) for a while
    churn: bool = False  # a new connection for every request
    rate: int = 0  # requests due per second; 0: each after the last reply
    requests: int = 0  # stop after so many; 0: when the time is over
    delay_ms: int = 0  # the server waits so long before it replies
    size: str = "quick"  # the shortest bench that has it
    without: tuple = ()  # models that are spared it, but in a full bench
    asked_by: tuple = ()  # models beside which a shorter bench has it, too

    def fits(self, model):
        clients = self.connections + self.idle + self.hogs
        return model not in self.without and (
            model not in QUEUING or clients <= QUEUE_MAX)


def grid(cell, axis, quick, default=(), full=()):
    """The cell at all these loads: of a quick bench, those that the default
    has besides, and those that only the full one has."""
    return tuple(replace(cell, size=size, **{axis: load})
                 for size, loads in zip(SIZES, (quick, default, full))
                 for load in loads)


@dataclass(frozen=True)
class Experiment:
    name: str
    question: str
    axis: str  # the column in which its cells differ
    cells: tuple
    load: int  # where on the axis the finding is judged, and most claims
    seconds: float  # measured in one run
    placement: str  # of server and client
    finding: Callable
    columns: tuple  # of the table, see report.py; the first one sums it up
    claims: tuple
    explanation: str
    more_models: tuple = ()  # with options of their own: "coroutine --trap"
    beside_more: tuple = ()  # the same, if models of servers/more/ take part
    without: tuple = ()  # models that have no figure here
    elsewhere: bool = False  # servers of other runtimes take part
    asked_by: tuple = ()  # only worth its time if one of these takes part
    # Whether claims compare the loads of a model. Its runs in a round then
    # follow each other: a machine's speed drifts within seconds.
    compares_loads: bool = False
    by_request: bool = False  # only if it is named, or in a full bench
    cost: str = ""  # the column that is shown on the first page
    breaks: Callable = None  # says of a model's runs whether it breaks there
    # What is kept of the times of all requests, and of how many rounds, see
    # request_log.py: writing them down takes the client's time.
    trace: Callable = None
    traced_rounds: float = math.inf

    def models(self, chosen):
        """Those of the chosen models that take part, and their variants."""
        if self.asked_by and not set(self.asked_by) & set(chosen):
            return []
        if not self.elsewhere:
            chosen = [m for m in chosen if m not in ELSEWHERE]
        more = self.beside_more if set(chosen) - set(MODELS) else ()
        variants = [variant for variant in (*self.more_models, *more)
                    if variant.split()[0] in chosen]
        return [m for m in chosen if m not in self.without] + variants

    def blocks(self, chosen):
        """What is done in a round: pairs of a cell and a model, in groups that
        follow each other, in blocks of such groups. The models of a load are a
        block, so that runs that are compared are seconds apart; where loads are
        compared, those of a model are a group."""
        models = self.models(chosen)
        if self.compares_loads:
            return [[[(cell, model) for cell in self.cells if cell.fits(model)]
                     for model in models]]
        return [[[(cell, model)] for model in models if cell.fits(model)]
                for cell in self.cells]

    def runs(self, chosen):
        """The same, in no order."""
        return [run for block in self.blocks(chosen) for group in block
                for run in group]


def of_size(experiment, size, models=()):
    """The experiment with the cells of a bench of this size and these
    models."""
    sizes = SIZES[:SIZES.index(size) + 1]
    cells = (cell for cell in experiment.cells
             if cell.size in sizes or set(cell.asked_by) & set(models))
    if size == "full":
        cells = (replace(cell, without=()) for cell in cells)
    return replace(experiment, cells=tuple(cells))


def fitting(experiment, room, reason):
    """The experiment with at most `room` connections at once: cells that need
    more are shrunk, cells that then are equal are one. Returns it with a
    sentence for every cell that changed."""
    axis, cells, notes = experiment.axis, {}, []
    if axis == "rate":  # It takes no connections.
        return experiment, notes
    for cell in experiment.cells:
        load = getattr(cell, axis)
        others = cell.connections + cell.idle + cell.hogs - load
        most = max(1, room - others)
        if load > most:
            notes.append(f"{experiment.name} has {most:,} instead of {load:,} "
                         f"{plural(AXES[axis])}: {reason}")
        cells.setdefault(min(load, most), cell)
    shrunk = tuple(replace(cell, **{axis: load})
                   for load, cell in cells.items())
    return replace(experiment, cells=shrunk), notes


def deciding(experiment, runs):
    """The runs at the experiment's load, or as near below it as there are."""
    loads = runs.values(experiment.axis)
    below = [load for load in loads if load <= experiment.load]
    return runs.where(**{experiment.axis: max(below, default=loads[0])})


def deciding_cell(experiment):
    """The cell whose runs deciding() returns, if all were made."""
    def load(cell):
        return getattr(cell, experiment.axis)

    below = [cell for cell in experiment.cells if load(cell) <= experiment.load]
    return max(below, key=load, default=experiment.cells[0])


def furthest(experiment, runs):
    """As deciding(), but for each model by itself: not all have all loads."""
    return Runs(run for model in runs.models()
                for run in deciding(experiment, runs.where(model=model)))


def load_named(experiment, runs):
    """The load of these runs, in words: 4 clients."""
    return counted(runs[0][experiment.axis], AXES[experiment.axis])


def finding(experiment, runs):
    """What came out, in a sentence."""
    sentence = experiment.finding(deciding(experiment, runs))
    return sentence if runs.rounds() > 1 else f"In a single round: {sentence}"

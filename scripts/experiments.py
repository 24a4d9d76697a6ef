"""The experiments of the bench, as data.

Each asks one question. Its grid is every cell with every model; a cell is one
run of the client. Adding an experiment is adding an entry here, a function in
findings.py that says what came out, and one in plot.py that draws it.
"""

import pathlib
from dataclasses import dataclass

# In the order in which they are shown.
MODELS = tuple((pathlib.Path(__file__).parent.parent / "servers" / "MODELS").read_text().split())


@dataclass(frozen=True)
class Cell:
    """What the client does in one run."""

    connections: int
    n: int = 1  # which fib
    idle: int = 0  # more connections, which say nothing
    requests: int = 0  # stop after so many; 0: when the time is over


@dataclass(frozen=True)
class Experiment:
    name: str
    question: str
    cells: tuple
    seconds: float  # measured in one run
    # Server and client on a core each: then both always have one, and cannot
    # take it from each other. Not where the question is who uses the cores.
    pinned: bool
    explanation: str


EXPERIMENTS = (
    Experiment(
        name="latency",
        question="One long request at a time from each client: who uses the cores?",
        cells=tuple(Cell(connections, n=30) for connections in (1, 2, 4)),
        seconds=0.5,
        pinned=False,
        explanation=(
            "fib(30) is all computation. Processes and threads are spread over "
            "the cores by the kernel; a server with one thread computes one "
            "request after the other, however cleverly it waits, and its clients "
            "queue. Waiting well is not computing in parallel."
        ),
    ),
    Experiment(
        name="throughput",
        question="Many tiny requests: what does a request cost?",
        cells=tuple(Cell(connections) for connections in (1, 10, 100, 1000)),
        seconds=0.5,
        pinned=True,
        explanation=(
            "fib(1) is no work at all: what remains is receiving, sending and "
            "deciding who is next. A process or thread is put to sleep and woken "
            "for every request; one thread that finds many clients ready at once "
            "is not. With one connection every server waits for the network, and "
            "the figure shows how long a sleeping core takes to wake."
        ),
    ),
    Experiment(
        name="silent",
        question="The first client connects and says nothing: is the second served?",
        cells=(Cell(1, idle=1, requests=50),),
        seconds=1.5,
        pinned=True,
        explanation=(
            "The blocking server sits in recv() for the client that came first, "
            "and nobody is in accept(). All others have somebody, or something, "
            "to wait for each client."
        ),
    ),
)


def finished(runs):
    """The experiments whose whole grid was run at least once, each with its
    runs: a bench that was interrupted has others."""
    models = runs.values("model")
    for experiment in EXPERIMENTS:
        of = runs.where(experiment=experiment.name)
        made = {(run["model"], run["connections"]) for run in of}
        wanted = {(model, cell.connections) for model in models for cell in experiment.cells}
        if of and made >= wanted:
            yield experiment, of

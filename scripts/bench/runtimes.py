"""Compares our models with the servers in other languages. The figures are the
CPU time of a request, the memory of an idle connection, and the share of small
requests that a server keeps beside a long one. The report has a table of these
figures, and elsewhere.png shows them."""

from dataclasses import dataclass, replace

from bench import findings
from bench.design import deciding, load_named
from bench.run import RUNTIME_S
from bench.tables import cost, cost_heading
from lib.document import Heading, Picture, Table, Text
from lib.models import ELSEWHERE
from lib.samples import Runs
from lib.text import duration, rounded

TITLE = "Our models and theirs"
PICTURE = "elsewhere.png"
QUESTION = ("The same server in other languages: what does it cost, and whom "
            "does a long request stop?")
PLACES = ("Costs: server on one core, client on another. Beside fib(40): both "
          "may use all cores.")


@dataclass(frozen=True)
class Figure:
    """A figure of each model. In the table it is a column, with the cost of an
    experiment; in the picture it is a panel."""

    experiment: str
    column: str  # the column of runs.csv that the bars show
    panel: str  # the title of the panel; the load is added
    load: int  # or the next lower load that was measured
    scale: float = 1


COST = ("throughput", "server_cpu_us_per_req", "CPU time of a request, µs:")
FIGURES = (
    Figure(*COST, 100),
    Figure(*COST, 1000),
    Figure("idle", "kib_per_silent", "KiB of an idle connection:", 10000),
    Figure("beside", "kept_beside_hogs", "% kept beside fib(40):", 10, 0.01),
)


@dataclass(frozen=True)
class Measured:
    """A figure with its experiment and its runs."""

    figure: Figure
    experiment: object
    runs: Runs

    def load(self):
        """Returns the load of the runs as text."""
        return load_named(self.experiment, self.runs)


def measured(shown):
    """Returns the figures with the runs of those models that have all figures.
    `shown` are pairs of an experiment and its runs. The list is empty if an
    experiment is missing, or if there is no server in another language."""
    pairs = {pair[0].name: pair for pair in shown}
    if any(figure.experiment not in pairs for figure in FIGURES):
        return []
    found = {}
    for figure in FIGURES:
        experiment, runs = pairs[figure.experiment]
        experiment = replace(experiment, load=figure.load)
        one = Measured(figure, experiment, deciding(experiment, runs))
        found[experiment.name, one.load()] = one
    common = set.intersection(*(set(one.runs.models())
                                for one in found.values()))
    if not common & set(ELSEWHERE):
        return []
    return [replace(one, runs=Runs(run for run in one.runs
                                   if run["model"] in common))
            for one in found.values()]


def extremes(one, unit):
    """Returns as text the lowest and the highest median, with their models:
    "5.1 µs in coroutine to 40 µs in fork"."""
    found = findings.of_served(one.runs, one.figure.column)
    order = sorted(found, key=lambda model: found[model].median)
    return " to ".join(f"{rounded(found[model].median, 2)} {unit} in {model}"
                       for model in dict.fromkeys(order[:1] + order[-1:]))


def said(figures):
    """Returns the finding as a sentence: the range of each cost, and what each
    model keeps beside a long request."""
    request, *_, memory, beside = figures
    return (f"With {request.load()} a request costs "
            f"{extremes(request, 'µs')}; an idle connection takes "
            f"{extremes(memory, 'KiB')}. "
            f"{findings.hog(beside.runs)}")


def table(figures):
    """Returns the table of these figures, with a row for each model."""
    header = ("model", *(cost_heading(one.experiment, one.runs)
                         for one in figures))
    rows = ((model, *(cost(one.experiment, one.runs, model)
                      for one in figures))
            for model in figures[0].runs.models())
    return Table(header, tuple(rows), left=("model",))


def section(directory, shown):
    """Returns the blocks of the report about these figures. The list is empty
    if there is nothing to compare."""
    figures = measured(shown)
    if not figures:
        return []
    picture = [Picture(PICTURE, QUESTION)] if (
        directory / PICTURE).exists() else []
    return [
        Heading(2, TITLE), Text(QUESTION), Text(f"**{said(figures)}.**"),
        *picture, table(figures),
        Text("Each server in servers/elsewhere/ is written as its language "
             "suggests, in at most a page. Its warm-up is longer by "
             f"{duration(1e6 * RUNTIME_S)}: some runtimes first compile what "
             "they run often, and accept connections more slowly. " + PLACES)]

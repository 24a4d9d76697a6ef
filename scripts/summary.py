"""All models on one page: what each costs, and where it breaks.

Both come from the experiments: which column of each is the cost, and when a
model breaks there, is said in experiments.py.
"""

from columns import COLUMNS
from document import Table
from grid import deciding, furthest, load_named
from results import in_order

NOWHERE = "not in these experiments"


def cost_heading(experiment, at):
    at = deciding(experiment, at)
    return (f"{COLUMNS[experiment.cost].heading} "
            f"([{experiment.name}](#{experiment.name}), "
            f"{load_named(experiment, at)})")


def cost(experiment, at, model):
    """Who serves a few only has no cost that could be compared."""
    of = at.where(model=model)
    if not of:
        return "-"
    if not of.all_served():
        return f"serves {COLUMNS['served'].text(of)}"
    return COLUMNS[experiment.cost].text(of)


def breaks(decided, model):
    """Where it breaks, as many sentences as there are."""
    said = (experiment.breaks(at.where(model=model))
            for experiment, at in decided
            if experiment.breaks and at.where(model=model))
    return "; ".join(filter(None, said)) or NOWHERE


def summary(shown):
    """A row per model. `shown` are experiments with their runs."""
    decided = [(experiment, furthest(experiment, runs))
               for experiment, runs in shown]
    costs = [(experiment, at) for experiment, at in decided if experiment.cost]
    models = in_order({model for _, at in decided for model in at.models()})
    header = ("model", *(cost_heading(*pair) for pair in costs),
              "where it breaks")
    rows = tuple((model, *(cost(*pair, model) for pair in costs),
                  breaks(decided, model)) for model in models)
    return Table(header, rows, left=("model", "where it breaks"))

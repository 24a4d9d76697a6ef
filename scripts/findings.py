"""What came out of an experiment, in a sentence: computed, never assumed.

Each function takes the runs of its experiment and returns the sentence that
stands over its picture and its table.
"""

from statistics import median

from experiments import MODELS
from results import duration, factor, listed, rounded

SECOND_CORE = 1.5  # cores in use: more than one, and more than noise


def but(models, named):
    """The models that were not named, as one says it after the others."""
    rest = [m for m in models if m not in named]
    return "the others" if len(rest) > 1 else listed(rest)


def latency(runs):
    few, many = runs.values("connections")[:2]
    models = runs.models(MODELS)
    at = runs.where(connections=many)
    using = [m for m in models if at.where(model=m).median("cores") >= SECOND_CORE]
    gain = {
        m: median(runs.ratios("req_per_s", {"model": m, "connections": many},
                              {"model": m, "connections": few}) or [float("nan")])
        for m in models
    }
    if not using:
        return f"With {many:.0f} clients no model keeps a second core busy"
    sentence = (
        f"With {many:.0f} clients {listed(using)} keep{'s' * (len(using) == 1)} a second core busy "
        f"and do {factor(min(gain[m] for m in using))} the work of one client"
    )
    rest = [m for m in models if m not in using]
    if rest:
        most = max(gain[m] for m in rest)
        sentence += f"; {but(models, using)} stay{'s' * (len(rest) == 1)} on one core ({factor(most)} at best)"
    return sentence


def throughput(runs):
    most = max(c for c in runs.values("connections") if c <= 100)
    at = runs.where(connections=most)
    models = at.models(MODELS)
    served = {m: at.where(model=m).median("served") for m in models}
    cost = {m: at.where(model=m).median("server_cpu_us_per_req") for m in models if served[m] == most}
    parts = [
        f"{m} {rounded(cost[m])} µs" for m in sorted(cost, key=cost.get)
    ]
    sentence = f"CPU time of a request with {most:.0f} clients: {listed(parts)}" if parts else ""
    for m in models:
        if served[m] < most:
            sentence += f"{'; ' if sentence else ''}{m} serves {served[m]:.0f} of the {most:.0f}"
    return sentence


def silent(runs):
    models = runs.models(MODELS)
    victims = [m for m in models if runs.where(model=m).median("served") == 0]
    served = [m for m in models if m not in victims]
    slowest = max((runs.where(model=m).median("p50_us") for m in served), default=0)
    if not victims:
        return f"Beside a silent client every model answers the second within {duration(slowest)}"
    watched = max(runs.where(model=m).median("duration_s") for m in victims)
    sentence = f"Behind a silent client {listed(victims)} answered nobody in {duration(watched * 1e6)}"
    if served:
        sentence += f"; {but(models, victims)} needed at most {duration(slowest)}"
    return sentence

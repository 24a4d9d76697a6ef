"""Where each of many models stands between the experiments: what a request
costs it, what a silent client, and how many cores it can use.

With five models the table on the first page says that better.
"""

from dataclasses import dataclass

from experiments import EXPERIMENTS
from findings import SECOND_CORE_MIN
from grid import furthest
from results import listed

MODELS_MIN = 6  # from which on a picture of it is worth having
NAME = "map"  # of the picture
QUESTION = "What does a request cost, what a silent client, and who uses a " \
           "second core?"
LOADS = {experiment.name: experiment.load for experiment in EXPERIMENTS}
NOTE = (f"CPU time with {LOADS['throughput']} clients, memory (PSS) with as "
        "many silent clients as the model met; filled: keeps at least "
        f"{SECOND_CORE_MIN:g} cores busy with {LOADS['latency']} long "
        "requests. Models that leave clients unserved are not here.")


@dataclass(frozen=True)
class Place:
    """One model on the map."""

    model: str
    cpu_us: float  # per request
    kib: float  # per silent client
    cores: float  # busy with long requests; not a number if not measured

    def beats(self, other):
        """Whether it is cheaper in both."""
        return self.cpu_us < other.cpu_us and self.kib < other.kib

    def uses_second_core(self):
        return self.cores >= SECOND_CORE_MIN


def places(shown):
    """Of all models that served all clients; none if there are too few. `shown`
    are experiments with their runs."""
    runs = {experiment.name: furthest(experiment, of)
            for experiment, of in shown}
    if not {"throughput", "idle", "latency"} <= set(runs):
        return []
    found = []
    for model in runs["throughput"].models():
        request, silent, long = (runs[name].where(model=model) for name
                                 in ("throughput", "idle", "latency"))
        kib = silent.median("kib_per_silent")
        if request.all_served() and silent and silent.all_served() and kib > 0:
            found.append(Place(model, request.median("server_cpu_us_per_req"),
                               kib, long.median("cores")))
    return found if len(found) >= MODELS_MIN else []


def finding(found):
    """Who is cheapest, in the sense that nobody is cheaper in both."""
    best = [place.model for place in found
            if not any(other.beats(place) for other in found)]
    second = [place.model for place in found if place.uses_second_core()]
    text = f"No model is cheaper in both than {listed(best)}"
    if not second:
        return text
    those = listed(second) if second != best else "they"
    return f"{text}; {those} can use a second core"

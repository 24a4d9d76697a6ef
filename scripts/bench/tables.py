"""The columns of tables: how the runs of all rounds become a text in a cell."""

from dataclasses import dataclass
from typing import Callable

from bench.design import deciding, furthest, load_named
from lib.document import Table
from lib.models import in_order
from lib.text import duration, rounded, with_range


@dataclass(frozen=True)
class Column:
    """A column of a table. `text` returns the text of a cell for its runs."""

    heading: str
    text: Callable
    bar: str = ""  # the column of runs.csv that bars show; "": no bars


def mark(of):
    """Returns the warning before a rate, or "": ≥ if the client was the limit,
    ~ if other programs used the machine in most rounds."""
    limited = "≥" if of.client_limited() else ""
    disturbed = "~" if len(of.disturbed()) > len(of) / 2 else ""
    return f"{limited}{disturbed} ".lstrip()


def rate(of):
    """Returns replies per second as text. In the experiment churn, these are
    also connections per second, because each connection has one request."""
    return mark(of) + with_range(of.spread("req_per_s"))


def served(of):
    """Returns how many clients were served, as text: "1 of 100"."""
    _, least, most = of.spread("served") or (0, 0, 0)
    low = "" if least == most else f"{least:,.0f} to "
    return f"{low}{most:,.0f} of {of[0]['connections']:,.0f}"


def latency(column):
    """Returns a function that formats a latency. It returns "-" if some clients
    were never served, because the latencies of the others would mislead."""
    return lambda of: duration(of.median(column)) if of.all_served() else "-"


def long_latency(of):
    """Returns the median latency of long requests as text, or "-" if the load
    has none."""
    return latency("hog_p50_us")(of) if of[0]["hogs"] else "-"


def figure(column, text=rounded):
    """Returns a function that formats the median of a column."""
    return lambda of: text(of.median(column))


def ranged(column, text=rounded):
    """Returns a function that formats the median and the range of a column."""
    return lambda of: with_range(of.spread(column), text)


def share(value):
    """Returns a share in percent as text: 0.012%, 3.4%, 100%."""
    return f"{rounded(100 * value, 2 if value < 0.995 else 3)}%"


def first_reply(of):
    """Returns the latency of the one request of each round as text, or says
    that some or all rounds had no reply."""
    if 0 not in of.values("served"):
        return with_range(of.spread("max_us"), duration)
    if 1 in of.values("served"):
        return "in some rounds only"
    return f"none within {duration(of.spread('oldest_us')[1], 2)}"


COLUMNS = {name: Column(*column) for name, *column in (
    ("rate", "replies per second", rate, "req_per_s"),
    ("rate_to_last", "replies per second", ranged("rate_to_last"),
     "rate_to_last"),
    ("kept_up", "share of the requests due", ranged("kept_up", share)),
    ("served", "clients served", served),
    ("cores", "cores used", ranged("cores", "{:.2f}".format)),
    ("cpu_us", "CPU time per request, µs", ranged("server_cpu_us_per_req")),
    ("first_cpu_us", "CPU time in the parent process only, µs",
     figure("first_cpu_us_per_req")),
    ("cpu_ms", "CPU time per request, ms", ranged("server_cpu_ms_per_req")),
    ("p50", "median latency", latency("p50_us")),
    ("p99", "99th percentile", latency("p99_us")),
    ("switches", "context switches per request",
     figure("ctx_switches_per_req", "{:.2f}".format)),
    ("processes", "processes", figure("processes", "{:,.0f}".format)),
    ("threads", "threads", figure("threads", "{:,.0f}".format)),
    ("pss", "memory (PSS), MiB",
     figure("pss_kib", lambda kib: f"{kib / 1024:.1f}")),
    ("client", "client busy", figure("client_cpu_share", "{:.0%}".format)),
    ("kept", "share of the rate without idle clients",
     ranged("rate_kept", "{:.1%}".format)),
    ("kib_per_silent", "memory (PSS) per idle client, KiB",
     ranged("kib_per_silent")),
    ("rate_before", "replies per second before them", ranged("rate_before")),
    ("rate_during", "small replies per second during the long requests",
     ranged("rate_during"), "rate_during"),
    ("kept_beside_hogs", "share of the rate before the long requests",
     ranged("kept_beside_hogs", share)),
    ("p99_before", "99th percentile before them", latency("p99_before_us")),
    ("p99_during", "99th percentile during them", latency("p99_during_us")),
    ("hog_p50", "median of a long request", long_latency),
    ("connects", "connections per second", rate, "req_per_s"),
    ("cpu_us_per_connection", "CPU time per connection, µs",
     ranged("server_cpu_us_per_req")),
    ("set_ms", "time for all requests, ms", ranged("set_ms"), "set_ms"),
    ("turns", "replies followed by another client's",
     ranged("turns", "{:.0%}".format)),
    ("possible", "share of the maximum",
     figure("share_of_possible", "{:.1%}".format)),
    ("first_reply", "from request to reply", first_reply),
)}


# ---- All models in one table

NOWHERE = "not in these experiments"


def cost_heading(experiment, at):
    """Returns the heading of an experiment's column in the summary."""
    at = deciding(experiment, at)
    return (f"{COLUMNS[experiment.cost].heading} "
            f"([{experiment.name}](#{experiment.name}), "
            f"{load_named(experiment, at)})")


def cost(experiment, at, model):
    """Returns a cell of the summary: the cost, and the load if it is not that
    of the heading. If not all clients were served, returns how many were."""
    of = at.where(model=model)
    if not of:
        return "-"
    if not of.all_served():
        return f"serves {COLUMNS['served'].text(of)}"
    text = COLUMNS[experiment.cost].text(of)
    load = load_named(experiment, of)
    usual = load_named(experiment, deciding(experiment, at))
    return text if load == usual else f"{text}, with {load}"


def breaks(decided, model):
    """Returns as text in which experiments a model breaks down, and how."""
    said = (experiment.breaks(at.where(model=model))
            for experiment, at in decided
            if experiment.breaks and at.where(model=model))
    return "; ".join(filter(None, said)) or NOWHERE


def summary(shown):
    """Returns the table with a row for each model of `shown`."""
    decided = [(experiment, furthest(experiment, runs))
               for experiment, runs in shown]
    costs = [(experiment, at) for experiment, at in decided if experiment.cost]
    models = in_order({model for _, at in decided for model in at.models()})
    header = ("model", *(cost_heading(*pair) for pair in costs),
              "where it breaks")
    rows = tuple((model, *(cost(*pair, model) for pair in costs),
                  breaks(decided, model)) for model in models)
    return Table(header, rows, left=("model", "where it breaks"))

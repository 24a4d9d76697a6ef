"""Writes report.md, and the summary on the terminal."""

from dataclasses import dataclass
from typing import Callable

from experiments import EXPERIMENTS, deciding, finding, finished
from results import (counted, duration, faults, in_order, listed, rounded,
                     with_range, wrapped)

BAR_WIDTH = 26
TERMINAL_WIDTH = 80
NOTHING_FINISHED = "No experiment was finished."


# ---- Tables


@dataclass(frozen=True)
class Column:
    """One figure of a cell, from the runs of all its rounds."""

    heading: str
    text: Callable
    bar: str = ""  # the column of runs.csv whose bar is an honest picture of it


def at_least(of):
    return "≥ " if of.client_limited() else ""


def rate(of):
    return at_least(of) + with_range(of.spread("req_per_s"))


def served(of):
    _, least, most = of.spread("served")
    low = "" if least == most else f"{least:,.0f} to "
    return f"{low}{most:,.0f} of {of[0]['connections']:,.0f}"


def latency(column):
    """Nobody who is never served has one, so those of the others mislead."""
    return lambda of: duration(of.median(column)) if of.all_served() else "-"


def figure(column, text=rounded):
    return lambda of: text(of.median(column))


def figure_with_range(column, text=rounded):
    return lambda of: with_range(of.spread(column), text)


def first_reply(of):
    """The wait of the one request that was sent in each round."""
    if 0 not in of.values("served"):
        return with_range(of.spread("max_us"), duration)
    if 1 in of.values("served"):
        return "in some rounds only"
    return f"none while we watched, {duration(of.spread('oldest_us')[1], 2)}"


COLUMNS = {
    "rate": Column("replies per second", rate, "req_per_s"),
    "served": Column("clients served", served),
    "cores": Column("cores used",
                    figure_with_range("cores", "{:.2f}".format)),
    "cpu_us": Column("CPU time per request, µs",
                     figure_with_range("server_cpu_us_per_req")),
    "cpu_ms": Column("CPU time per request, ms",
                     figure_with_range("server_cpu_ms_per_req")),
    "p50": Column("median latency", latency("p50_us")),
    "p99": Column("99th percentile", latency("p99_us")),
    "switches": Column("context switches per request",
                       figure("ctx_switches_per_req", "{:.2f}".format)),
    "processes": Column("processes", figure("processes", "{:,.0f}".format)),
    "threads": Column("threads", figure("threads", "{:,.0f}".format)),
    "pss": Column("memory (PSS), MiB",
                  figure("pss_kib", lambda kib: f"{kib / 1024:.1f}")),
    "client": Column("client busy",
                     figure("client_cpu_share", "{:.0%}".format)),
    "first_reply": Column("from request to reply", first_reply),
}


def table(experiment, runs):
    """A row for every load and model."""
    columns = [COLUMNS[name] for name in experiment.columns]
    header = ["clients", "model", *(column.heading for column in columns)]
    lines = [header, ["--:", ":--", *["--:"] * len(columns)]]
    for connections in runs.values("connections"):
        at = runs.where(connections=connections)
        for model in at.models():
            of = at.where(model=model)
            lines.append([f"{connections:,.0f}", model,
                          *(column.text(of) for column in columns)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# ---- What the reader must know first


def coverage(rounds):
    """How far the range over the rounds can be trusted: it misses the true
    median only if all rounds fell on the same side of it."""
    if rounds < 2:
        return "One round says nothing about how much the figures vary."
    percent = 100 * (1 - 2 ** (1 - rounds))
    sure = f"{percent:.0f} %" if percent <= 99 else "more than 99 %"
    text = f"That range covers the true median with probability {sure}"
    enough = rounds >= 6
    return text + ("." if enough else f": {rounds} rounds are only a look.")


def excluded(runs):
    """A sentence for every run in which the server failed a client."""
    for run in runs:
        if faults(run):
            yield (f"Left out of every figure: {run['experiment']}, "
                   f"{run['model']}, {counted(run['connections'], 'client')}, "
                   f"round {run['round']:.0f} ({listed(faults(run))}).")


def missing(runs, plan):
    """A sentence for every experiment that lacks cells."""
    made = {(run["experiment"], run["model"], run["connections"])
            for run in runs.sound()}
    lacking = {}
    for run in plan:
        name, model = run["experiment"].name, run["model"]
        connections = run["cell"].connections
        if (name, model, connections) not in made:
            loads = lacking.setdefault(name, {}).setdefault(model, set())
            loads.add(connections)
    for name, models in lacking.items():
        cells = listed(
            f"{model} ({listed(f'{load:,}' for load in sorted(models[model]))})"
            for model in in_order(models))
        yield f"No run of {name} with this many clients: {cells}."


# ---- report.md


def section(directory, experiment, runs, said):
    """Everything about one experiment, below what is `said` of it."""
    text = [f"## {experiment.name}: {experiment.question}", "",
            f"**{said}.**", ""]
    if has_picture(directory, experiment):
        text += [f"![{experiment.question}]({experiment.name}.png)", ""]
    return text + [table(experiment, runs), "", experiment.explanation, "",
                   f"Again: `make bench ONLY={experiment.name}`", ""]


def sections(directory, runs):
    """First the experiments that have a finding, then the figures of others
    that were begun."""
    shown = dict(finished(runs))
    for experiment, of in shown.items():
        yield from section(directory, experiment, of, finding(experiment, of))
    for experiment in EXPERIMENTS:
        of = runs.sound().where(experiment=experiment.name)
        if of and experiment not in shown:
            yield from section(directory, experiment, of,
                               "Not one whole round: nothing can be compared")


def how_to_read(runs):
    if not runs:
        return []
    rounds = runs.rounds()
    least = "" if rounds == len(runs.values("round")) else "at least "
    return [
        f"Figures are medians of {least}{counted(rounds, 'round')}, in "
        f"brackets the lowest and the highest. {coverage(rounds)} In every "
        "round each model meets each load once, in random order, as a fresh "
        "process. CPU time, processes, threads and memory are those of the "
        "server's whole process tree.", ""]


def environment(facts):
    width = max(map(len, facts)) + 2
    return "".join(f"{name:{width}}{fact}\n" for name, fact in facts.items())


def what_came_out(directory, runs):
    for experiment, of in finished(runs):
        name = experiment.name
        if has_picture(directory, experiment):
            name = f"[{name}]({name}.png)"
        yield f"- {name}: {finding(experiment, of)}."


def write_report(directory, runs, facts, warnings):
    """`facts` describe the machine, `warnings` are sentences."""
    text = ["# How servers wait", ""]
    if warnings:
        text += ["## Warnings", "", *(f"- {line}" for line in warnings), ""]
    text += ["## What came out", ""]
    text += [*what_came_out(directory, runs)] or [NOTHING_FINISHED]
    text += ["", f"On {facts['processor']}, {facts['cores']} cores, "
             f"{facts['kernel']}, {facts['date']}; more at the end.", ""]
    text += [*how_to_read(runs.sound()), *sections(directory, runs)]
    text += ["## The machine", "", "```", environment(facts).strip(), "```", ""]
    (directory / "report.md").write_text("\n".join(text), encoding="utf-8")


def has_picture(directory, experiment):
    return (directory / f"{experiment.name}.png").exists()


# ---- The terminal


def say(text):
    """A paragraph that fits the projector."""
    print(wrapped(text, TERMINAL_WIDTH))


def bar(value, most):
    length = max(1, round(BAR_WIDTH * value / most)) if most > 0 else 0
    return f"{'█' * length:{BAR_WIDTH}}"


def summary_lines(column, at):
    """A line per model: with a bar if the column has an honest one, and who
    was not served."""
    most = max(run[column.bar] for run in at) if column.bar else 0
    for model in at.models():
        of = at.where(model=model)
        if not column.bar:
            yield f"  {model:12} {column.text(of)}"
            continue
        value = of.median(column.bar)
        number = f"{at_least(of)}{rounded(value)}"
        left_out = "" if of.all_served() else f"   {served(of)} served"
        yield f"  {model:12} {bar(value, most)} {number:>10}{left_out}"


def print_summary(runs):
    shown = list(finished(runs))
    if not shown:
        print(NOTHING_FINISHED)
    for experiment, of in shown:
        at = deciding(experiment, of)
        column = COLUMNS[experiment.columns[0]]
        print()
        say(f"{experiment.name}: {finding(experiment, of)}.")
        load = counted(at[0]["connections"], "client")
        print(f"\n  {column.heading}, {load}")
        print("\n".join(summary_lines(column, at)))
    print()

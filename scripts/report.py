"""Writes report.md, and the summary on the terminal."""

import findings
from experiments import MODELS, finished
from results import duration, rounded, with_range

BAR_WIDTH = 40


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def latency_table(runs):
    connections = runs.values("connections")
    header = ["model"]
    header += [f"req/s, {c:.0f} client{'s' * (c > 1)}" for c in connections]
    header += [f"cores, {c:.0f}" for c in connections]
    header += [f"p50, {c:.0f}" for c in connections]
    header += [f"served of {connections[-1]:.0f}"]
    rows = []
    for model in runs.models(MODELS):
        of = runs.where(model=model)
        rows.append(
            [model]
            + [with_range(of.where(connections=c).spread("req_per_s")) for c in connections]
            + [f"{of.where(connections=c).median('cores'):.2f}" for c in connections]
            + [duration(of.where(connections=c).median("p50_us")) for c in connections]
            + [f"{of.where(connections=connections[-1]).median('served'):.0f}"]
        )
    return table(header, rows)


def throughput_table(runs):
    header = ["model", "connections", "served", "req/s", "CPU µs per request"]
    header += ["p50", "p99", "context switches per request", "processes", "threads", "PSS"]
    rows = []
    for connections in runs.values("connections"):
        for model in runs.models(MODELS):
            of = runs.where(model=model, connections=connections)
            if not of:
                continue
            switches = of.median("ctx_switches") / max(1, of.median("requests"))
            rows.append([
                model,
                f"{connections:,.0f}",
                f"{of.median('served'):,.0f}",
                with_range(of.spread("req_per_s")),
                with_range(of.spread("server_cpu_us_per_req")),
                duration(of.median("p50_us")),
                duration(of.median("p99_us")),
                rounded(switches),
                f"{of.median('processes'):,.0f}",
                f"{of.median('threads'):,.0f}",
                f"{of.median('pss_kib') / 1024:.1f} MiB",
            ])
    return table(header, rows)


def silent_table(runs):
    rows = []
    for model in runs.models(MODELS):
        of = runs.where(model=model)
        served = of.median("served") > 0
        rows.append([
            model,
            "yes" if served else "no",
            with_range(of.spread("p50_us"), duration) if served
            else f"waited {duration(of.median('oldest_us'))}, then we left",
        ])
    return table(["model", "second client served?", "after"], rows)


TABLES = {"latency": latency_table, "throughput": throughput_table, "silent": silent_table}


def section(experiment, runs, has_picture):
    text = [f"## {experiment.name}", "", f"*{experiment.question}*", ""]
    text += [f"**{getattr(findings, experiment.name)(runs)}.**", ""]
    if has_picture:
        text += [f"![{experiment.name}]({experiment.name}.png)", ""]
    text += [TABLES[experiment.name](runs), "", experiment.explanation, ""]
    text += [f"Again: `make bench ONLY={experiment.name}`", ""]
    return "\n".join(text)


def write_report(directory, runs, environment, complete):
    text = ["# How five servers wait", ""]
    if not complete:
        text += ["**Not all runs were made; experiments without a complete round are left out.**", ""]
    rounds = runs.rounds()
    text += [
        f"Medians of {rounds} round{'s' * (rounds > 1)}; in brackets the lowest and the highest. "
        "In every round each model meets each load once, in random order, as a fresh process. "
        "CPU time, processes, threads and memory are those of the server's whole process tree. "
        + coverage(rounds),
        "",
    ]
    for experiment, of in finished(runs):
        picture = (directory / f"{experiment.name}.png").exists()
        text.append(section(experiment, of, picture))
    text += ["## environment", "", "```", environment.strip(), "```", ""]
    (directory / "report.md").write_text("\n".join(text), encoding="utf-8")


def coverage(rounds):
    """How far the range over the rounds can be trusted: the true median lies
    outside only if all rounds fell on the same side of it."""
    if rounds < 2:
        return "One round says nothing about how much the figures vary."
    return f"That range covers the true median with {100 * (1 - 2 * 0.5 ** rounds):.0f} % confidence."


# ---- The terminal


def bars(rows):
    """Rows of (name, value, text) as horizontal bars."""
    most = max((value for _, value, _ in rows), default=0) or 1
    for name, value, text in rows:
        length = round(BAR_WIDTH * value / most)
        yield f"  {name:12} {'#' * length:{BAR_WIDTH}} {text}"


def summary_rows(experiment, runs):
    models = runs.models(MODELS)
    if experiment.name == "silent":
        for model in models:
            of = runs.where(model=model)
            served = of.median("served") > 0
            yield model, float(served), (
                f"served after {duration(of.median('p50_us'))}" if served else "not served"
            )
        return
    most = max(c for c in runs.values("connections") if c <= 100)
    for model in models:
        of = runs.where(model=model, connections=most)
        if of:
            rate, served = of.median("req_per_s"), of.median("served")
            note = "" if served == most else f", {served:.0f} of {most:.0f} served"
            yield model, rate, f"{rounded(rate)} req/s with {most:.0f} clients{note}"


def print_summary(runs):
    for experiment, of in finished(runs):
        print(f"\n{experiment.name}: {experiment.question}")
        print(f"  {getattr(findings, experiment.name)(of)}.")
        for line in bars(list(summary_rows(experiment, of))):
            print(line)

#!/usr/bin/env python3
"""Draws one picture per experiment from a folder with runs.csv.

    plot.py results/latest

Needs matplotlib. Every picture has the finding as its title, the five models
always in the same colours, and the range over the rounds behind each value.
"""

import pathlib
import sys
import textwrap

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

from experiments import finding, finished
from results import duration, read_runs

# Okabe and Ito's palette: told apart by colour-blind eyes, and on a projector.
COLOURS = {
    "blocking": "#555555",
    "fork": "#D55E00",
    "thread": "#E69F00",
    "nonblocking": "#009E73",
    "coroutine": "#0072B2",
}
OTHER_COLOUR = "#CC79A7"
MARKERS = {"blocking": "s", "fork": "^", "thread": "v", "nonblocking": "D", "coroutine": "o"}

plt.rcParams.update({
    "figure.dpi": 120,
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
})


def colour(model):
    return COLOURS.get(model, OTHER_COLOUR)


def short(value, _=None):
    """200000 as 200k."""
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def title(figure, text, subtitle):
    """The finding on top, the question below it."""
    width, height = figure.get_size_inches()
    wrapped = textwrap.fill(text, int(8 * width))
    rows = wrapped.count("\n") + 1
    figure.subplots_adjust(top=1 - (0.82 + 0.25 * rows) / height)
    figure.text(0.02, 1 - 0.12 / height, wrapped, fontsize=14, fontweight="bold", va="top")
    figure.text(0.02, 1 - (0.22 + 0.25 * rows) / height, subtitle, fontsize=11, color="#444444", va="top")


def note(figure, runs, text):
    rounds = runs.rounds()
    figure.text(
        0.02, 0.015,
        f"{text} Median of {rounds} round{'s' * (rounds > 1)}; "
        + ("error bars and bands: lowest to highest." if rounds > 1 else "one round shows no spread."),
        fontsize=9, color="#666666",
    )


def lines(axes, runs, column, wanted=lambda of: True):
    """One line per model over the connections, with a band from the lowest to
    the highest. A hollow marker: not every connection was served."""
    ends = []
    for model in runs.models():
        points = []
        for connections in runs.values("connections"):
            of = runs.where(model=model, connections=connections)
            if of and wanted(of):
                points.append((connections, *of.spread(column), of.median("served") == connections))
        if not points:
            continue
        x, middle, low, high, served = zip(*points)
        axes.fill_between(x, low, high, color=colour(model), alpha=0.18, linewidth=0)
        axes.plot(x, middle, color=colour(model), linewidth=2)
        for at, value, whole in zip(x, middle, served):
            axes.plot(
                at, value, MARKERS.get(model, "P"), color=colour(model), markersize=7,
                markerfacecolor=colour(model) if whole else "white", markeredgewidth=1.8,
            )
        ends.append((middle[-1], x[-1], model))
    label_ends(axes, ends)


def label_ends(axes, ends):
    """Names at the right ends of lines, moved apart where they would touch."""
    figure = axes.figure
    figure.canvas.draw()
    last = None
    for value, x, model in sorted(ends):
        _, y = axes.transData.transform((x, value))
        y = y if last is None else max(y, last + 14 * figure.dpi / 72)
        last = y
        axes.annotate(
            model, xy=(x, value), xycoords="data",
            xytext=(12 * figure.dpi / 72 + axes.transData.transform((x, value))[0], y),
            textcoords="figure pixels", va="center", color=colour(model), fontsize=11,
            fontweight="bold", annotation_clip=False,
        )


def connection_axis(axes, connections):
    axes.set_xscale("log")
    axes.set_xticks(connections)
    axes.xaxis.set_major_formatter(FuncFormatter(short))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("connections, all asking at once")


def draw_latency(figure, runs):
    rate, time = figure.subplots(1, 2)
    models = runs.models()
    connections = runs.values("connections")
    width = 0.8 / len(connections)
    for axes, column, scale in ((rate, "req_per_s", 1), (time, "p50_us", 1000)):
        for i, model in enumerate(models):
            for j, clients in enumerate(connections):
                of = runs.where(model=model, connections=clients)
                if not of:
                    continue
                middle, low, high = (value / scale for value in of.spread(column))
                whole = of.median("served") == clients
                x = i + (j - (len(connections) - 1) / 2) * width
                axes.bar(
                    x, middle, width * 0.88, linewidth=1.2, edgecolor=colour(model),
                    color=colour(model) if whole else "white", hatch=None if whole else "////",
                    yerr=[[middle - low], [high - middle]], capsize=2,
                    error_kw={"elinewidth": 1, "ecolor": "#333333"},
                )
                axes.annotate(
                    f"{clients:.0f}", (x, 0), xytext=(0, -4), textcoords="offset points",
                    ha="center", va="top", fontsize=9, color="#444444",
                )
        axes.set_xticks(range(len(models)))
        axes.set_xticklabels(models, fontsize=11)
        axes.tick_params(axis="x", pad=13, length=0)
        axes.grid(axis="x", visible=False)
    rate.set_ylabel("requests for fib(30) per second")
    time.set_ylabel("median latency of a request, ms")
    rate.set_title("done per second", loc="left")
    time.set_title("what each client waits for its reply", loc="left")
    for axes in (rate, time):
        axes.set_xlabel("number of clients, below each bar")
    note(figure, runs, "Hatched: not every client was served. Server and client may use all cores.")


def draw_throughput(figure, runs):
    rate, cost = figure.subplots(1, 2)
    connections = runs.values("connections")
    for axes in (rate, cost):
        connection_axis(axes, connections)
    rate.set_title("answered per second", loc="left")
    rate.set_ylabel("requests for fib(1) per second")
    rate.yaxis.set_major_formatter(FuncFormatter(short))
    rate.set_ylim(0, 1.1 * max(run["req_per_s"] for run in runs))
    cost.set_title("what the server spends", loc="left")
    cost.set_ylabel("CPU time per request, µs (logarithmic)")
    cost.set_yscale("log")
    cost.set_yticks([2, 5, 10, 20, 50, 100])
    cost.yaxis.set_major_formatter(FuncFormatter(short))
    cost.yaxis.set_minor_formatter(NullFormatter())
    cost.set_ylim(2, 1.2 * max(run["server_cpu_us_per_req"] for run in runs))
    figure.subplots_adjust(wspace=0.55, right=0.87)
    lines(rate, runs, "req_per_s")
    lines(cost, runs, "server_cpu_us_per_req")
    note(figure, runs, "Hollow: not every connection was served. Server on one core, client on another.")


def draw_silent(figure, runs):
    axes = figure.subplots()
    models = runs.models()
    watched = max(run["duration_s"] for run in runs) * 1e6
    for i, model in enumerate(reversed(models)):
        of = runs.where(model=model)
        if of.median("served") > 0:
            middle, low, high = of.spread("p50_us")
            axes.barh(
                i, middle, 0.6, color=colour(model), xerr=[[middle - low], [high - middle]],
                capsize=3, error_kw={"elinewidth": 1, "ecolor": "#333333"},
            )
            axes.annotate(
                f"served after {duration(middle)}", (high, i), xytext=(8, 0),
                textcoords="offset points", va="center",
            )
        else:
            axes.barh(i, watched, 0.6, color="white", edgecolor=colour(model), hatch="///")
            axes.annotate(
                f"not served in {duration(watched)}", (watched, i), xytext=(8, 0),
                textcoords="offset points", va="center", color="#B00000", fontweight="bold",
            )
    axes.set_yticks(range(len(models)))
    axes.set_yticklabels(reversed(models))
    axes.set_xscale("log")
    axes.set_xlim(10, watched * 30)
    ticks = [10 ** k for k in range(1, 7)]
    axes.set_xticks(ticks)
    axes.set_xticklabels(["10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s"])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("time until the second client has a reply (logarithmic)")
    figure.subplots_adjust(left=0.14)
    note(figure, runs, "The first client connected before and never says anything.")


DRAW = {
    "latency": (draw_latency, (12, 5.6)),
    "throughput": (draw_throughput, (12, 5.6)),
    "silent": (draw_silent, (12, 4.6)),
}


def main(directory):
    runs = read_runs(directory / "runs.csv")
    for experiment, of in finished(runs):
        draw, size = DRAW[experiment.name]
        figure = plt.figure(figsize=size)
        figure.subplots_adjust(left=0.075, right=0.98, bottom=0.95 / size[1], wspace=0.2)
        title(figure, finding(experiment, of), experiment.question)
        draw(figure, of)
        figure.savefig(directory / f"{experiment.name}.png")
        plt.close(figure)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))

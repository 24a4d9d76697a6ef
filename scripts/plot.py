#!/usr/bin/env python3
"""Draws one picture per experiment from a folder with runs.csv.

    plot.py results/latest

Needs matplotlib. Every picture is a slide: the finding is its title, the
models have the same colours everywhere, and the rounds' lowest and highest
value stand beside each median. Nobody who was never served gets a latency.
"""

import math
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from experiments import finding, finished
from results import Runs, counted, duration, read_runs, rounded, wrapped

# From the palettes of Okabe and Ito, and of Tol: far apart in hue and in
# lightness, for colour-blind eyes and for projectors.
COLOURS = {
    "blocking": "#888888",
    "fork": "#882255",
    "thread": "#E69F00",
    "nonblocking": "#117733",
    "coroutine": "#0072B2",
}
OTHER_COLOUR = "#222222"
WARNING_COLOUR = "#B00000"
MARKERS = {"blocking": "s", "fork": "^", "thread": "v", "nonblocking": "D",
           "coroutine": "o"}
OTHER_MARKER = "P"

SLIDE_INCHES = (12.8, 7.2)
TITLE_COLUMNS = 88  # characters that fit beside each other
NOTE_COLUMNS = 140

plt.rcParams.update({
    "figure.dpi": 120,
    "font.size": 14,
    "axes.titlesize": 15,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
})


def colour(model):
    return COLOURS.get(model, OTHER_COLOUR)


def short(value, _=None):
    """200000 as 200k."""
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


# ---- The frame of every picture


def slide(experiment, runs):
    """A figure with the finding on top, the question and the notes below."""
    figure = plt.figure(figsize=SLIDE_INCHES)
    title = wrapped(finding(experiment, runs), TITLE_COLUMNS)
    figure.text(0.02, 0.975, title, fontsize=17, fontweight="bold", va="top")
    rows = title.count("\n") + 1
    figure.text(0.02, 0.965 - 0.047 * rows, experiment.question, fontsize=15,
                color="#444444", va="top")
    figure.subplots_adjust(left=0.09, right=0.97, bottom=0.19,
                           top=0.855 - 0.047 * rows)
    return figure


def note(figure, runs, *sentences):
    """What one must know to read the picture, at its foot."""
    text = wrapped(" ".join([*sentences, placement(runs)]), NOTE_COLUMNS)
    figure.text(0.02, 0.02, text, fontsize=12, color="#444444", va="bottom",
                linespacing=1.3)


def placement(runs):
    """Where the programs ran. Runs that do not say it get no sentence."""
    pinned = {run.get("pinned") for run in runs}
    return {
        (1.0,): "Server on one core, client on another.",
        (0.0,): "Server and client may use all cores.",
    }.get(tuple(pinned), "")


def spread(runs):
    rounds = runs.rounds()
    if rounds < 2:
        return "A single round: nobody knows how much this varies."
    return f"Medians of {rounds} rounds, with the lowest and the highest."


# ---- latency: bars


def draw_latency(figure, runs):
    rate, time = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(wspace=0.08, left=0.2)
    bars(rate, runs, "req_per_s", 1, whole_only=False)
    bars(time, runs, "p50_us", 1000, whole_only=True)
    rate.set_title("replies per second", loc="left")
    time.set_title("median wait for a reply, ms", loc="left")
    label_bars(rate, runs)
    time.tick_params(axis="y", length=0)
    note(figure, runs, spread(runs), "Hatched: not all clients are served.",
         "Compare models, not loads: a single client lets cores fall asleep "
         "between its requests.")


def bar_places(runs):
    """(y, model, clients) of each bar, from the top, with a gap between
    models."""
    y = 0
    for model in runs.models():
        for clients in runs.where(model=model).values("connections"):
            yield y, model, clients
            y -= 1
        y -= 0.8


def label_bars(axes, runs):
    places = list(bar_places(runs))
    axes.set_yticks([y for y, _, _ in places])
    axes.set_yticklabels([counted(clients, "client")
                          for _, _, clients in places], fontsize=12)
    axes.tick_params(axis="y", length=0)
    for model in runs.models():
        middle = [y for y, other, _ in places if other == model]
        axes.annotate(
            model, (0, sum(middle) / len(middle)), xytext=(-72, 0),
            xycoords=("axes fraction", "data"), textcoords="offset points",
            ha="right", va="center", color=colour(model), fontweight="bold")


def bars(axes, runs, column, scale, whole_only):
    """A horizontal bar per model and load. With `whole_only`, words instead of
    a bar where some clients were never served: the bar would be short."""
    for y, model, clients in bar_places(runs):
        of = runs.where(model=model, connections=clients)
        if whole_only and not of.all_served():
            words(axes, y, f"{of.median('served'):.0f} of {clients:.0f} "
                  "served, the others never")
        else:
            bar(axes, y, colour(model), of.all_served(),
                [value / scale for value in of.spread(column)])
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.15, y=0.02)
    axes.set_xlim(left=0)


def words(axes, y, text):
    axes.annotate(text, (0, y), xytext=(6, 0), textcoords="offset points",
                  va="center", color=WARNING_COLOUR, fontsize=12)


def bar(axes, y, shade, whole, spread):
    middle, low, high = spread
    axes.barh(y, middle, 0.85, edgecolor=shade, linewidth=1.2,
              color=shade if whole else "white",
              hatch=None if whole else "///",
              xerr=[[middle - low], [high - middle]],
              error_kw={"elinewidth": 1.2, "capsize": 3, "ecolor": "#222222"})
    axes.annotate(rounded(middle), (high, y), xytext=(6, 0),
                  textcoords="offset points", va="center", fontsize=12)


# ---- throughput: lines


def draw_throughput(figure, runs):
    rate, cost = figure.subplots(1, 2)
    figure.subplots_adjust(wspace=0.6, right=0.84)
    for axes in (rate, cost):
        connection_axis(axes, runs.values("connections"))
    rate.set_title("replies per second", loc="left")
    rate.yaxis.set_major_formatter(FuncFormatter(short))
    rate.set_ylim(0, 1.08 * max(run["req_per_s"] for run in runs))
    cost.set_title("CPU time per request, µs (logarithmic)", loc="left")
    log_axis(cost, [run["server_cpu_us_per_req"] for run in runs])
    lines(rate, runs, "req_per_s", hollow=Runs.client_limited)
    lines(cost, runs, "server_cpu_us_per_req", hollow=lambda of: False)
    notes = [spread(runs)]
    if any(of.client_limited() for _, of in points(runs)):
        notes.append("Hollow: the client is at its limit, the server could do "
                     "at least this much.")
    if not runs.all_served():
        notes.append("Cross: not all clients are served.")
    note(figure, runs, *notes)


def points(runs):
    """The runs of each cell, under its load."""
    for model in runs.models():
        for connections in runs.values("connections"):
            of = runs.where(model=model, connections=connections)
            if of:
                yield connections, of


def connection_axis(axes, connections):
    axes.set_xscale("log")
    axes.set_xticks(connections)
    axes.xaxis.set_major_formatter(FuncFormatter(short))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("clients, all asking at once")


def log_axis(axes, values):
    """A logarithmic axis as long as its values need, with round numbers."""
    low = min(value for value in values if value > 0) / 1.25
    high = 1.25 * max(values)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks = [step * 10.0 ** power for power in range(first, last + 1)
             for step in (1, 2, 3, 5)]
    axes.set_yscale("log")
    axes.set_yticks([tick for tick in ticks if low <= tick <= high])
    axes.set_ylim(low, high)
    axes.yaxis.set_major_formatter(FuncFormatter(short))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def lines(axes, runs, column, hollow):
    """One line per model over the load, in a band from the lowest to the
    highest value. `hollow` tells which points are less than they could be."""
    ends = []
    for model in runs.models():
        cells = list(points(runs.where(model=model)))
        x = [connections for connections, _ in cells]
        middle, low, high = zip(*(of.spread(column) for _, of in cells))
        axes.fill_between(x, low, high, color=colour(model), alpha=0.18,
                          linewidth=0)
        axes.plot(x, middle, color=colour(model), linewidth=2)
        for at, value, (_, of) in zip(x, middle, cells):
            mark(axes, at, value, model, of, hollow(of))
        ends.append((middle[-1], x[-1], model, end_label(model, cells[-1][1])))
    label_ends(axes, ends)


def mark(axes, x, y, model, of, hollow):
    """A cross where not all were served."""
    style = MARKERS.get(model, OTHER_MARKER) if of.all_served() else "x"
    axes.plot(x, y, style, color=colour(model), markersize=9,
              markerfacecolor="white" if hollow else colour(model),
              markeredgewidth=2)


def end_label(model, of):
    """A line's name, with a warning if it needs one."""
    if of.all_served():
        return model
    return f"{model}: serves\n{counted(of.median('served'), 'client')} only"


def label_ends(axes, ends):
    """Names at the right ends of lines, moved apart where they would touch."""
    figure = axes.figure
    figure.canvas.draw()
    line = 17 * figure.dpi / 72
    floor = -math.inf
    for value, x, model, text in sorted(ends):
        right, y = axes.transData.transform((x, value))
        half = line * (text.count("\n") + 1) / 2
        y = max(y, floor + half)
        floor = y + half
        axes.annotate(
            text, (x, value), xytext=(right + line, y),
            textcoords="figure pixels", va="center", color=colour(model),
            fontsize=13, fontweight="bold", annotation_clip=False)


# ---- silent: dots


def draw_silent(figure, runs):
    """A dot per round. An arrow where the reply never came: how long it would
    have taken nobody knows."""
    axes = figure.subplots()
    figure.subplots_adjust(left=0.14)
    models = runs.models()
    longest = max(max(run["max_us"], run["oldest_us"]) for run in runs)
    for y, model in enumerate(reversed(models)):
        of = runs.where(model=model)
        served = [run["max_us"] for run in of if run["served"]]
        if served:
            dots(axes, y, model, served)
        if len(served) < len(of):
            watched = min(run["oldest_us"] for run in of if not run["served"])
            arrow(axes, y, model, watched)
    axes.set_yticks(range(len(models)))
    axes.set_yticklabels(reversed(models), fontweight="bold")
    for label, model in zip(axes.get_yticklabels(), reversed(models)):
        label.set_color(colour(model))
    axes.set_ylim(-0.6, len(models) - 0.4)
    time_axis(axes, longest)
    note(figure, runs, "A dot is one round: a fresh server, a first client "
         "that never says anything, a second one that sends one request.")


def dots(axes, y, model, times_us):
    axes.plot(times_us, [y] * len(times_us), "o", color=colour(model),
              markersize=11, alpha=0.6)
    axes.annotate(f"at most {duration(max(times_us), 2)}", (max(times_us), y),
                  xytext=(14, 0), textcoords="offset points", va="center")


def arrow(axes, y, model, watched_us):
    axes.annotate("", (3 * watched_us, y), (watched_us, y),
                  annotation_clip=False,
                  arrowprops={"arrowstyle": "-|>", "color": colour(model),
                              "linewidth": 3, "mutation_scale": 25})
    axes.annotate(f"no reply while we watched, {duration(watched_us, 2)}",
                  (watched_us, y), xytext=(-12, 0), textcoords="offset points",
                  ha="right", va="center", color=WARNING_COLOUR,
                  fontweight="bold")


def time_axis(axes, longest_us):
    """Logarithmic, from 10 µs to beyond what was watched."""
    end = 4 * max(100, longest_us)
    axes.set_xscale("log")
    axes.set_xticks([10 ** power for power in range(1, 10) if 10**power < end])
    axes.set_xlim(10, end)
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda us, _: duration(us, 1)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("from request to reply (logarithmic)")


# ---- All pictures

PICTURES = {
    "latency": draw_latency,
    "throughput": draw_throughput,
    "silent": draw_silent,
}


def draw(directory):
    """Draws into a file of another name first: what is there is complete."""
    shown = list(finished(read_runs(directory / "runs.csv")))
    if not shown:
        raise ValueError(f"{directory} has no finished experiment")
    for experiment, runs in shown:
        figure = slide(experiment, runs)
        PICTURES[experiment.name](figure, runs)
        unfinished = directory / f".{experiment.name}.png"
        figure.savefig(unfinished)
        plt.close(figure)
        unfinished.rename(directory / f"{experiment.name}.png")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        draw(pathlib.Path(sys.argv[1]))
    except (OSError, ValueError) as problem:
        sys.exit(f"plot: {problem}")

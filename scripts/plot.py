#!/usr/bin/env python3
"""Draws one picture per experiment from a folder with runs.csv.

    plot.py results/latest

Needs matplotlib. An experiment is drawn by a function that is given a slide
with title and question, the experiment, and its runs.
"""

import pathlib
import sys

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullLocator

from experiments import deciding, finished, furthest, load_named
from palette import colour
from results import Runs, duration, read_runs
from slides import (
    WARNING_COLOUR, bars, explained, label_bars, lines, load_axis,
    log_axis, model_bars, note, short, slide, spread)


# ---- latency: bars


def draw_latency(figure, _experiment, runs):
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


# ---- throughput: lines


def draw_throughput(figure, experiment, runs):
    rate, cost = figure.subplots(1, 2)
    figure.subplots_adjust(wspace=0.6, right=0.84)
    for axes in (rate, cost):
        load_axis(axes, experiment, runs, "clients, all asking at once")
    rate.set_title("replies per second", loc="left")
    rate.yaxis.set_major_formatter(FuncFormatter(short))
    rate.set_ylim(0, 1.08 * max(run["req_per_s"] for run in runs))
    cost.set_title("CPU time per request, µs (logarithmic)", loc="left")
    log_axis(cost, [run["server_cpu_us_per_req"] for run in runs])
    lines(rate, experiment, runs, "req_per_s", hollow=Runs.client_limited)
    lines(cost, experiment, runs, "server_cpu_us_per_req")
    note(figure, runs, spread(runs), *explained(experiment, runs))


# ---- idle and wait: lines, and a bar per model where it was judged


def draw_idle(figure, experiment, runs):
    rate, memory = figure.subplots(1, 2, width_ratios=(3, 2))
    figure.subplots_adjust(wspace=0.7)
    load_axis(rate, experiment, runs, "silent clients, beside ten that ask")
    rate.set_title("replies per second (logarithmic)", loc="left")
    log_axis(rate, [run["req_per_s"] for run in runs])
    lines(rate, experiment, runs, "req_per_s", hollow=Runs.client_limited)
    at = Runs(run for run in furthest(experiment, runs) if run["idle"])
    memory.set_title("KiB per silent client (PSS)", loc="left")
    model_bars(memory, at, "kib_per_silent")
    note(figure, runs, spread(runs), *explained(experiment, runs),
         "Memory at the right end of each line, without the kernel's own.")


def draw_wait(figure, experiment, runs):
    rate, cost = figure.subplots(1, 2, width_ratios=(3, 2))
    figure.subplots_adjust(wspace=1.0)
    load_axis(rate, experiment, runs, "clients, each with one request waiting")
    rate.set_title("replies per second (logarithmic)", loc="left")
    log_axis(rate, [run["rate_to_last"] for run in runs])
    possible = [(load, 1000 * load / runs[0]["delay_ms"])
                for load in runs.values("connections")]
    rate.plot(*zip(*possible), "--", color="#222222", linewidth=1, zorder=1)
    lines(rate, experiment, runs, "rate_to_last")
    at = deciding(experiment, runs)
    cost.set_title("CPU time per request, µs", loc="left")
    model_bars(cost, at, "server_cpu_us_per_req")
    note(figure, runs, spread(runs), "Dashed: all that is possible.",
         *explained(experiment, runs),
         f"CPU time with {load_named(experiment, at)}.")


# ---- silent: dots


def draw_silent(figure, _experiment, runs):
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
    "idle": draw_idle,
    "wait": draw_wait,
    "silent": draw_silent,
}


def draw(directory):
    """Draws into a file of another name first: what is there is complete."""
    shown = list(finished(read_runs(directory / "runs.csv")))
    if not shown:
        raise ValueError(f"{directory} has no finished experiment")
    for experiment, runs in shown:
        figure = slide(experiment, runs)
        PICTURES[experiment.name](figure, experiment, runs)
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

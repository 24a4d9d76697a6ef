#!/usr/bin/env python3
"""Draws one picture per experiment from a folder with runs.csv.

    plot.py results/latest

Needs matplotlib. An experiment is drawn by a function that is given a slide
with title and question, the experiment, and its runs.
"""

import pathlib
import sys

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

import overview
import traces
from experiments import finished
from grid import deciding, furthest, load_named
from palette import colour, marker
from results import Runs, duration, read_runs
from slides import (
    WARNING_COLOUR, bars, explained, frame, label_bars, label_points, lines,
    load_axis, log_axis, model_bars, note, short, slide, spread)

WAITING_COLOUR = "#CCCCCC"


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
    met = Runs(run for run in runs if run["idle"]).models()
    runs = Runs(run for run in runs if run["model"] in met) or runs
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
    possible = [(load, 1000 * load / runs[0]["delay_ms"])
                for load in runs.values("connections")]
    at = deciding(experiment, runs)
    if len(possible) > 1:
        draw_rates(rate, experiment, runs, possible)
    else:
        figure.subplots_adjust(left=0.18)
        rate.set_title("replies per second", loc="left")
        rate.axvline(possible[0][1], linestyle="--", color="#222222",
                     linewidth=1, zorder=1)
        rate.xaxis.set_major_formatter(FuncFormatter(short))
        model_bars(rate, at, "rate_to_last")
    cost.set_title("CPU time per request, µs", loc="left")
    model_bars(cost, at, "server_cpu_us_per_req")
    note(figure, runs, spread(runs), "Dashed: all that is possible.",
         *(explained(experiment, runs) if len(possible) > 1 else ()),
         f"CPU time with {load_named(experiment, at)}.")


def draw_rates(axes, experiment, runs, possible):
    """Over the load, with a line for what is possible."""
    load_axis(axes, experiment, runs, "clients, each with one request waiting")
    axes.set_title("replies per second (logarithmic)", loc="left")
    log_axis(axes, [run["rate_to_last"] for run in runs])
    axes.plot(*zip(*possible), "--", color="#222222", linewidth=1, zorder=1)
    lines(axes, experiment, runs, "rate_to_last")


# ---- hog: replies over time, and a bar for what was kept


def draw_hog(figure, experiment, runs, spans):
    at = deciding(experiment, runs)
    models = [m for m in at.models() if traces.shown(spans, m)]
    figure.subplots_adjust(left=0.17, right=0.98)
    left, right = figure.add_gridspec(1, 2, width_ratios=(3, 2), wspace=0.4)
    panels = left.subgridspec(max(1, len(models)), 1, hspace=0.25).subplots(
        sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, model in zip(panels, models):
        draw_disturbance(axes, model, traces.shown(spans, model))
    panels[0].set_title("small replies in each tenth of a second", loc="left")
    panels[-1].set_xlabel("time, s")
    kept = figure.add_subplot(right)
    kept.set_title("meanwhile, % of the rate before", loc="left")
    model_bars(kept, at, "kept_beside_hogs", scale=0.01)
    note(figure, runs, spread(runs).replace("Medians", "Right: medians"),
         "Left: one run of each; shaded while the long requests are under "
         "way.")


def draw_disturbance(axes, model, spans):
    """The stream as an area, and the time of the hogs' requests behind it."""
    stream = [span for span in spans if span.kind == traces.STREAM]
    hogs = [span for span in spans if span.kind == traces.HOG]
    if hogs:
        axes.axvspan(min(span.begin_us for span in hogs) / 1e6,
                     max(span.end_us for span in hogs) / 1e6,
                     color="#DDDDDD", linewidth=0)
    axes.stairs([span.replies for span in stream],
                [0, *(span.end_us / 1e6 for span in stream)],
                fill=True, color=colour(model))
    axes.set_ylabel(model, color=colour(model), fontweight="bold", rotation=0,
                    ha="right", va="center")
    axes.yaxis.set_major_formatter(FuncFormatter(short))
    axes.yaxis.set_major_locator(MaxNLocator(2))
    axes.tick_params(labelsize=12)
    axes.margins(x=0)


# ---- churn: bars


def draw_churn(figure, _experiment, runs):
    cost, rate = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(wspace=0.12, left=0.2)
    bars(cost, runs, "server_cpu_us_per_req", 1, whole_only=True)
    bars(rate, runs, "req_per_s", 1, whole_only=False)
    cost.set_title("the server's CPU time per connection, µs", loc="left")
    rate.set_title("connections per second", loc="left")
    rate.xaxis.set_major_formatter(FuncFormatter(short))
    label_bars(cost, runs)
    rate.tick_params(axis="y", length=0)
    note(figure, runs, spread(runs))


# ---- timeline: a bar for every request


def draw_timeline(figure, _experiment, runs, spans):
    models = [m for m in runs.models() if traces.shown(spans, m)]
    columns = min(3, len(models))
    rows = -(-len(models) // columns)
    figure.set_figheight(max(figure.get_figheight(), 1.9 * rows + 2.6))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True,
                             squeeze=False).flatten()
    figure.subplots_adjust(left=0.04, right=0.98, wspace=0.06,
                           hspace=0.35 if rows < 3 else 0.6)
    end_ms = max(span.end_us for model in models
                 for span in traces.shown(spans, model)) / 1000
    for axes, model in zip(panels, models):
        of = runs.where(model=model)
        draw_requests(axes, model, traces.shown(spans, model), of, end_ms)
    for axes in panels[-columns:]:
        axes.set_xlabel("ms")
    for axes in panels[len(models):]:
        axes.set_axis_off()
        panels[len(models) - 1].set_xlabel("ms")
    note(figure, runs, "One run of each, of median length. A row is a client, "
         "a bar a request, from its sending to its reply: coloured for as "
         "long as a request takes a core on average, at the end of the bar, "
         "where it was computed at the latest; grey while it waits for its "
         "turn.")


def draw_requests(axes, model, spans, of, end_ms):
    """A row per connection, from the top down."""
    clients = int(of[0]["connections"])
    first = min(span.connection for span in spans)
    cpu_ms = of.median("server_cpu_ms_per_req")
    last_ms = max(span.end_us for span in spans) / 1000
    for row in range(clients):
        mine = [span for span in spans if span.connection == first + row]
        for span in mine:
            draw_request(axes, -row, span.begin_us / 1000, span.end_us / 1000,
                         cpu_ms, colour(model))
        if not mine:
            axes.barh(-row, last_ms, 0.7, color=WAITING_COLOUR)
            axes.annotate("no reply", (last_ms / 2, -row), ha="center",
                          va="center", color=WARNING_COLOUR, fontsize=12)
    axes.set_title(model, color=colour(model), fontweight="bold", loc="left")
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_xlim(0, end_ms)
    axes.xaxis.set_tick_params(labelbottom=True, labelsize=12)


def draw_request(axes, y, begin_ms, end_ms, cpu_ms, shade):
    """With a gap at its end, so that requests can be told apart."""
    computed_ms = min(cpu_ms, end_ms - begin_ms)
    axes.barh(y, end_ms - begin_ms, 0.7, left=begin_ms, color=WAITING_COLOUR)
    axes.barh(y, computed_ms, 0.7, left=end_ms - computed_ms, color=shade,
              edgecolor="white", linewidth=0.8)


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


# ---- the map of many models


def draw_map(found):
    """A slide with a point for every model."""
    figure = frame(overview.finding(found), overview.QUESTION, 1)
    axes = figure.subplots()
    axes.set_xlabel("CPU time per request, µs (logarithmic)")
    axes.set_ylabel("KiB per silent client (logarithmic)")
    log_axis(axes, [place.kib for place in found])
    log_axis(axes, [place.cpu_us for place in found], "x")
    for place in found:
        shade = colour(place.model)
        axes.plot(place.cpu_us, place.kib, marker(place.model), color=shade,
                  markersize=13, markeredgewidth=2, markerfacecolor=(
                      shade if place.uses_second_core() else "white"))
    label_points(axes, [(place.cpu_us, place.kib, place.model)
                        for place in found])
    note(figure, Runs(), overview.NOTE)
    return figure


# ---- All pictures

PICTURES = {
    "hog": draw_hog,
    "churn": draw_churn,
    "timeline": draw_timeline,
    "latency": draw_latency,
    "throughput": draw_throughput,
    "idle": draw_idle,
    "wait": draw_wait,
    "silent": draw_silent,
}


def save(figure, directory, name):
    """Into a file of another name first: what is there is complete."""
    unfinished = directory / f".{name}.png"
    figure.savefig(unfinished)
    plt.close(figure)
    unfinished.rename(directory / f"{name}.png")


def draw(directory):
    shown = list(finished(read_runs(directory / "runs.csv")))
    if not shown:
        raise ValueError(f"{directory} has no finished experiment")
    found = overview.places(shown)
    if found:
        save(draw_map(found), directory, overview.NAME)
    for experiment, runs in shown:
        figure = slide(experiment, runs)
        spans = ([traces.read(directory / f"{experiment.name}.csv")]
                 if experiment.trace else [])
        PICTURES[experiment.name](figure, experiment, runs, *spans)
        save(figure, directory, experiment.name)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        draw(pathlib.Path(sys.argv[1]))
    except (OSError, ValueError) as problem:
        sys.exit(f"plot: {problem}")

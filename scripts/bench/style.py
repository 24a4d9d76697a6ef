"""What the pictures are made of: the frame of a slide, bars, and lines over the
load. Needs matplotlib.

Every picture is a slide: the finding is its title, the models have the same
colours everywhere, and the rounds' lowest and highest value stand beside each
median. Nobody who was never served gets a latency.
"""

import itertools
import math

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from bench.design import PLACES, finding
from lib.text import counted, rounded, wrapped

matplotlib.use("Agg")

WARNING_COLOUR = "#B00000"

SLIDE_INCHES = (12.8, 7.2)
TITLE_COLUMNS = 88  # characters that fit beside each other
NOTE_COLUMNS = 140
MODELS_PER_SLIDE = 8  # that fit below each other

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


def short(value, _=None):
    """200000 as 200k."""
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


# ---- Colours

# The five have colours from the palettes of Okabe and Ito, and of Tol: far
# apart in hue and in lightness, for colour-blind eyes and for projectors. Beyond
# five no palette is that good, so pictures write names beside what they name.
STYLES = {
    "blocking": ("#888888", "s"),
    "fork": ("#882255", "^"),
    "thread": ("#E69F00", "v"),
    "nonblocking": ("#117733", "D"),
    "coroutine": ("#0072B2", "o"),
    "coroutine --trap": ("#56B4E9", "X"),
    "select": ("#44AA99", "<"),
    "poll": ("#999933", ">"),
    "callback": ("#AA4499", "h"),
    "signal": ("#CC6677", "p"),
    "uring": ("#332288", "d"),
    "prefork": ("#D55E00", "*"),
    "pool": ("#661100", "H"),
    "generator": ("#E7298A", "8"),
}

# For programs that nobody knew of, as they come.
OTHER_STYLES = itertools.cycle((("#222222", "P"), ("#5B8C00", "$+$"),
                                ("#7F5AC8", "$o$"), ("#B07040", "$x$")))


def style(model):
    """The colour and the mark of a model."""
    if model not in STYLES:
        STYLES[model] = next(OTHER_STYLES)
    return STYLES[model]


def colour(model):
    return style(model)[0]


def marker(model):
    return style(model)[1]


# ---- The frame of every picture


def slide(experiment, runs):
    """A figure with the finding on top, the question and the notes below."""
    return frame(finding(experiment, runs), experiment.question,
                 len(runs.models()))


def frame(said, question, models):
    """An empty slide, higher than usual if it has many models."""
    size, columns = ((17, TITLE_COLUMNS) if len(said) <= 3 * TITLE_COLUMNS
                     else (14, round(TITLE_COLUMNS * 17 / 14)))
    title = wrapped(said, columns)
    title_inches = size / 50 * (title.count("\n") + 1)
    width, height = SLIDE_INCHES
    height *= max(1, models / MODELS_PER_SLIDE)
    figure = plt.figure(figsize=(width, height))
    figure.text(0.02, 1 - 0.18 / height, title, fontsize=size,
                fontweight="bold", va="top")
    figure.text(0.02, 1 - (0.25 + title_inches) / height, question,
                fontsize=15, color="#444444", va="top")
    figure.subplots_adjust(left=0.09, right=0.97, bottom=1.37 / height,
                           top=1 - (1.04 + title_inches) / height)
    return figure


def note(figure, runs, *sentences):
    """What one must know to read the picture, at its foot."""
    text = wrapped(" ".join([*sentences, placement(runs)]), NOTE_COLUMNS)
    figure.text(0.02, 0.144 / figure.get_figheight(), text, fontsize=12,
                color="#444444", va="bottom", linespacing=1.3)


def placement(runs):
    """Where the programs ran. Runs that do not say it get no sentence."""
    places = {run.get("placement") for run in runs}
    return PLACES.get(places.pop(), "") if len(places) == 1 else ""


def spread(runs):
    rounds = runs.rounds()
    if rounds < 2:
        return "A single round: nobody knows how much this varies."
    return f"Medians of {rounds} rounds, with the lowest and the highest."


# ---- Bars


def bar_places(runs):
    """(y, model, clients) of each bar, from the top, with a gap between
    models."""
    y = 0
    for model in runs.models():
        for clients in runs.where(model=model).values("connections"):
            yield y, model, clients
            y -= 1
        y -= 0.8 if len(runs.values("connections")) > 1 else 0


def label_bars(axes, runs):
    """The load beside each bar, if there are several, and the models beside
    those."""
    places = list(bar_places(runs))
    loads = len(runs.values("connections")) > 1
    axes.set_yticks([y for y, _, _ in places])
    axes.set_yticklabels([counted(clients, "client") if loads else ""
                          for _, _, clients in places], fontsize=12)
    axes.tick_params(axis="y", length=0)
    for model in runs.models():
        middle = [y for y, other, _ in places if other == model]
        axes.annotate(
            model, (0, sum(middle) / len(middle)),
            xytext=(-72 if loads else -8, 0),
            xycoords=("axes fraction", "data"), textcoords="offset points",
            ha="right", va="center", color=colour(model), fontweight="bold")


def bars(axes, runs, column, scale, whole_only):
    """A horizontal bar per model and load. With `whole_only`, words instead of
    a bar where some clients were never served: the bar would be short."""
    for y, model, clients in bar_places(runs):
        of = runs.where(model=model, connections=clients)
        if whole_only and not of.all_served():
            words(axes, y, served_only(of) + ", the others never")
        else:
            bar(axes, y, colour(model), of.all_served(),
                [value / scale for value in of.spread(column)])
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.15, y=0.02)
    axes.set_xlim(left=0)


def served_only(of):
    return f"{of.median('served'):,.0f} of {of[0]['connections']:,.0f} served"


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
                  textcoords="offset points", va="center", fontsize=12,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})


def model_bars(axes, runs, column, scale=1):
    """A bar per model, which stands beside it."""
    models = runs.models()
    for y, model in enumerate(reversed(models)):
        of = runs.where(model=model)
        if of.all_served():
            bar(axes, y, colour(model), True,
                [value / scale for value in of.spread(column)])
        else:
            words(axes, y, served_only(of))
    axes.set_yticks(range(len(models)), reversed(models), fontweight="bold")
    for label, model in zip(axes.get_yticklabels(), reversed(models)):
        label.set_color(colour(model))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.2)
    axes.set_xlim(left=0)
    axes.set_ylim(-0.6, len(models) - 0.4)


# ---- Lines over the load


def points(experiment, runs):
    """The runs of each cell, under its load."""
    for load in runs.values(experiment.axis):
        of = runs.where(**{experiment.axis: load})
        if of:
            yield load, of


def explained(experiment, runs):
    """What the marks of these points mean, if there are such points."""
    cells = [of for model in runs.models()
             for _, of in points(experiment, runs.where(model=model))]
    if any(of.client_limited() for of in cells):
        yield ("Hollow: the client is at its limit, the server could do at "
               "least this much.")
    if not all(of.all_served() for of in cells):
        yield "Cross: not all clients are served."


def load_axis(axes, experiment, runs, what):
    """Logarithmic, with a tick for each load; none at all stands one step
    before the first."""
    loads = runs.values(experiment.axis)
    first = next((load for load in loads if load > 0), 1)
    axes.set_xscale("symlog", linthresh=first, linscale=0.5)
    axes.set_xlim(0.8 * loads[0] or -0.15 * first, 1.25 * loads[-1])
    axes.set_xticks(loads)
    axes.xaxis.set_major_formatter(FuncFormatter(short))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(what)


def log_axis(axes, values, name="y"):
    """A logarithmic axis as long as its values need, with round numbers."""
    low = min(value for value in values if value > 0) / 1.25
    high = 1.25 * max(values)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 3, 5) if high < 1000 * low else (1, 3)
    ticks = [step * 10.0 ** power for power in range(first, last + 1)
             for step in steps]
    axes.set(**{f"{name}scale": "log", f"{name}lim": (low, high)})
    axis = axes.yaxis if name == "y" else axes.xaxis
    axis.set_ticks([tick for tick in ticks if low <= tick <= high])
    axis.set_major_formatter(FuncFormatter(short))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def lines(axes, experiment, runs, column, hollow=lambda of: False):
    """One line per model over the load, in a band from the lowest to the
    highest value. `hollow` tells which points are less than they could be."""
    ends, few = [], len(runs.models()) <= MODELS_PER_SLIDE
    for model in runs.models():
        cells = list(points(experiment, runs.where(model=model)))
        x = [load for load, _ in cells]
        middle, low, high = zip(*(of.spread(column) for _, of in cells))
        middle = [max(value, axes.get_ylim()[0]) for value in middle]
        axes.fill_between(x, low, high, color=colour(model), linewidth=0,
                          alpha=0.18 if few else 0.06)
        axes.plot(x, middle, color=colour(model), linewidth=2)
        for at, value, (_, of) in zip(x, middle, cells):
            mark(axes, at, value, model, of, hollow(of))
        ends.append((middle[-1], x[-1], model, end_label(model, cells[-1][1])))
    label_ends(axes, ends)


def mark(axes, x, y, model, of, hollow):
    """A cross where not all were served."""
    style = marker(model) if of.all_served() else "x"
    axes.plot(x, y, marker=style, color=colour(model), markersize=9,
              markerfacecolor="white" if hollow else colour(model),
              markeredgewidth=2)


def end_label(model, of):
    """A line's name, with a warning if it needs one."""
    if of.all_served():
        return model
    return f"{model}:\nserves {of.median('served'):,.0f} only"


def label_ends(axes, ends):
    """Names of lines, at the height of their right ends: in one column, from
    the top down, and no further than the axes reach."""
    axes.figure.canvas.draw()
    last = max(x for _, x, *_ in ends)
    line = 17 * axes.figure.dpi / 72
    bottom, top = axes.transAxes.transform([(0, 0), (0, 1)])[:, 1]
    left = sum(line * (text.count("\n") + 1) for *_, text in ends)
    for value, _, model, text in sorted(ends, reverse=True):
        right, y = axes.transData.transform((last, value))
        height = line * (text.count("\n") + 1)
        y = max(min(y, top - height / 2), bottom + left - height / 2)
        top, left = y - height / 2, left - height
        axes.annotate(
            text, (last, value), xytext=(right + line, y),
            textcoords="figure pixels", va="center", color=colour(model),
            fontsize=13, fontweight="bold", annotation_clip=False,
            bbox={"facecolor": "white", "linewidth": 0, "alpha": 0.8, "pad": 1})

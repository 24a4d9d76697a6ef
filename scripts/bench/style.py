"""Has the parts of which all pictures are made: the frame of a slide, bars, and
lines over the load. Needs matplotlib.

Every picture is a slide. Its title is the question, in one line, with the
finding below it. A model has the same colour in all pictures. The lowest and
the highest value of the rounds are drawn beside each median. Where clients were
never served, no latency is drawn. On a slide that is 1,280 pixels wide, no
letter is smaller than 18 pixels.
"""

import itertools
import math

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from bench.design import PLACES, finding
from lib.text import counted, rounded, wrapped

matplotlib.use("Agg")

WARNING_COLOUR = "#B00000"

SLIDE_INCHES = (12.8, 7.2)
FINDING_COLUMNS = 104  # characters in a line
NOTE_COLUMNS = 128
MODELS_PER_SLIDE = 8  # that fit on a slide of the usual height

TITLE, FINDING, LABEL, SMALL = 20, 16, 15, 13  # points

plt.rcParams.update({
    "figure.dpi": 120,
    "font.size": LABEL,
    "axes.titlesize": 16,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
})


def short(value, _=None):
    """Returns a number as a short text: 200000 as "200k"."""
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


# ---- Colours

# The colours of the five models are far apart in hue and in lightness: for
# normal vision, for each of the three kinds of colour blindness (computed, see
# plot_test.py) and for projectors. No palette of more colours is that good, so
# pictures write each name beside its line or bar.
STYLES = {
    "blocking": ("#222222", "s"),
    "fork": ("#AA3377", "^"),
    "thread": ("#C98200", "v"),
    "nonblocking": ("#117733", "D"),
    "coroutine": ("#0050A0", "o"),
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

# For other programs, in the order in which they are first drawn.
OTHER_STYLES = itertools.cycle((("#777777", "P"), ("#5B8C00", "$+$"),
                                ("#7F5AC8", "$o$"), ("#B07040", "$x$")))


def style(model):
    """Returns the colour and the marker of a model."""
    if model not in STYLES:
        STYLES[model] = next(OTHER_STYLES)
    return STYLES[model]


def colour(model):
    return style(model)[0]


# ---- The frame of every picture


def slide(experiment, runs):
    """Returns a new figure with the question and finding of an experiment."""
    return frame(finding(experiment, runs), experiment.question,
                 len(runs.models()))


def frame(said, question, models):
    """Returns a new figure with a question as its title, and the sentence
    `said` below. It is higher than usual if `models` is a large number."""
    width, height = SLIDE_INCHES
    height *= max(1, models / MODELS_PER_SLIDE)
    said = wrapped(said, FINDING_COLUMNS)
    said_inches = FINDING / 55 * (said.count("\n") + 1)
    figure = plt.figure(figsize=(width, height))
    title = figure.text(0.02, 1 - 0.16 / height, question, fontsize=TITLE,
                        fontweight="bold", va="top")
    figure.text(0.02, 1 - 0.62 / height, said, fontsize=FINDING, va="top")
    wide = title.get_window_extent().width / (0.96 * figure.bbox.width)
    title.set_fontsize(TITLE / max(1, wide))
    figure.subplots_adjust(left=0.09, right=0.97, bottom=1.42 / height,
                           top=1 - (1.08 + said_inches) / height)
    return figure


def note(figure, runs, *sentences):
    """Writes the sentences at the lower edge of a picture, and behind them one
    that says on which cores or hosts the programs ran."""
    places = {run.get("placement") for run in runs}
    place = PLACES.get(places.pop(), "") if len(places) == 1 else ""
    text = wrapped(" ".join([*sentences, place]), NOTE_COLUMNS)
    figure.text(0.02, 0.12 / figure.get_figheight(), text, fontsize=SMALL,
                color="#444444", va="bottom", linespacing=1.3)


def about_rounds(runs):
    """Returns a sentence that explains medians and ranges."""
    rounds = runs.rounds()
    if rounds < 2:
        return "A single round: how much this varies is unknown."
    return f"Medians of {rounds} rounds, with the lowest and the highest."


# ---- Bars


def bar_places(runs):
    """Yields (y, model, clients) for each bar, from the top down. If there are
    several loads, models are separated by a gap."""
    y = 0
    for model, of in runs.by("model"):
        for clients in of.values("connections"):
            yield y, model, clients
            y -= 1
        y -= 0.8 if len(runs.values("connections")) > 1 else 0


def label_bars(axes, runs):
    """Writes the models beside their bars, and the loads if they differ."""
    places = list(bar_places(runs))
    loads = len(runs.values("connections")) > 1
    axes.set_yticks([y for y, _, _ in places])
    axes.set_yticklabels([counted(clients, "client") if loads else ""
                          for _, _, clients in places], fontsize=SMALL)
    for model in runs.models():
        middle = [y for y, other, _ in places if other == model]
        axes.annotate(
            model, (0, sum(middle) / len(middle)),
            xytext=(-84 if loads else -8, 0),
            xycoords=("axes fraction", "data"), textcoords="offset points",
            ha="right", va="center", color=colour(model), fontweight="bold")


def bars(axes, runs, column, scale, whole_only):
    """Draws a horizontal bar for each model and load. With `whole_only`, writes
    words instead of a bar where some clients were never served, because the bar
    would be misleadingly short."""
    for y, model, clients in bar_places(runs):
        bar(axes, y, runs.where(model=model, connections=clients), column,
            scale, whole_only)
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.15, y=0.02)
    axes.set_xlim(left=0)


def bar(axes, y, of, column, scale, whole_only):
    """Draws the bar of one cell with its range, and its median as a number. If
    not all clients were served, the bar is hatched, or with `whole_only`
    replaced by words. Words also replace a figure that is unknown."""
    whole, shade = of.all_served(), colour(of[0]["model"])
    words = "" if of.sample(column) else "unknown"
    if whole_only and not whole:
        words = (f"{of.median('served'):,.0f} of "
                 f"{of[0]['connections']:,.0f} served")
    if words:
        axes.annotate(words, (0, y), xytext=(6, 0), textcoords="offset points",
                      va="center", color=WARNING_COLOUR, fontsize=SMALL)
        return
    middle, low, high = (value / scale for value in of.spread(column))
    axes.barh(y, middle, 0.85, edgecolor=shade, linewidth=1.2,
              color=shade if whole else "white",
              hatch=None if whole else "///",
              xerr=[[middle - low], [high - middle]],
              error_kw={"elinewidth": 1.2, "capsize": 3, "ecolor": "#222222"})
    axes.annotate(rounded(middle), (high, y), xytext=(6, 0),
                  textcoords="offset points", va="center", fontsize=SMALL,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})


def model_bars(axes, title, runs, column, scale=1, **text_style):
    """Draws one bar for each model, with the name of the model beside it.
    `text_style` is that of the title."""
    axes.set_title(title, **text_style)
    for y, (_, of) in enumerate(reversed(list(runs.by("model")))):
        bar(axes, y, of, column, scale, whole_only=True)
    name_rows(axes, runs.models())
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.2)
    axes.set_xlim(left=0)


def name_rows(axes, models):
    """Writes the name of a model beside each row, from the top down."""
    axes.set_yticks(range(len(models)), reversed(models), fontweight="bold")
    for label, model in zip(axes.get_yticklabels(), reversed(models)):
        label.set_color(colour(model))
    axes.grid(axis="y", visible=False)
    axes.set_ylim(-0.6, len(models) - 0.4)


# ---- Lines over the load


def explained(experiment, runs):
    """Yields a sentence for each special marker that occurs in a picture."""
    cells = [of for _, mine in runs.by("model")
             for _, of in mine.by(experiment.axis)]
    if any(of.client_limited() for of in cells):
        yield ("Hollow: the client is at its limit, the server could do at "
               "least this much.")
    if not all(of.all_served() for of in cells):
        yield "Cross: not all clients were served; the label says how many."


def load_axis(axes, experiment, runs, what):
    """Makes the axis of loads logarithmic. A load gets a tick if it is far
    enough from the next load. A load of 0 is drawn one step before the
    first."""
    loads = runs.values(experiment.axis)
    far = [load for load, following in zip(loads, [*loads[1:], math.inf])
           if following > 2 * load]
    first = next((load for load in loads if load > 0), 1)
    axes.set_xscale("symlog", linthresh=first, linscale=0.5)
    axes.set_xlim(0.8 * loads[0] or -0.15 * first, 1.25 * loads[-1])
    axes.set_xticks(far)
    axes.xaxis.set_major_formatter(short)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(what)


def log_axis(axes, values, name="y"):
    """Makes an axis logarithmic, as long as needed, in round numbers."""
    values = [value for value in values if value > 0]  # NaN is not, either.
    low, high = min(values) / 1.25, 1.25 * max(values)
    axes.set(**{f"{name}scale": "log", f"{name}lim": (low, high)})
    axis = axes.yaxis if name == "y" else axes.xaxis
    axis.set_major_locator(LogLocator(
        subs=(1, 2, 3, 5) if high < 1000 * low else (1, 3), numticks=99))
    axis.set_major_formatter(short)
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def log_lines(axes, title, experiment, runs, column, scale=1, **more):
    """Draws the same as lines(), on a logarithmic axis."""
    log_axis(axes, [run[column] / scale for run in runs])
    lines(axes, f"{title} (logarithmic)", experiment, runs, column, scale,
          **more)


def lines(axes, title, experiment, runs, column, scale=1,
          hollow=lambda of: False):
    """Draws one line over the load for each model, in a band from the lowest to
    the highest value. Markers are hollow where `hollow(runs)` is true: the
    server could reach more than these values. Unknown values are left out."""
    axes.set_title(title)
    ends, few = [], len(runs.models()) <= MODELS_PER_SLIDE
    for model, mine in runs.by("model"):
        cells = [(load, of) for load, of in mine.by(experiment.axis)
                 if of.sample(column)]
        if not cells:
            continue
        x = [load for load, _ in cells]
        middle, low, high = zip(*(
            [value / scale for value in of.spread(column)] for _, of in cells))
        middle = [max(value, axes.get_ylim()[0]) for value in middle]
        axes.fill_between(x, low, high, color=colour(model), linewidth=0,
                          alpha=0.18 if few else 0.06)
        axes.plot(x, middle, color=colour(model), linewidth=2)
        for at, value, (_, of) in zip(x, middle, cells):
            mark(axes, at, value, model, of, hollow(of))
        ends.append((middle[-1], x[-1], model, end_label(model, cells[-1][1])))
    label_ends(axes, ends)


def mark(axes, x, y, model, of, hollow):
    """Draws the marker of a point: a cross if not all clients were served."""
    shade, shape = style(model)
    axes.plot(x, y, marker=shape if of.all_served() else "x", color=shade,
              markersize=9, markerfacecolor="white" if hollow else shade,
              markeredgewidth=2)


def end_label(model, of):
    """Returns the label of a line: the model, with a warning if not all clients
    were served at its right end."""
    if of.all_served():
        return model
    share = of.median("served") / of.median("connections")
    return f"{model}:\n{rounded(100 * share, 2)} % served"


def label_ends(axes, ends):
    """Writes the labels of lines in a column at the right, within the height of
    the axes, each as close to its line as the others allow."""
    axes.figure.canvas.draw()
    last = max(x for _, x, *_ in ends)
    line = 18 * axes.figure.dpi / 72
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
            fontsize=LABEL, fontweight="bold", annotation_clip=False,
            bbox={"facecolor": "white", "linewidth": 0, "alpha": 0.8, "pad": 1})

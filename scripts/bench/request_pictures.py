"""Draws the pictures that show single requests: hog and timeline. Needs
matplotlib.

If the server recorded its part (see record.py), the pictures show when and on
which core it computed each request. If not, they show only what the client
measured, and say so.
"""

import itertools

from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from bench import request_log
from bench.design import deciding
from bench.request_log import Recorded
from bench.style import (
    SMALL, WARNING_COLOUR, about_rounds, colour, model_bars, note, short)
from lib.text import listed

# A request waits from its sending to its reply. The server has it from its
# receipt until the reply is sent.
WAITING_COLOUR, RECEIVED_COLOUR, LEGEND_COLOUR = "#DDDDDD", "#AAAAAA", "#444444"

HATCHES = ("", "---", "...", "xxx")  # of the cores; reused for more cores
ROW = 0.75  # the height of a bar; rows are 1 apart


def spans_by_model(runs, spans, recorded):
    """Returns the spans that a picture shows, by model. They belong to the run
    that the server recorded, or else to one that only the client measured.
    Models without spans are left out."""
    found = {model: [span for span in recorded if span.model == model]
             or request_log.shown(spans, model) for model in runs.models()}
    return {model: mine for model, mine in found.items() if mine}


def last_us(shown):
    """Returns when the client got its last reply, in µs."""
    return max(span.end_us for spans in shown.values() for span in spans)


def is_recorded(spans):
    """Returns whether the server recorded these spans."""
    return isinstance(spans[0], Recorded)


def sentences(shown, of_recorded, of_seen):
    """Yields sentences for the note: `of_recorded` if some servers recorded
    their part, and `of_seen` if others did not. If both are true, the second
    sentence begins with the names of its models."""
    seen = [model for model in shown if not is_recorded(shown[model])]
    if len(seen) < len(shown):
        yield of_recorded
    if seen:
        about = f"{listed(seen)}: " if len(seen) < len(shown) else ""
        yield about + of_seen


# ---- A request of which the server recorded its part


def hatches_of(recorded):
    """Returns the hatch of each core that computed requests of a picture."""
    cores = {span.core for span in recorded} - {None}
    return dict(zip(sorted(cores), itertools.cycle(HATCHES)))


def draw_legend(figure, hatches):
    """Draws the legend of requests at the lower right."""
    shades = [Patch(facecolor=WAITING_COLOUR, label="not yet received"),
              Patch(facecolor=RECEIVED_COLOUR, label="received")]
    for hatch in dict.fromkeys(hatches.values()):
        cores = [core for core in hatches if hatches[core] == hatch]
        noun = "core" if len(cores) == 1 else "cores"
        shades.append(Patch(facecolor=LEGEND_COLOUR, edgecolor="white",
                            hatch=hatch,
                            label=f"computed on {noun} {listed(cores)}"))
    figure.legend(handles=shades, ncols=len(shades), frameon=False,
                  fontsize=SMALL, loc="center right", borderaxespad=0,
                  columnspacing=1.2, handletextpad=0.5,
                  bbox_to_anchor=(0.98, 0.95 / figure.get_figheight()))


def bar(axes, row, begin, end, **look):
    """Draws a bar in a row: rows are at 0, -1, -2 and so on. A picture has
    thousands of bars, and axes.barh() would take most of the time. The caller
    sets the limits of the axes."""
    axes.add_artist(Rectangle((begin, row - ROW / 2), end - begin, ROW, **look))


def draw_recorded(axes, y, span, hatches, unit_us):
    """Draws a request as three bars, each inside the last: from sending to
    reply, while the server has the request, and while it computes. `unit_us` is
    the unit of the axis in µs."""
    for begin_us, end_us, look in (
            (span.begin_us, span.end_us, {"color": WAITING_COLOUR}),
            (span.received_us, span.replied_us, {"color": RECEIVED_COLOUR}),
            (span.computing_us, span.computed_us, {
                "facecolor": colour(span.model), "edgecolor": "white",
                "linewidth": 0.8, "hatch": hatches.get(span.core, "")})):
        if None not in (begin_us, end_us):
            bar(axes, y, begin_us / unit_us, end_us / unit_us, **look)


# ---- hog: replies over time, and a bar for what was kept


def draw_hog(figure, experiment, runs, spans, recorded):
    """Draws the small replies over time and the long requests at the left, and
    which share of the rate each model keeps at the right."""
    at = deciding(experiment, runs)
    shown, hatches = spans_by_model(at, spans, recorded), hatches_of(recorded)
    figure.subplots_adjust(left=0.17, right=0.98)
    left, right = figure.add_gridspec(1, 2, width_ratios=(3, 2), wspace=0.4)
    panels = disturbance_panels(figure, left, shown)
    panels[0][1].set_xlim(0, last_us(shown) / 1e6)
    for (long, small), mine in zip(panels, shown.values()):
        draw_stream(small, mine)
        if long:
            draw_long(long, mine, hatches)
        else:
            shade_long(small, mine)
    model_bars(figure.add_subplot(right),
               "% of the rate before\nthe long requests", at,
               "kept_beside_hogs", scale=0.01)
    if recorded:
        draw_legend(figure, hatches)
    note(figure, runs,
         about_rounds(runs).replace("Medians", "Right: medians"),
         "Left: one run of each.", *sentences(
             shown,
             "Recorded after the measured runs; a row is a client that asks "
             "for fib(40). Computations that overlap share the core.",
             "Seen by the client only; shaded while long requests are in "
             "flight."))


def disturbance_panels(figure, place, shown):
    """Returns two axes for each model, one above the other: for the long
    requests, and for the small replies. The first is None if the server did not
    record the long requests."""
    panels, first = [], None
    for (model, mine), cell in zip(
            shown.items(),
            place.subgridspec(max(1, len(shown)), 1, hspace=0.3)):
        long, upper = None, None
        if is_recorded(mine):
            upper, cell = cell.subgridspec(2, 1, hspace=0.1,
                                           height_ratios=(4, 5))
        small = figure.add_subplot(cell, sharex=first, sharey=first)
        first = first or small
        if upper:
            long = figure.add_subplot(upper, sharex=first)
            long.set_axis_off()
        small.tick_params(labelbottom=len(panels) + 1 == len(shown))
        small.set_ylabel(model.replace(" --", "\n--"), color=colour(model),
                         fontweight="bold", rotation=0, ha="right", va="center")
        panels.append((long, small))
    long, small = panels[0]
    title = "small replies in each tenth of a second"
    (long or small).set_title(f"long requests; {title}" if long else title)
    panels[-1][1].set_xlabel("time, s")
    return panels


def of_kind(spans, kind):
    """Returns the spans of a kind."""
    return [span for span in spans if span.kind == kind]


def draw_stream(axes, spans):
    """Draws the small replies over time, as an area."""
    stream = of_kind(spans, request_log.STREAM)
    axes.stairs([span.replies for span in stream],
                [0, *(span.end_us / 1e6 for span in stream)],
                fill=True, color=colour(spans[0].model))
    axes.yaxis.set_major_formatter(short)
    axes.yaxis.set_major_locator(MaxNLocator(2))
    axes.tick_params(labelsize=SMALL)


def draw_long(axes, spans, hatches):
    """Draws the long requests, a row for each client, from the top down."""
    hogs = of_kind(spans, request_log.HOG)
    clients = sorted({span.connection for span in hogs})
    axes.set_ylim(0.5 - len(clients), 0.5)
    for span in hogs:
        draw_recorded(axes, -clients.index(span.connection), span, hatches,
                      1e6)


def shade_long(axes, spans):
    """Shades the time of the long requests, behind the small replies."""
    hogs = of_kind(spans, request_log.HOG)
    if hogs:
        axes.axvspan(min(span.begin_us for span in hogs) / 1e6,
                     max(span.end_us for span in hogs) / 1e6,
                     color=WAITING_COLOUR, linewidth=0)


# ---- timeline: a bar for every request


def draw_timeline(figure, _experiment, runs, spans, recorded):
    """Draws a bar for every request, with a panel for each model."""
    shown, hatches = spans_by_model(runs, spans, recorded), hatches_of(recorded)
    panels = timeline_panels(figure, len(shown))
    panels[0].set_xlim(0, last_us(shown) / 1000)
    for axes, (model, mine) in zip(panels, shown.items()):
        draw_clients(axes, mine, runs.where(model=model), hatches)
    if recorded:
        draw_legend(figure, hatches)
    note(figure, runs, "One run of each, of median length. A row is a client, "
         "a bar a request, from its sending to its reply.", *sentences(
             shown,
             "Recorded after the measured runs, so it may take another time "
             "than they did. A computation takes longer if it shares its core, "
             "and has the pattern of the core where it ended.",
             "Seen by the client only: the coloured end of a bar is as long as "
             "the average CPU time of a request."))


def timeline_panels(figure, number):
    """Returns `number` axes, in rows of at most three."""
    columns = min(3, number)
    rows = -(-number // columns)
    figure.set_figheight(max(figure.get_figheight(), 1.9 * rows + 2.6))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True,
                             squeeze=False).flatten()
    figure.subplots_adjust(left=0.04, right=0.98, wspace=0.06,
                           hspace=0.35 if rows < 3 else 0.6)
    for axes in panels[number:]:
        axes.set_axis_off()

    def time_label(ms, _):
        """Returns the label of a time. It is empty at the right end of a panel,
        where it would overlap the first label of the next panel."""
        if ms == 0:
            return "0 ms"
        return f"{ms:g}" if ms < 0.95 * panels[0].get_xlim()[1] else ""

    panels[0].xaxis.set_major_locator(MaxNLocator(5))
    panels[0].xaxis.set_major_formatter(time_label)
    return panels[:number]


def draw_clients(axes, spans, of, hatches):
    """Draws the requests of one model, with a row for each connection, from the
    top down. `of` are its measured runs."""
    model, clients = spans[0].model, int(of[0]["connections"])
    first = min(span.connection for span in spans)
    last_ms = max(span.end_us for span in spans) / 1000
    axes.set_ylim(0.5 - clients, 0.5)
    for row in range(clients):
        mine = [span for span in spans if span.connection == first + row]
        for span in mine:
            if is_recorded(mine):
                draw_recorded(axes, -row, span, hatches, 1000)
            else:
                draw_seen(axes, -row, span, of.median("server_cpu_ms_per_req"))
        if not mine:
            bar(axes, -row, 0, last_ms, color=WAITING_COLOUR)
            axes.annotate("no reply", (last_ms / 2, -row), ha="center",
                          va="center", color=WARNING_COLOUR, fontsize=SMALL)
    axes.set_title(model, color=colour(model), fontweight="bold")
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.xaxis.set_tick_params(labelbottom=True, labelsize=SMALL)


def draw_seen(axes, y, span, cpu_ms):
    """Draws a request that only the client measured, as a grey bar. The end of
    the bar is coloured for `cpu_ms`, the average CPU time of a request."""
    begin_ms, end_ms = span.begin_us / 1000, span.end_us / 1000
    computed_ms = min(cpu_ms, end_ms - begin_ms)
    bar(axes, y, begin_ms, end_ms, color=WAITING_COLOUR)
    bar(axes, y, end_ms - computed_ms, end_ms, facecolor=colour(span.model),
        edgecolor="white", linewidth=0.8)

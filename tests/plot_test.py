#!/usr/bin/env python3
"""Tests of the pictures: they must show the figures of runs.csv. The pictures
are drawn from the reference run, to which with_troubles() adds faults. What
matplotlib was told to draw is compared with the file. The tests read the file
with code of their own, so that an error in ours is found. Needs matplotlib.
Parts: see tap.py."""

import contextlib
import csv
import io
import itertools
import math
import os
import pathlib
import shutil
import sys
import tempfile
import unittest
import unittest.mock
from collections import defaultdict
from statistics import median

import tap
from programs import rows_of
from sentences import facts
from under_test import (
    EXPERIMENTS, MODELS, REFERENCE, classroom, finding, finished, machine,
    read_runs)

BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}
# The experiments of the reference run: a default bench of the five models.
SHOWN = {name for name, experiment in BY_NAME.items()
         if experiment.models(MODELS) and not experiment.by_request}
RUNTIMES = REFERENCE / "elsewhere"  # our models beside other runtimes
GREYS = ("#DDDDDD", "#AAAAAA")  # of a request: not yet received, received
LOGS = ("hog", "timeline")  # the experiments with a log of single requests
CAUSES = ("wrong", "error_replies", "failed", "timeouts")
CELL = ("experiment", "model", "connections", "idle", "hogs")


# ---- What runs.csv says


def with_troubles(rows):
    """Yields the rows of a runs.csv, and rows of two more models, whose figures
    are higher than those of thread. In some rows clients are not served, the
    load client is busy, or a reply is wrong."""
    for run in rows:
        yield run
        if run["model"] == "thread":
            for model, factor in (("pool", 1.25), ("mine", 1.5)):
                more = {name: factor * float(run[name]) for name in (
                    "req_per_s", "server_cpu_us_per_req", "pss_kib", "max_us")}
                yield {**run, "model": model, **more}
        if run["model"] == "coroutine" and run["experiment"] == "throughput":
            run["client_cpu_share"] = "0.95"
        if run["model"] == "nonblocking" and run["experiment"] == "churn":
            run["served"] = "0"
        if run["model"] == "fork" and run["round"] == "1":
            run["wrong"] = "1"


def best_attempts(rows):
    """Returns the rows without the disturbed attempts: of a run that was made
    twice, the attempt beside which other programs used less CPU time."""
    best = {}
    for run in rows:
        place = (*(run[name] for name in CELL), run["round"])
        if place not in best or run["foreign_cores"] < best[place][
                "foreign_cores"]:
            best[place] = run
    return best.values()


class Measured:
    """The runs of a runs.csv without wrong or failed requests, by their cell:
    experiment, model and load."""

    def __init__(self, path):
        rows = [{name: text if name in ("experiment", "model", "placement")
                 else float(text) for name, text in row.items()}
                for row in rows_of(path)]
        self.cells = defaultdict(list)
        for run in best_attempts(rows):
            if not any(run[cause] for cause in CAUSES):
                self.cells[tuple(run[name] for name in CELL)].append(run)

    def runs(self, experiment, model, connections, idle=0, hogs=0):
        return self.cells[experiment, model, connections, idle, hogs]

    def loads(self, experiment, model, axis="connections"):
        """Returns the loads of a model that have runs, from the lowest."""
        place = CELL.index(axis)
        return sorted(cell[place] for cell in self.cells
                      if cell[:2] == (experiment, model) and self.cells[cell])

    def models(self, experiment):
        return {cell[1] for cell in self.cells if cell[0] == experiment}

    def kib_per_idle(self, run):
        """Returns the memory of one idle client: what the server takes more
        than in the run of the same round without idle clients."""
        without, = (other for other in self.runs("idle", run["model"],
                                                 run["connections"])
                    if other["round"] == run["round"])
        return (run["pss_kib"] - without["pss_kib"]) / run["idle"]


def all_served(runs):
    """Returns whether all clients were served. One percent of them may be
    missing: they got no reply within the window of the measurement."""
    return (median(run["served"] for run in runs)
            > 0.99 * median(run["connections"] for run in runs))


def column(name):
    """Returns a function that returns this column of a run."""
    return lambda run: run[name]


def share_of_maximum(run):
    """Returns the rate of a run in percent of the maximum: replies are delayed
    by 100 ms, so that each client gets at most ten per second."""
    return 10 * run["replies"] / run["server_wall_s"] / run["connections"]


def spread(runs, figure):
    """Returns median, lowest and highest value of `figure(run)`. Leaves out
    infinite values and NaN: without a reply there is no cost per reply."""
    values = [value for value in map(figure, runs) if math.isfinite(value)]
    return median(values), min(values), max(values)


# ---- What is drawn


def hex_of(shade):
    return matplotlib.colors.to_hex(shade).upper()


def names_beside(axes):
    """Returns the models that are named to the left of groups of bars, by the
    height of the group's middle."""
    return {round(text.xy[1], 6): text.get_text() for text in axes.texts
            if text.xycoords == ("axes fraction", "data")}


def places(axes):
    """Returns the labels beside each bar: its model and load, by its height."""
    ticks = axes.get_yticks()
    loads = [int(label.get_text().split()[0].replace(",", ""))
             for label in axes.get_yticklabels()]
    groups, names = [[]], names_beside(axes)
    for y, load in zip(ticks, loads):
        if groups[-1] and groups[-1][-1][0] - y > 1.5:
            groups.append([])
        groups[-1].append((y, load))
    return {round(y, 6): (names[round(sum(y for y, _ in group) / len(group),
                                      6)], load)
            for group in groups for y, load in group}


def model_places(axes):
    """Returns the label of each bar, by its height, for a panel in which every
    model has one bar: the label is the model."""
    return {round(y, 6): label.get_text() for y, label in zip(
        axes.get_yticks(), axes.get_yticklabels())}


class Bar:
    """A horizontal bar with its error bar and the number at its end."""

    def __init__(self, axes, container):
        patch, = container.patches
        (low, _), (high, _) = container.errorbar.lines[2][0].get_segments()[0]
        self.y = round(middle_of(patch), 6)
        self.spread = patch.get_width(), low, high
        self.shade = hex_of(patch.get_edgecolor())
        self.whole = not patch.get_hatch()
        self.number, = (text.get_text() for text in axes.texts
                        if math.isclose(text.xy[0], high)
                        and math.isclose(text.xy[1], self.y, abs_tol=1e-6))


def bars(axes):
    """Returns the bars of a panel that have an error bar."""
    return [Bar(axes, container) for container in axes.containers
            if isinstance(container, matplotlib.container.BarContainer)]


def words(axes):
    """Returns the texts that stand in place of a bar, by the bar's height."""
    return {round(text.xy[1], 6): text.get_text() for text in axes.texts
            if text.xy[0] == 0 and text.xycoords == "data"}


def lines(axes, style="-"):
    """Returns the lines with more than one point, by their colour."""
    return {hex_of(line.get_color()): line for line in axes.lines
            if line.get_linestyle() == style and len(line.get_xdata()) > 1}


def marks(axes):
    """Returns the shape and the fill colour of each mark, by its own colour and
    its x. A hollow mark is filled with white."""
    return {(hex_of(line.get_color()), line.get_xdata()[0]): (
                line.get_marker(), hex_of(line.get_markerfacecolor()))
            for line in axes.lines if len(line.get_xdata()) == 1}


def bands(axes):
    """Returns the bands around lines, by their colour: for each x the lowest
    and the highest value."""
    found = {}
    for area in axes.collections:
        if isinstance(area, matplotlib.collections.PolyCollection):
            heights = defaultdict(set)
            for x, y in area.get_paths()[0].vertices:
                heights[x].add(y)
            found[hex_of(area.get_facecolor()[0][:3])] = {
                x: (min(ys), max(ys)) for x, ys in heights.items()}
    return found


def middle_of(patch):
    """Returns the height of the middle of a bar."""
    return patch.get_y() + patch.get_height() / 2


def timeline_panels(figure):
    """Returns the panels of the picture timeline, by model."""
    return {axes.get_title(loc="left"): axes for axes in figure.axes
            if axes.get_title(loc="left")}


@contextlib.contextmanager
def instead_of_files():
    """Yields a dictionary, in which the figures that are drawn in the `with`
    block are kept by name. No file is written."""
    figures = {}

    def keep(figure, _directory, name):
        figures[name] = figure

    with unittest.mock.patch.object(pictures, "save", keep):
        yield figures


def draw_all(directory):
    """Returns all figures that the bench draws from a folder, by name."""
    with instead_of_files() as figures:
        pictures.draw(directory)
    return figures


def draw_some(directory, *names):
    """Returns the figures of the experiments `names`, by name, and the text
    that was printed to standard error."""
    with instead_of_files() as figures, \
            contextlib.redirect_stderr(io.StringIO()) as said:
        for experiment, runs in finished(read_runs(directory / "runs.csv")):
            if experiment.name in names:
                pictures.draw_one(directory, experiment, runs)
    return figures, said.getvalue()


def write_runs(directory):
    """Writes the reference run to a runs.csv, changed by with_troubles()."""
    rows = list(with_troubles(rows_of(REFERENCE / "runs.csv")))
    with open(directory / "runs.csv", "w", newline="",
              encoding="utf-8") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)


def setUpModule():
    """Writes the reference run, with troubles, to Drawn.directory, and draws
    its pictures. The servers' recordings are copied to the folder in between:
    Drawn.seen has the pictures without them, Drawn.figures those with them."""
    scratch = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(scratch.cleanup)
    unittest.addModuleCleanup(pictures.plt.close, "all")
    Drawn.directory = pathlib.Path(scratch.name)
    write_runs(Drawn.directory)
    for name in LOGS:
        shutil.copy(REFERENCE / f"{name}.csv", Drawn.directory)
    Drawn.seen, _ = draw_some(Drawn.directory, *LOGS)
    for name in LOGS:
        shutil.copy(REFERENCE / f"{name}-recorded.csv", Drawn.directory)
    Drawn.measured = Measured(Drawn.directory / "runs.csv")
    Drawn.figures = draw_all(Drawn.directory)
    with unittest.mock.patch.object(pictures, "draw_one"):
        Drawn.figures["elsewhere"] = draw_all(RUNTIMES)["elsewhere"]


class Drawn(unittest.TestCase):
    """Base of the tests that compare drawn figures with measured ones."""

    def same(self, drawn, said, what):
        """Checks that two numbers, or two lists of numbers, are equal."""
        drawn, said = ([*value] if hasattr(value, "__iter__") else [value]
                       for value in (drawn, said))
        self.assertEqual(len(drawn), len(said), what)
        for a, b in zip(drawn, said):
            self.assertTrue(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9),
                            f"{what}: {drawn} is drawn, {said} is measured")

    def check_bar(self, bar, model, runs, figure):
        """Checks the length, error bar, colour and number of a bar."""
        expected = spread(runs, figure)
        self.same(bar.spread, expected, model)
        self.assertEqual(bar.shade, style.colour(model).upper())
        self.assertTrue(math.isclose(float(bar.number.replace(",", "")),
                                     expected[0], rel_tol=0.006),
                        f"{model}: {bar.number} at a bar of {expected[0]}")

    def check_bars(self, axes, beside, experiment, figure, whole_only):
        """Checks that a panel has a bar for each model and load, as the labels
        of the panel `beside` name them. With `whole_only`, there must be words
        instead of a bar for runs in which not all clients were served."""
        where = places(beside)
        self.assertCountEqual(where.values(), [
            (model, load) for model in self.measured.models(experiment)
            for load in self.measured.loads(experiment, model)])
        drawn = {bar.y: bar for bar in bars(axes)}
        for y, (model, load) in where.items():
            runs = self.measured.runs(experiment, model, load)
            if whole_only and not all_served(runs):
                self.assertNotIn(y, drawn)
                self.assertEqual(facts(words(axes)[y]).split()[1:], [
                    f"{value:.0f}" for value in sorted(
                        (median(run["served"] for run in runs), load))])
                continue
            self.check_bar(drawn.pop(y), model, runs, figure)
        self.assertEqual([bar for bar in drawn.values() if bar.whole], [])

    def check_model_bars(self, axes, runs_of, figure, beside=None):
        """Checks that a panel has one bar for each model that served all
        clients, and words instead of a bar for every other model. The panel
        `beside` has the labels, by default this one."""
        drawn = {bar.y: bar for bar in bars(axes)}
        for y, model in model_places(beside or axes).items():
            runs = runs_of(model)
            if all_served(runs):
                self.check_bar(drawn.pop(y), model, runs, figure)
            else:
                self.assertNotIn(y, drawn)
                self.assertIn(y, words(axes))
        self.assertEqual(drawn, {})

    def check_lines(self, axes, experiment, figure, runs_of, axis):
        """Checks that a panel has for each model a line, a band around it, and
        a mark for each load: a cross if not all clients were served."""
        found, area, marked = lines(axes), bands(axes), marks(axes)
        lowest, last = axes.get_ylim()[0], max(map(max, (
            line.get_xdata() for line in found.values())))
        self.assertEqual(len(found), len(self.measured.models(experiment)))
        for model in self.measured.models(experiment):
            shade = style.colour(model).upper()
            loads = self.measured.loads(experiment, model, axis)
            spreads = [spread(runs_of(model, load), figure) for load in loads]
            self.same(found[shade].get_xdata(), loads, model)
            self.same(found[shade].get_ydata(),
                      [max(lowest, middle) for middle, *_ in spreads], model)
            for load, (_, low, high) in zip(loads, spreads):
                self.same(area[shade][load], (low, high), model)
                mark, _ = marked.pop((shade, load))
                cross = not all_served(runs_of(model, load))
                self.assertEqual(mark == "x", cross, f"{model} at {load}")
            self.check_end(axes, model, runs_of(model, loads[-1]),
                           (last, max(lowest, spreads[-1][0])))
        self.assertEqual(marked, {})

    def check_stream(self, axes, model, rows):
        """Checks that a panel shows the replies to small requests, for each
        tenth of a second, in the colour of the model."""
        steps, = (patch for patch in axes.patches
                  if isinstance(patch, matplotlib.patches.StepPatch))
        values, edges, _ = steps.get_data()
        self.same(values, [int(row["replies"]) for row in rows], model)
        self.same(edges, [0, *(int(row["end_us"]) / 1e6 for row in rows)],
                  model)
        self.assertEqual(hex_of(steps.get_facecolor()),
                         style.colour(model).upper())

    def check_end(self, axes, model, runs, end):
        """Checks the label of a line: it stands at the line's end, names the
        model, and after a colon the clients served if not all were."""
        label, = (text for text in axes.texts
                  if text.get_text().split(":")[0] == model)
        self.same(label.xy, end, model)
        self.assertEqual(hex_of(label.get_color()),
                         style.colour(model).upper())
        self.assertEqual(":" in label.get_text(), not all_served(runs))

    def check_inside(self, figure, name):
        """Checks that no text and no title of a panel leaves the picture, or
        touches its right edge."""
        width, height = figure.get_size_inches() * figure.dpi
        figure.canvas.draw()
        texts = [*figure.texts, *(text for axes in figure.axes
                                  for text in axes.get_children()
                                  if isinstance(text, matplotlib.text.Text))]
        for text in texts:
            box = text.get_window_extent()
            self.assertTrue(
                -1 <= box.x0 and box.x1 <= 0.985 * width and
                -1 <= box.y0 and box.y1 <= height + 1,
                f"{name}: {text.get_text()!r} is cut off")


class Frames(Drawn):
    def test_each_experiment_has_a_picture(self):
        self.assertEqual(set(self.figures), SHOWN | {"elsewhere"})
        self.assertEqual(set(pictures.PICTURES), set(BY_NAME))

    def test_the_finding_and_the_question_stand_above(self):
        shown = dict(finished(read_runs(self.directory / "runs.csv")))
        self.assertEqual(len(shown), len(SHOWN))
        for experiment, runs in shown.items():
            title, said, *_ = (
                text.get_text() for text in self.figures[experiment.name].texts)
            self.assertEqual(title, experiment.question)
            self.assertEqual(" ".join(said.split()), finding(experiment, runs))

    def test_nothing_that_is_drawn_leaves_the_picture(self):
        for name, figure in self.figures.items():
            self.check_inside(figure, name)

    def test_letters_can_be_read_from_the_last_row(self):
        """Checks that every letter is at least 18 pixels high where the picture
        is 1,280 pixels wide."""
        for name, figure in self.figures.items():
            wide_points = 72 * figure.get_size_inches()[0]
            for text in figure.findobj(matplotlib.text.Text):
                if text.get_text():
                    self.assertGreaterEqual(
                        1280 / wide_points * text.get_fontsize(), 18,
                        f"{name}: {text.get_text()!r}")

    def test_one_bad_picture_does_not_lose_the_others(self):
        def fail(*_):
            raise ZeroDivisionError

        drawn = []
        sketched = dict.fromkeys(pictures.PICTURES, lambda *_: None)
        sketched["latency"] = fail
        with unittest.mock.patch.object(
                pictures, "save", lambda *what: drawn.append(what[-1])), \
                unittest.mock.patch.dict(pictures.PICTURES, sketched), \
                contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(pictures.draw(self.directory), 1)
        self.assertEqual(set(drawn), SHOWN - {"latency"})
        self.assertIn("latency", said.getvalue())

    def test_a_picture_is_written_whole(self):
        figure = pictures.plt.figure()
        with tempfile.TemporaryDirectory() as scratch:
            pictures.save(figure, pathlib.Path(scratch), "x")
            path, = pathlib.Path(scratch).iterdir()
            self.assertEqual(path.name, "x.png")
            self.assertEqual(path.read_bytes()[:4], b"\x89PNG")
        self.assertFalse(pictures.plt.fignum_exists(figure.number))


class Colours(unittest.TestCase):
    """Colour-blind people can tell the five models apart by their colours.
    EYES has for each kind of eye the matrix of Machado (2009) that converts a
    linear RGB colour to the one it sees. Colours are compared in CIELAB, where
    the eye can just see a distance of 2.3."""

    EYES = {
        "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        "protanopia": ((0.1523, 1.0526, -0.2049), (0.1145, 0.7863, 0.0992),
                       (-0.0039, -0.0481, 1.0520)),
        "deuteranopia": ((0.3673, 0.8606, -0.2280), (0.2801, 0.6725, 0.0474),
                         (-0.0118, 0.0429, 0.9689)),
        "tritanopia": ((1.2555, -0.0767, -0.1788), (-0.0784, 0.9308, 0.1476),
                       (0.0047, 0.6914, 0.3039)),
    }
    TO_XYZ = ((0.4339, 0.3762, 0.1899), (0.2126, 0.7152, 0.0722),
              (0.0177, 0.1095, 0.8729))  # scaled so that white is (1, 1, 1)

    def lab(self, shade, eye):
        """Returns a colour in CIELAB, as this kind of eye sees it."""
        linear = [value / 12.92 if value <= 0.04045
                  else ((value + 0.055) / 1.055) ** 2.4
                  for value in matplotlib.colors.to_rgb(shade)]
        for matrix in (self.EYES[eye], self.TO_XYZ):
            linear = [min(1, max(0, sum(a * b for a, b in zip(row, linear))))
                      for row in matrix]
        x, y, z = (value ** (1 / 3) if value > 0.008856
                   else 7.787 * value + 16 / 116 for value in linear)
        return 116 * y - 16, 500 * (x - y), 200 * (y - z)

    def test_models_are_apart_for_every_eye(self):
        for eye in self.EYES:
            seen = {model: self.lab(style.colour(model), eye)
                    for model in (*MODELS, "coroutine --trap")}
            least = 18 if eye == "tritanopia" else 22  # It is very rare.
            for a, b in itertools.combinations(seen, 2):
                self.assertGreater(math.dist(seen[a], seen[b]), least,
                                   f"{a} and {b}, {eye}")


class Bars(Drawn):
    def check(self, name, figures):
        """Checks the bars of a picture. `figures` has for each panel, from the
        left, its figure and `whole_only`: see check_bars()."""
        panels = self.figures[name].axes
        self.assertEqual(len(panels), len(figures))
        for axes, (figure, whole_only) in zip(panels, figures):
            self.check_bars(axes, panels[0], name, figure, whole_only)

    def test_latency(self):
        self.check("latency", (
            (column("req_per_s"), False),
            (lambda run: run["p50_us"] / 1000, True)))

    def test_churn(self):
        self.check("churn", ((column("server_cpu_us_per_req"), True),
                             (column("req_per_s"), False)))

    def test_there_are_words_and_hatches(self):
        """Checks that the picture has words in place of bars, and hatched bars.
        Otherwise test_churn() would not test them."""
        cost, rate = self.figures["churn"].axes
        self.assertTrue(words(cost))
        self.assertFalse(all(bar.whole for bar in bars(rate)))


class Lines(Drawn):
    def runs_at(self, experiment):
        """Returns a function that returns the runs of a model at a load."""
        return lambda model, load: self.measured.runs(experiment, model, load)

    def test_throughput(self):
        rate, cost = self.figures["throughput"].axes
        for axes, name in ((rate, "req_per_s"),
                           (cost, "server_cpu_us_per_req")):
            self.check_lines(axes, "throughput", column(name),
                             self.runs_at("throughput"), "connections")

    def test_hollow_marks_where_the_client_is_the_limit(self):
        rate, cost = self.figures["throughput"].axes
        hollow = set()
        for model in self.measured.models("throughput"):
            for load in self.measured.loads("throughput", model):
                runs = self.measured.runs("throughput", model, load)
                _, fill = marks(rate)[style.colour(model).upper(), load]
                limited = median(run["client_cpu_share"] for run in runs) >= 0.9
                self.assertEqual(fill == "#FFFFFF", limited, (model, load))
                hollow.add(limited)
        self.assertEqual(hollow, {True, False})
        self.assertNotIn("#FFFFFF", [fill for _, fill in
                                     marks(cost).values()])

    def idle_runs(self, model, idle):
        return self.measured.runs("idle", model, 10, idle=idle)

    def test_idle(self):
        rate, memory = self.figures["idle"].axes
        self.check_lines(rate, "idle", column("req_per_s"), self.idle_runs,
                         "idle")
        self.assertEqual(set(model_places(memory).values()),
                         self.measured.models("idle"))
        self.check_model_bars(
            memory, lambda model: self.idle_runs(model, max(
                self.measured.loads("idle", model, "idle"))),
            self.measured.kib_per_idle)

    def test_wait(self):
        share, cost = self.figures["wait"].axes
        self.check_lines(share, "wait", share_of_maximum,
                         self.runs_at("wait"), "connections")
        load = BY_NAME["wait"].load
        self.assertEqual(set(model_places(cost).values()),
                         self.measured.models("wait"))
        self.check_model_bars(
            cost, lambda model: self.measured.runs("wait", model, load),
            column("server_cpu_us_per_req"))

    def test_wait_with_one_load(self):
        """Checks the picture of a quick bench, which has one load: the panel of
        the share has bars instead of lines."""
        load = BY_NAME["wait"].load
        runs = read_runs(self.directory / "runs.csv").sound().where(
            experiment="wait", connections=float(load))
        figure = pictures.slide(BY_NAME["wait"], runs)
        self.addCleanup(pictures.plt.close, figure)
        pictures.draw_wait(figure, BY_NAME["wait"], runs)
        share, _ = figure.axes
        self.check_model_bars(
            share, lambda model: self.measured.runs("wait", model, load),
            share_of_maximum)
        self.check_inside(figure, "wait with one load")


class Unknown(Drawn):
    """Pictures of runs that lack a figure, and of folders that lack a file."""

    def draw(self, draw_it, name, column, unknown):
        """Draws an experiment with draw_it(). Runs for which `unknown` is true
        have no value in `column`. Returns the panels."""
        runs = read_runs(self.directory / "runs.csv").sound().where(
            experiment=name)
        for run in filter(unknown, runs):
            run[column] = math.nan
        figure = pictures.slide(BY_NAME[name], runs)
        self.addCleanup(pictures.plt.close, figure)
        draw_it(figure, BY_NAME[name], runs)
        return figure.axes

    def test_a_bar_that_is_unknown_is_words(self):
        _, memory = self.draw(pictures.draw_idle, "idle", "kib_per_silent",
                              lambda run: run["model"] == "fork")
        names, drawn = model_places(memory), {bar.y for bar in bars(memory)}
        self.assertEqual({model for y, model in names.items()
                          if y not in drawn}, {"fork"})
        self.assertEqual({names[y] for y in words(memory)}, {"fork"})

    def test_points_that_are_unknown_are_left_out(self):
        _, cost = self.draw(
            pictures.draw_throughput, "throughput", "server_cpu_us_per_req",
            lambda run: run["model"] == "thread" or run["model"] == "fork"
            and run["connections"] == 100)
        fork, thread = (style.colour(model).upper()
                        for model in ("fork", "thread"))
        self.assertEqual(
            [*lines(cost)[fork].get_xdata()],
            [load for load in self.measured.loads("throughput", "fork")
             if load != 100])
        self.assertNotIn(thread, lines(cost))

    def test_a_file_that_is_missing_is_named(self):
        with tempfile.TemporaryDirectory() as scratch, \
                unittest.mock.patch.object(pictures, "slide"), \
                unittest.mock.patch.object(pictures, "save"), \
                unittest.mock.patch.dict(pictures.PICTURES, dict.fromkeys(
                    pictures.PICTURES, lambda *_: None)), \
                contextlib.redirect_stderr(io.StringIO()) as said:
            shutil.copy(self.directory / "runs.csv", scratch)
            self.assertEqual(pictures.draw(pathlib.Path(scratch)), 2)
        for name in LOGS:
            self.assertIn(f"{name}.csv", said.getvalue())


class Seen(Drawn):
    """Pictures of single requests with the client's times only: when it sent a
    request and received the reply."""

    def spans(self, name, model):
        """Returns the rows of a model at its highest load, by run: by round and
        attempt."""
        rows = [row for row in rows_of(self.directory / f"{name}.csv")
                if row["model"] == model]
        highest = max(int(row["load"]) for row in rows)
        by_run = defaultdict(list)
        for row in rows:
            if int(row["load"]) == highest:
                by_run[row["round"], row["attempt"]].append(row)
        return by_run

    def hog_panels(self):
        """Returns the panels of the models, by model, and the last panel."""
        *panels, kept = self.seen["hog"].axes
        return {axes.get_ylabel(): axes for axes in panels}, kept

    def test_hog_shows_the_replies_of_each_tenth_of_a_second(self):
        panels, _ = self.hog_panels()
        self.assertEqual(set(panels), set(MODELS) - {"blocking"})
        for model, axes in panels.items():
            (_, rows), = self.spans("hog", model).items()
            self.check_stream(axes, model, [row for row in rows
                                            if row["kind"] == "stream"])

    def test_hog_shades_the_time_of_the_long_requests(self):
        panels, _ = self.hog_panels()
        for model, axes in panels.items():
            (_, rows), = self.spans("hog", model).items()
            hogs = [row for row in rows if row["kind"] == "hog"]
            self.assertTrue(hogs)
            shade, = (patch for patch in axes.patches if not isinstance(
                patch, matplotlib.patches.StepPatch))
            box = shade.get_extents().transformed(axes.transData.inverted())
            self.same((box.x0, box.x1), (
                min(int(row["begin_us"]) for row in hogs) / 1e6,
                max(int(row["end_us"]) for row in hogs) / 1e6), model)

    def test_hog_compares_the_rates(self):
        _, kept = self.hog_panels()
        self.assertEqual(set(model_places(kept).values()),
                         self.measured.models("hog"))
        self.check_model_bars(
            kept, lambda model: self.measured.runs("hog", model, 8, hogs=4),
            lambda run: 100 * run["rate_during"] / run["rate_before"])

    def median_run(self, model):
        """Returns the rows of the run of median length, counted to its last
        reply. Of an even number of runs it takes the faster of the two in the
        middle. A repeated run counts with its last attempt."""
        last_attempts = {}
        for (number, attempt), rows in sorted(
                self.spans("timeline", model).items()):
            last_attempts[number] = rows
        ends = sorted((max(int(row["end_us"]) for row in rows), number)
                      for number, rows in last_attempts.items())
        return last_attempts[ends[(len(ends) - 1) // 2][1]]

    def test_timeline_has_a_bar_for_each_request(self):
        panels = timeline_panels(self.seen["timeline"])
        self.assertEqual(set(panels), set(MODELS))
        for model, axes in panels.items():
            rows = self.median_run(model)
            first = min(int(row["connection"]) for row in rows)
            bars = [(first - round(middle_of(patch)), patch.get_x(),
                     patch.get_x() + patch.get_width(),
                     hex_of(patch.get_facecolor())) for patch in axes.patches]
            self.check_requests(model, rows, bars)
            self.check_unserved(model, axes, rows, bars)

    def test_labels_of_panels_side_by_side_do_not_overlap(self):
        figure = self.seen["timeline"]
        panels = list(timeline_panels(figure).values())
        before = panels[0].get_xlim()
        self.addCleanup(panels[0].set_xlim, before)
        for last_ms in (140, 150, 160.2, 200):
            panels[0].set_xlim(0, last_ms)
            figure.canvas.draw()
            boxes = [label.get_window_extent() for axes in panels
                     for label in axes.get_xticklabels() if label.get_text()]
            self.assertGreater(len(boxes), 3 * len(panels))
            for one, other in itertools.combinations(boxes, 2):
                self.assertFalse(one.overlaps(other), last_ms)

    def check_requests(self, model, rows, bars):
        """Checks that each request has a grey bar from its sending to its
        reply. The end of that bar is coloured, as long as the CPU time that a
        request takes on average."""
        shade = style.colour(model).upper()
        cost = median(run["server_cpu_us_per_req"] / 1000 for run in
                      self.measured.runs("timeline", model, 4))
        requests = sorted((int(row["connection"]), int(row["begin_us"]) / 1000,
                           int(row["end_us"]) / 1000) for row in rows)
        served = {connection for connection, *_ in requests}
        grey, coloured = (sorted(
            bar[:3] for bar in bars
            if (bar[3] == shade) == own and bar[0] in served)
            for own in (False, True))
        self.assertGreater(len(requests), 40)
        for drawn, request in zip(grey, requests):
            self.same(drawn, request, model)
        for drawn, (connection, begin, end) in zip(coloured, requests):
            self.same(drawn, (connection, end - min(cost, end - begin), end),
                      model)
        self.assertEqual(len(grey), len(requests))
        self.assertEqual(len(coloured), len(requests))

    def check_unserved(self, model, axes, rows, bars):
        """Checks that each client without a reply has one grey bar and one text
        on it."""
        unserved = 4 - len({row["connection"] for row in rows})
        self.assertEqual(unserved, 3 if model == "blocking" else 0)
        self.assertEqual(len(axes.texts), unserved)
        self.assertEqual(len(bars), 2 * len(rows) + unserved)


def note_of(figure):
    """Returns the text at the foot of a picture."""
    return min(figure.texts, key=lambda text: text.get_position()[1]).get_text()


class Recorded(Drawn):
    """Pictures of single requests with the times of the client and those that
    the server has recorded."""

    # The columns with start and end of each part of a bar: the request waits,
    # the server has it, the server computes it.
    PARTS = (("begin_us", "end_us"), ("received_us", "replied_us"),
             ("computing_us", "computed_us"))

    def rows(self, name, model, kind):
        """Returns the recorded requests of a model that are of this kind: small
        ones are "stream", large ones "hog"."""
        return [row for row in rows_of(self.directory / f"{name}-recorded.csv")
                if (row["model"], row["kind"]) == (model, kind)]

    def check_requests(self, axes, model, rows, unit_us, places):
        """Checks that each request has three nested bars (see PARTS) at the
        place of its client. Returns pairs of a core and the hatch of the
        requests that it computed."""
        shades = (*GREYS, style.colour(model).upper())
        bars = defaultdict(list)
        for patch in axes.patches:
            bars[hex_of(patch.get_facecolor())].append((
                round(middle_of(patch)), patch.get_x(),
                patch.get_x() + patch.get_width(), patch.get_hatch() or ""))
        self.assertLessEqual(set(bars), set(shades))
        for shade, (begin, end) in zip(shades, self.PARTS):
            expected = [(places[row["connection"]], int(row[begin]) / unit_us,
                         int(row[end]) / unit_us) for row in rows]
            for drawn, request in zip(sorted(bars[shade]), sorted(expected)):
                self.same(drawn[:3], request, (model, begin))
            self.assertEqual(len(bars[shade]), len(expected))
        computed = {bar[:2]: bar[3] for bar in bars[shades[-1]]}
        return {(row["core"], computed[place, x]) for row in rows
                for place, x in computed if place == places[row["connection"]]
                and math.isclose(x, int(row["computing_us"]) / unit_us)}

    def check_hatches(self, figure, hatches):
        """Checks that each core has a hatch of its own, and that the legend
        names it. `hatches`: pairs of a core and its hatch."""
        self.assertEqual(len({hatch for _, hatch in hatches}), len(hatches))
        legend, = figure.legends
        named = {(facts(text.get_text()), patch.get_hatch() or "") for
                 text, patch in zip(legend.get_texts(), legend.get_patches())}
        for core, hatch in hatches:
            self.assertIn((f"| {core}", hatch), named)

    def test_timeline_shows_which_core_computed_which_request(self):
        panels = timeline_panels(self.figures["timeline"])
        self.assertEqual(set(panels), set(MODELS))
        hatches = set()
        for model, axes in panels.items():
            rows = self.rows("timeline", model, "stream")
            self.assertEqual(len(rows), 48)
            unserved = self.remove_unserved(axes)
            self.assertEqual(unserved, 3 if model == "blocking" else 0)
            first = min(int(row["connection"]) for row in rows)
            places = {row["connection"]: first - int(row["connection"])
                      for row in rows}
            hatches |= self.check_requests(axes, model, rows, 1000, places)
        self.check_hatches(self.figures["timeline"], hatches)

    def remove_unserved(self, axes):
        """Removes the bars that have a text on them. Returns their number."""
        rows = {text.xy[1] for text in axes.texts}
        for patch in list(axes.patches):
            if round(middle_of(patch)) in rows:
                patch.remove()
        return len(rows)

    def test_hog_shows_large_requests_above_small_replies(self):
        *panels, _ = self.figures["hog"].axes
        models = [axes.get_ylabel() for axes in panels[::2]]
        self.assertEqual(models, [m for m in MODELS if m != "blocking"])
        hatches = set()
        for model, small, large in zip(models, panels[::2], panels[1::2]):
            rows = self.rows("hog", model, "hog")
            clients = sorted({int(row["connection"]) for row in rows})
            self.assertEqual(len(clients), 4)
            places = {str(client): -i for i, client in enumerate(clients)}
            hatches |= self.check_requests(large, model, rows, 1e6, places)
            self.assertEqual(len(small.patches), 1)
            self.check_stream(small, model, self.rows("hog", model, "stream"))
        self.check_hatches(self.figures["hog"], hatches)

    def changed(self, change):
        """Draws with changed recordings: `change` gets the lines of a file and
        returns the new ones. Returns the figures by name, and the text printed
        to standard error."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            for name in LOGS:
                shutil.copy(self.directory / f"{name}.csv", folder)
                path = folder / f"{name}-recorded.csv"
                lines = (self.directory / path.name).read_text().splitlines(
                    keepends=True)
                path.write_text("".join(change(lines)))
            shutil.copy(self.directory / "runs.csv", folder)
            figures, said = draw_some(folder, *LOGS)
        for figure in figures.values():
            self.addCleanup(pictures.plt.close, figure)
        return figures, said

    def test_a_model_that_did_not_record_is_drawn_as_the_client_saw_it(self):
        figures, _ = self.changed(lambda lines: [
            line for line in lines if not line.startswith("coroutine,")])
        for name, figure in figures.items():
            self.assertIn("coroutine:", note_of(figure), name)
            self.assertNotIn("coroutine:", note_of(self.figures[name]), name)
        drawn, seen = (
            len(timeline_panels(pictured["timeline"])["coroutine"].patches)
            for pictured in (figures, self.seen))
        self.assertEqual(drawn, seen)

    def test_a_file_that_is_cut_off_is_named_and_not_shown(self):
        figures, said = self.changed(lambda lines: [*lines[:-1], lines[-1][:9]])
        for name in LOGS:
            self.assertIn(f"{name}-recorded.csv", said)
            self.assertEqual(note_of(figures[name]), note_of(self.seen[name]))
            self.assertNotEqual(note_of(figures[name]),
                                note_of(self.figures[name]))


class Runtimes(Drawn):
    def test_a_panel_for_each_figure(self):
        measured = Measured(RUNTIMES / "runs.csv")
        cost, cost_of_more, memory, kept = self.figures["elsewhere"].axes
        for axes, connections in ((cost, 100), (cost_of_more, 1000)):
            self.check_model_bars(
                axes, lambda model: measured.runs("throughput", model,
                                                  connections),
                column("server_cpu_us_per_req"), cost)
        self.check_model_bars(
            memory, lambda model: measured.runs("idle", model, 10, 10000),
            measured.kib_per_idle, cost)
        self.check_model_bars(
            kept, lambda model: measured.runs("beside", model, 10, hogs=1),
            lambda run: 100 * run["rate_during"] / run["rate_before"], cost)
        self.assertEqual(set(model_places(cost).values()),
                         measured.models("throughput"))


class Silent(Drawn):
    def test_a_dot_for_each_round_and_the_longest(self):
        axes, = self.figures["silent"].axes
        names = model_places(axes)
        self.assertEqual(set(names.values()), self.measured.models("silent"))
        dots = {line.get_ydata()[0]: line for line in axes.lines}
        for y, model in names.items():
            runs = self.measured.runs("silent", model, 1, idle=1)
            served = [run["max_us"] for run in runs if run["served"]]
            self.assertEqual(y in dots, bool(served), model)
            if served:
                self.same(sorted(dots[y].get_xdata()), sorted(served), model)
                self.assertEqual(hex_of(dots[y].get_color()),
                                 style.colour(model).upper())
            self.check_words(axes, y, runs)

    def check_words(self, axes, y, runs):
        """Checks the texts of a model: one at the longest wait for a reply, and
        one at the arrow that stands for requests without a reply. The arrow
        starts at the shortest time for which the client waited."""
        said = [text for text in axes.texts
                if text.xy[1] == y and text.get_text()]
        arrows = [text for text in axes.texts
                  if text.arrow_patch and text.xyann[1] == y]
        shown = {text.xy[0] for text in said}
        served = [run["max_us"] for run in runs if run["served"]]
        never = [run["oldest_us"] for run in runs if not run["served"]]
        self.assertEqual(shown, {*([max(served)] if served else []),
                                 *([min(never)] if never else [])})
        self.assertEqual([text.xyann[0] for text in arrows],
                         [min(never)] if never else [])


class Class(Drawn):
    """The picture of a class with three machines. All have the same runs, but
    on two of them fork spends two or three times the CPU time."""

    def machines(self):
        """Returns the runs of each machine, by its name."""
        found = {}
        for name, factor in (("ada", 1), ("bob", 3), ("eve", 2)):
            runs = read_runs(self.directory / "runs.csv")
            for run in runs:
                if run["model"] == "fork":
                    run["server_cpu_us_per_req"] *= factor
            found[name] = runs
        return found

    def draw(self, machines):
        """Returns the picture of these machines, without writing it."""
        with tempfile.TemporaryDirectory() as scratch, \
                unittest.mock.patch.object(pictures.plt.Figure, "savefig"):
            classroom.draw(machines, pathlib.Path(scratch, "class.png"))
        return pictures.plt.gcf()

    def test_a_dot_for_each_machine_and_a_line_at_the_median(self):
        machines = self.machines()
        panels = self.draw(machines).axes
        self.assertEqual(len(panels), len(classroom.FIGURES))
        for axes, figure in zip(panels, classroom.FIGURES):
            self.assertIn(figure.text, axes.get_title(loc="left"))
            labels = [label.get_text() for label in axes.get_yticklabels()]
            self.assertEqual(labels, list(figure.models))
            values = classroom.values_of(figure, machines)
            for row, model in enumerate(figure.models):
                shade = style.colour(model).upper()
                dots, middle = (line for line in axes.lines
                                if hex_of(line.get_color()) == shade)
                self.same(dots.get_xdata(), values[model], model)
                self.assertEqual({round(y) for y in dots.get_ydata()}, {row})
                self.same(middle.get_xdata(), [median(values[model])] * 2,
                          model)

    def test_the_ratios_are_those_of_the_machines(self):
        cost = next(figure for figure in classroom.FIGURES
                    if figure.experiment == "throughput")
        fork, coroutine = (
            {run["round"]: run["server_cpu_us_per_req"] for run in
             self.measured.runs("throughput", model, 100)}
            for model in ("fork", "coroutine"))
        ratio = median(fork[number] / coroutine[number] for number in fork
                       if number in coroutine)
        self.same(classroom.values_of(cost, self.machines())["fork"],
                  [ratio, 3 * ratio, 2 * ratio], "fork")


def draw_elsewhere():
    """Runs this program again with a python3 that has matplotlib. If there is
    none, prints that the tests are skipped, and exits."""
    python = machine.python_with_matplotlib()
    if python is not None:
        os.execv(python, [python, *sys.argv])
    tally = tap.Tally()
    tally.skip("no python3 with matplotlib: what the pictures show")
    sys.exit(tally.finish())


if __name__ == "__main__":
    if sys.argv[1:2] != ["--parts"]:
        try:
            import matplotlib
        except ImportError:
            draw_elsewhere()
        from under_test import pictures, style
    tap.main()

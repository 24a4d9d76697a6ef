"""Asks students to predict what the bench will measure. Has the questions, and
makes the table that compares the answers with the figures of a run."""

import json
import math
import re
import shutil
from dataclasses import dataclass
from typing import Callable

from bench.experiments import at_load
from bench.findings import ABOUT_EQUAL_MAX
from lib.document import Heading, Table, Text
from lib.models import MODELS
from lib.text import counted, rounded
from lib.verdicts import NOT_MEASURED

KEPT = "predictions.json"
EXACT = 1  # for figures that are counted, not measured


def without_end(text, end):
    """Returns the text without this end, or unchanged if it ends otherwise."""
    return text[:-len(end)] if end and text.endswith(end) else text


@dataclass(frozen=True)
class Question:
    """A question about one experiment, and how its answer is computed from the
    runs."""

    name: str
    experiment: str
    text: str
    answer: Callable  # computes it from the runs at the experiment's load
    unit: str = ""
    close: float = 2  # an answer is close up to this factor
    models: bool = False  # whether the answer is a model

    def parse(self, text):
        """Converts the answer that was typed. Raises ValueError, with a
        description of a valid answer, if it is invalid."""
        if self.models:
            if text not in MODELS:
                raise ValueError(f"one of {', '.join(MODELS)}")
            return text
        typed = without_end(text, self.unit)
        # A comma groups three digits, as in our reports; "2,5" is not 25.
        typed = re.sub(r",(?=\d{3}(\D|$))", "", typed)
        try:
            number = float(typed)
        except ValueError:
            number = -1
        if not 0 <= number < math.inf:
            raise ValueError("a number, such as 12 or 0.5")
        return number

    def said(self, answer):
        """Returns an answer as text, with its unit."""
        if self.models:
            return answer
        exact = self.close == EXACT or float(f"{answer:.3g}") == answer
        number = f"{answer:,.10g}" if exact else rounded(answer)
        unit = without_end(self.unit, "s") if number == "1" else self.unit
        return f"{number} {unit}".strip()


def of(model, column, scale=1, than=None):
    """Returns a function that computes the median of a column from runs, or, as
    the claims do, of its ratio to that of the model `than`."""
    return lambda at: scale * at.figure(column, model, than).median


def served(at):
    """Returns how many models serve all clients, NaN if a model is missing."""
    if not set(MODELS) <= set(at.models()):
        return math.nan
    return sum(at.where(model=model).all_served() for model in MODELS)


def cheapest(at):
    """Returns the models that need the least CPU time per request, or about as
    little. Each of them is a right answer."""
    cost = {model: of(model, "server_cpu_us_per_req")(at)
            for model in MODELS if at.where(model=model).all_served()}
    least = min(cost.values(), default=0)
    return [model for model in cost if cost[model] <= ABOUT_EQUAL_MAX * least]


QUESTIONS = (
    Question("behind-silent", "silent",
             f"The first client connects and sends nothing. How many of the "
             f"{len(MODELS)} servers answer the second?", served, close=EXACT),
    Question("served", "throughput",
             "100 clients connect to blocking, and each sends request after "
             "request. How many of them get replies?",
             of("blocking", "served"), close=EXACT),
    Question("cheapest", "throughput",
             "100 clients ask for fib(1). Which server needs the least CPU "
             "time per request?", cheapest, models=True),
    Question("fork-coroutine", "throughput",
             "The same: how many times coroutine's CPU time per request does "
             "fork need?",
             of("fork", "server_cpu_us_per_req", than="coroutine"), "times",
             1.5),
    Question("fork-thread", "throughput",
             "The same: how many times thread's CPU time per request does fork "
             "need?", of("fork", "server_cpu_us_per_req", than="thread"),
             "times", 1.5),
    Question("cores-thread", "latency",
             "4 clients ask for fib(30), on your machine. How many cores does "
             "thread keep busy?", of("thread", "cores"), "cores", 1.25),
    Question("cores-coroutine", "latency",
             "The same: how many cores does coroutine keep busy?",
             of("coroutine", "cores"), "cores", 1.25),
    Question("memory-thread", "idle",
             "How much memory does an idle client cost in thread, where each "
             "thread has a stack of 64 KiB?", of("thread", "kib_per_silent"),
             "KiB"),
    Question("kept-nonblocking", "idle",
             "10,000 clients are idle, ten send requests. How much of its rate "
             "does nonblocking keep?", of("nonblocking", "rate_kept", 100),
             "%"),
    Question("kept-coroutine", "idle",
             "The same: how much of its rate does coroutine keep?",
             of("coroutine", "rate_kept", 100), "%", 1.25),
    Question("wait-coroutine", "wait",
             "1,000 clients send requests, and each request waits 100 ms for a "
             "backend. How many replies per second does coroutine send?",
             of("coroutine", "rate_to_last"), "replies"),
    Question("wait-trap", "wait",
             "The same, with nanosleep() instead of co_sleep() (coroutine "
             "--trap): how many replies per second?",
             of("coroutine --trap", "rate_to_last"), "replies"),
)


# ---- With the bench


def keep(directory):
    """Copies the predictions beside a new folder of results into that folder.
    Predictions that are made later do not count."""
    made = directory.parent / KEPT
    if made.is_file():
        shutil.copy(made, directory / KEPT)


def verdict(question, predicted, measured):
    """Returns as text how close a prediction is to the measured answer."""
    if question.models:
        return "right" if predicted in measured else "wrong"
    low, high = sorted((predicted, measured))
    if question.close == EXACT:
        return "right" if low == high else "wrong"
    if high <= question.close * low or high < 0.01:
        return "close"
    return f"{rounded(high / low, 2)} times too " + (
        "much" if predicted > measured else "little") if low else "wrong"


def row(question, predicted, runs):
    """Returns a row of the table, which ends with a verdict or NOT_MEASURED."""
    at = at_load(question.experiment, runs)
    measured = question.answer(at) if at else math.nan
    if measured == [] or measured != measured:
        return question.text, question.said(predicted), "-", NOT_MEASURED
    shown = " or ".join(measured) if question.models else (
        question.said(measured))
    return (question.text, question.said(predicted), shown,
            verdict(question, predicted, measured))


def section(directory, runs):
    """Returns the blocks of the report about the predictions in its folder. The
    list is empty if there are none."""
    path = directory / KEPT
    if not path.is_file():
        return []
    kept = json.loads(path.read_text("utf-8"))
    rows = tuple(row(question, kept["answers"][question.name], runs)
                 for question in QUESTIONS if question.name in kept["answers"])
    measured = [cells[-1] for cells in rows if cells[-1] != NOT_MEASURED]
    good = sum(said in ("right", "close") for said in measured)
    were = "was" if good == 1 else "were"
    answers = counted(len(measured), "answer")
    text = f"Made {kept['made']}. {good} of {answers} {were} right or close."
    if good < len(measured):
        text += " Where you were wrong, look first."
    header = ("question", "predicted", "measured", "")
    return [Heading(2, "Your predictions"), Text(text),
            Table(header, rows, left=("question", ""))]

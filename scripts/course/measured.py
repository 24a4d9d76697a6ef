"""Puts the figures and claims of a run of the bench into the texts of the
course.

Comments, which are not shown, name figures and claims of the reference run:

    <!-- figure results/reference/runs.csv throughput thread connections=100
    server_cpu_us_per_req -->5.9 µs
        before a figure: the median over the rounds. `fork/thread` names the
        ratio of two models. The last word may be the number of digits,
        `digits=3`, or a form: `duration`, `percent`, `count`
    <!-- figure results/reference/claims.csv idle fork kib_per_silent
    median -->3.8
    <!-- figure servers/blocking.c lines -->82
    <!-- claim hog nonblocking,coroutine kept_beside_hogs -->
        before a sentence that is true if these claims hold. The words name the
        experiment, the models, and the column of runs.csv that is judged

The pages of another run show the figures and pictures of that run. They mark
each sentence that a claim of that run contradicts.
"""

import csv
import functools
import os
import re
import shlex

from course.c_source import lines_of
from lib.models import ROOT
from lib.samples import read_runs
from lib.text import duration, rounded
from lib.verdicts import CONTRADICTING, FAILS

REFERENCE = ROOT / "results" / "reference"

FIGURE = re.compile(r"(<!-- figure ((?:(?!-->).)*?)\s+-->\s*)"
                    r"(\d[\d,.]*\d|\d)(?: (µs|ms|s\b|%|KiB))?", re.S)
CLAIM = re.compile(r"<!-- claim ((?:(?!-->).)*?)\s+-->"
                   r"[ \t]*(?:\n(?!\s*\n)[ \t]*)?", re.S)
# Where a sentence without a full stop ends: before a blank line, the next item
# of a list, the next cell of a table, and at the end of the text.
BREAK = r"\s*(?:\n\s*\n|\n\s*(?:-|\d+\.) |\||\Z)"
# One or more comments that name claims, and the sentence behind them.
SENTENCE = re.compile(
    rf"((?:{CLAIM.pattern})+)((?:(?!{BREAK}).)+?"
    rf"(?:[.!?][)*\"]*(?=\s|\Z)|[。！？]|(?={BREAK})))", re.S)
PICTURE = re.compile(r"^!\[[^]]+\]\((?:\.\./)*results/reference/"
                     r"([\w-]+\.png)\)$", re.M)

# The words for the reference run in our texts, in English and Chinese, and the
# words that replace them on the pages of another run.
NAMED = ((re.compile(r"(?:the\s+)?(\[?)reference\s+run"), r"\1your run"),
         (re.compile("参考测量"), "你的测量"))

# These characters mark a contradicted sentence and its reason, until marked()
# replaces them by HTML. Our Markdown has no way to mark a sentence.
BEGIN, REASON, END = "\ue000", "\ue001", "\ue002"


# ---- Figures


@functools.lru_cache(maxsize=None)
def runs_of(path):
    return read_runs(path).sound()


@functools.lru_cache(maxsize=None)
def claims_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = tuple(csv.DictReader(file))
    if rows and "possible_cause" not in rows[0]:
        raise ValueError(f"{path} is of an older version: `make plot "
                         f"RUN={os.path.dirname(path)}` writes it again")
    return rows


def run_value(path, experiment, models, *words):
    """Returns the median of a column in a cell. For two models, "a/b", returns
    the median of the ratios of each round. The last of the words is the column;
    those before it, as `connections=100`, choose the cell."""
    chosen = dict(word.split("=") for word in words[:-1])
    where = {column: float(value) for column, value in chosen.items()}
    sample, *base = [
        runs_of(path).where(experiment=experiment, model=model.replace(
            "+", " "), **where).sample(words[-1])
        for model in models.split("/")]
    return (sample / base[0] if base else sample).median


def claim_value(path, *words):
    """Returns a value of claims.csv. The last of the words is its column, the
    others name the claim: see claims_named()."""
    row, = claims_named(path, words[:-1])
    return float(row[words[-1]])


FORMS = {
    "duration": lambda value: duration(value, 2),
    "percent": lambda value: f"{100 * value:.0f} %",
    "count": "{:,.0f}".format,
}


def written(specification, run=REFERENCE):
    """Returns the text of a figure that a comment specifies. It has no unit,
    except in the forms `duration` and `percent`."""
    path, *words = shlex.split(specification)
    form = functools.partial(rounded, digits=2)
    if words[-1] in FORMS:
        form = FORMS[words.pop()]
    elif words[-1].startswith("digits="):
        form = functools.partial(rounded, digits=int(words.pop()[7:]))
    if words == ["lines"]:
        return str(len(lines_of(path)) - 1)
    value = claim_value if path.endswith("claims.csv") else run_value
    path = ROOT / path
    return form(value(run / path.name if path.parent == REFERENCE else path,
                      *words))


def figures(text, run=REFERENCE):
    """Yields each figure in a text: its text, the right text, its begin and
    end. If the run lacks the figure, the right text is "?" and the reason."""
    for match in FIGURE.finditer(text):
        try:
            should = written(match[2], run)
        except (AttributeError, IndexError, KeyError, OSError, TypeError,
                ValueError) as problem:
            should = f"? ({problem!r})"
        if should.startswith("-"):
            should = "? (no run has it)"
        begin, end = match.span(3)
        if " " in should and match[4]:  # The form has a unit, or is "?".
            end = match.end()
        yield text[begin:end], should, begin, end


def with_figures(text, run=REFERENCE, missing=""):
    """Returns a text with the figures of a run. A figure that the run does not
    have stays, followed by the text `missing`."""
    for is_written, should, begin, end in reversed(list(figures(text, run))):
        if should.startswith("?"):
            should = is_written + missing
        text = text[:begin] + should + text[end:]
    return text


# ---- Claims


def models_of(words):
    return words[1].replace("+", " ").split(",")


def claims_named(path, words):
    """Returns the rows of a claims.csv that a comment names. Its words are the
    experiment, the models and the column."""
    return [row for row in claims_of(path)
            if (row["experiment"], row["column"]) == (words[0], words[2])
            and row["model"] in models_of(words)]


def measured(row):
    """Returns the median and the range of a claim, as "1.1 (1.0 to 1.2)"."""
    middle, low, high = (rounded(float(row[name]), 2)
                         for name in ("median", "lowest", "highest"))
    return middle if low == high else f"{middle} ({low} to {high})"


def reason(row):
    """Returns the text that tells a reader why the sentence before it does not
    hold: it is shown for a row of claims.csv that contradicts the sentence."""
    how = "does not hold" if row["verdict"] == FAILS else (
        f"seems not to hold: {row['rounds']} rounds contradict it")
    return (f"On your machine this {how}, perhaps because "
            f"{row['possible_cause']}. The claim was that {row['claim']}; "
            f"measured: {measured(row)}.")


def with_doubts(text, run):
    """Marks each sentence that the run contradicts, and adds the reason."""
    def marked_if_contradicted(match):
        against = [row for mark in CLAIM.findall(match[1])
                   for row in claims_named(run / "claims.csv", mark.split())
                   if row["verdict"] in CONTRADICTING]
        sentence = match.groups()[-1]
        if not against:
            return match[0]
        return f"{BEGIN}{sentence}{REASON}{reason(against[0])}{END}"

    return SENTENCE.sub(marked_if_contradicted, text)


def marked(html):
    """Returns the HTML for the marks of with_doubts(), and their number."""
    begin, *parts = html.split(BEGIN)
    for number, part in enumerate(parts, 1):
        begin += f'<mark class="doubted" id="doubt-{number}">{part}'
    return begin.replace(REASON, '</mark> <span class="doubt">').replace(
        END, "</span>"), len(parts)


# ---- All of it


def of_run(text, run):
    """Returns a text for a run: with its figures, with marks at the sentences
    that it contradicts, and with a note below each picture it does not have."""
    if run == REFERENCE:
        return text
    for name, yours in NAMED:
        text = name.sub(yours, text)
    text = with_figures(text, run, " (on the reference machine)")
    text = PICTURE.sub(
        lambda match: match[0] if (run / match[1]).exists() else
        f"{match[0]}\n\n*Measured on the reference machine: your run has no "
        "such picture.*", text)
    return with_doubts(text, run)


def picture(path, run):
    """Returns the path of the picture to show. It is the run's own picture if
    `path` is one of the reference run's and the run has it, too."""
    name = path.name
    return (run / name if path == REFERENCE / name and (run / name).exists()
            else path)

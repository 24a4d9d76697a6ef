#!/usr/bin/env python3
"""Keeps the texts of the course in step with the source and with the reference
run.

    tutorial.py --check     says what is stale, exit status 1 if anything is
    tutorial.py --update    writes quotations and figures again

Comments, which no reader sees, say what must agree with what:

    <!-- quote servers/fork.c#two-closes -->
        above a block: the block is this lesson, or function, or file
    <!-- not in the source -->
        above a block of C that nobody else has
    <!-- figure results/reference/runs.csv throughput thread connections=100
    server_cpu_us_per_req -->5.9 µs
        before a figure: the median over the rounds. `fork/thread` is a ratio;
        the last words may be `digits=3`, or how it is written: `duration`,
        `percent`, `count`
    <!-- figure results/reference/claims.csv idle "fork takes at least 2 times
    thread's memory for a silent client" median -->3.8
    <!-- figure servers/blocking.c lines -->82

Every `make target`, program and file that a command names must exist, and so must
what a link leads to. A translation (TUTORIAL.zh-CN.md) has the lessons and the
commands of its original.
"""

import csv
import functools
import itertools
import os
import re
import shlex
import sys
from dataclasses import dataclass, field

from lessons import ENDINGS, lines_of, model_files, quotable, quoted
from results import ROOT, duration, ratio, read_runs, rounded

MARKER = re.compile(r"<!-- (.*?) -->\s*$")
FIGURE = re.compile(r"(<!-- figure ((?:(?!-->).)*?)\s+-->\s*)"
                    r"(\d[\d,.]*\d|\d)(?: (µs|ms|s\b|%))?", re.S)
COMMANDS = ("sh", "console")
PROGRAM = re.compile(r"(?<![\w./-])((?:bin|scripts|tests|servers|build/plain)"
                     r"/[\w./-]*\w)")
ELSEWHERE = re.compile(r"(bin|build|results|collected)/")


def texts():
    """The paths of all texts of the course."""
    paths = [*ROOT.glob("README.md"), *ROOT.glob("TUTORIAL*.md"),
             *ROOT.glob("course/**/*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in paths)


# ---- Blocks


@dataclass
class Block:
    """A fenced block, the words of the marker above it, and where it is."""

    language: str
    marker: str
    begin: int  # the line after the fence, from 0
    lines: list = field(default_factory=list)

    def text(self):
        return "\n".join(self.lines)


def blocks(text):
    found, inside = [], None
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if inside is None and line.startswith("```"):
            above = MARKER.match(lines[number - 1]) if number else None
            inside = Block(line[3:], above[1] if above else "", number + 1)
            found.append(inside)
        elif line == "```":
            inside = None
        elif inside is not None:
            inside.lines.append(line)
    return found


# ---- Quotations


def quotation(block):
    """What the block should be; what it is, if nobody can say."""
    what, _, target = block.marker.partition(" ")
    return quoted(target) if what == "quote" else block.text()


def stale_quotations(text):
    """Blocks that are not what they say they are, and why."""
    for block in blocks(text):
        try:
            if block.text() != quotation(block):
                yield block, f"differs from {block.marker[6:]}"
        except (KeyError, OSError):
            yield block, f"there is no {block.marker[6:]}"
        if block.language == "c" and not block.marker:
            yield block, ("is code without a source: <!-- quote file#name --> "
                          "or <!-- not in the source -->")


def with_quotations(text):
    """The text with its quotations as they should be."""
    lines = text.split("\n")
    for block in reversed(blocks(text)):
        end = block.begin + len(block.lines)
        lines[block.begin:end] = quotation(block).split("\n")
    return "\n".join(lines)


# ---- Figures


@functools.lru_cache
def runs_of(path):
    return read_runs(ROOT / path).sound()


def run_value(path, experiment, models, *words):
    """The median of a cell, or the ratio of those of two models. The words
    are `column=number`, which choose the cell, and the column."""
    chosen = dict(word.split("=") for word in words[:-1])
    where = {column: float(value) for column, value in chosen.items()}
    values = [runs_of(path).where(experiment=experiment, model=model.replace(
        "+", " "), **where).median(words[-1]) for model in models.split("/")]
    return values[0] if len(values) == 1 else ratio(*values)


def claim_value(path, experiment, claim, column):
    with open(ROOT / path, newline="", encoding="utf-8") as file:
        row, = (row for row in csv.DictReader(file)
                if (row["experiment"], row["claim"]) == (experiment, claim))
    return float(row[column])


FORMS = {
    "duration": lambda value: duration(value, 2),
    "percent": lambda value: f"{100 * value:.0f} %",
    "count": "{:,.0f}".format,
}


def written(specification):
    """The figure as it should be written, without a unit unless the form has
    one."""
    path, *words = shlex.split(specification)
    form = functools.partial(rounded, digits=2)
    if words[-1] in FORMS:
        form = FORMS[words.pop()]
    elif words[-1].startswith("digits="):
        form = functools.partial(rounded, digits=int(words.pop()[7:]))
    if words == ["lines"]:
        return str(len(lines_of(path)) - 1)
    value = claim_value if path.endswith("claims.csv") else run_value
    return form(value(path, *words))


def figures(text):
    """The figures of a text: what is written, what should be, and where."""
    for match in FIGURE.finditer(text):
        try:
            should = written(match[2])
        except (AttributeError, IndexError, KeyError, OSError, TypeError,
                ValueError) as problem:
            should = f"? ({problem!r})"
        begin, end = match.span(3)
        if " " in should and match[4]:  # The form has a unit.
            end = match.end()
        yield text[begin:end], should, begin, end


def line_number(text, position):
    return text.count("\n", 0, position) + 1


def stale_figures(text):
    for is_written, should, begin, _ in figures(text):
        if is_written != should:
            yield (line_number(text, begin),
                   f"{is_written} should be {should}")
    for match in re.finditer("<!-- figure ", text):
        if not FIGURE.match(text, match.start()):
            yield line_number(text, match.start()), "no figure follows this"


def with_figures(text):
    for _, should, begin, end in reversed(list(figures(text))):
        if not should.startswith(("?", "-")):
            text = text[:begin] + should + text[end:]
    return text


# ---- Commands


def spans(text):
    """What a reader may type: blocks of commands, and `code` in a line."""
    for block in blocks(text):
        if block.language in COMMANDS:
            for number, line in enumerate(block.lines, block.begin + 1):
                yield number, re.sub(r"(^|\s)#.*", "", line)
    outside = re.sub(r"^```.*?^```$", lambda block: "\n" * block[0].count("\n"),
                     text, flags=re.M | re.S)
    for match in re.finditer(r"`([^`]+)`", outside):
        yield line_number(outside, match.start()), match[1]


@functools.lru_cache
def made():
    """The targets of the Makefile, and the programs that it builds."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    programs = {f"bin/{model}" for model in model_files()} | {
        f"bin/{name}" for name in re.findall(r"\$\(BIN\)/(\w+)", makefile)} | {
        f"bin/examples/{path.stem}"
        for path in ROOT.glob("servers/coro/examples/*.c")}
    return targets, programs


def missing(command):
    """What a command names and is not there."""
    targets, programs = made()
    command = re.sub(r'"[^"]*"', '""', command)
    for words in re.findall(r"(?:^|[;&|] *|\$ )make((?: +[^\s;&|#]+)*)", command):
        for word in words.split():
            if re.fullmatch(r"[a-z-]+", word) and word[0] != "-" and (
                    word not in targets):
                yield f"make {word}"
    for path in PROGRAM.findall(command):
        there = path in programs if path.startswith("bin/") else (
            ELSEWHERE.match(path) or (ROOT / path).exists())
        if not there:
            yield path


def stale_commands(text):
    for number, command in spans(text):
        for what in missing(command):
            yield number, f"there is no {what}"


# ---- Links


def links(text):
    """The targets of the links in a text, and where each stands."""
    outside = re.sub(r"^```.*?^```$|`[^`\n]+`",
                     lambda match: "\n" * match[0].count("\n"), text,
                     flags=re.M | re.S)
    for match in re.finditer(r"\]\(([^) ]+)\)", outside):
        yield line_number(outside, match.start()), match[1]


def stale_links(text, folder):
    """Links to files and lessons that are not there."""
    for number, target in links(text):
        path, _, name = target.partition("#")
        if not path or "://" in target:
            continue
        there = ROOT / folder / path
        if not there.exists() or name and there.suffix in ENDINGS and (
                name not in quotable(there.read_text("utf-8").split("\n"))):
            yield number, f"there is no {target}"


def lessons_named(text):
    return {target for _, target in links(text) if target.find("#") > 0}


def untranslated(text, original):
    """What a translation lacks, or has and the original has not: links to
    lessons, and commands, in their order: so it is enough to run those of the
    original."""
    for target in sorted(lessons_named(text) ^ lessons_named(original)):
        yield 1, f"only one of original and translation has {target}"
    commands, wanted = ([(block.begin, block.marker, block.text())
                         for block in blocks(one)
                         if block.language in COMMANDS]
                        for one in (text, original))
    for (line, *mine), (_, *theirs) in itertools.zip_longest(
            commands, wanted, fillvalue=(1, "", "")):
        if mine != theirs:
            yield line, f"has {mine} where the original has {theirs}"
            return


# ---- All of it


def problems(text, path="README.md"):
    """Pairs of the number of a line and what is wrong with it."""
    yield from stale_links(text, os.path.dirname(path))
    if re.fullmatch(r"TUTORIAL\..+\.md", path):
        yield from untranslated(text, (ROOT / "TUTORIAL.md").read_text("utf-8"))
    yield from ((block.begin, what) for block, what in stale_quotations(text))
    yield from stale_figures(text)
    yield from stale_commands(text)


def update(path, text):
    new = with_figures(with_quotations(text))
    if new != text:
        (ROOT / path).write_text(new, encoding="utf-8")
        print(f"updated {path}")
    return new


def main(arguments):
    if arguments not in (["--check"], ["--update"]):
        sys.exit(__doc__)
    stale = False
    for path in texts():
        text = (ROOT / path).read_text("utf-8")
        if arguments == ["--update"]:
            text = update(path, text)
        for number, what in problems(text, path):
            print(f"{path}:{number}: {what}")
            stale = True
    return stale


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (KeyError, OSError) as problem:
        sys.exit(f"tutorial: no {problem}")

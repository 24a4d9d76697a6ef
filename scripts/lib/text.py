"""Formats numbers, lists and paragraphs for people."""

import codecs
import math
import re
import shutil
import sys
import textwrap

TERMINAL_WIDTH = 80

# What is printed instead of a character that the stream's encoding lacks.
SUBSTITUTES = {"µ": "u", "≥": ">=", "█": "#"}
SUBSTITUTE = "substitute"  # the name of this way to handle errors


def substituted(error):
    """Returns the substitutes for characters that an encoding lacks, and the
    position after them, as codecs.register_error() requires."""
    lacking = error.object[error.start:error.end]
    return "".join(SUBSTITUTES.get(c, "?") for c in lacking), error.end


codecs.register_error(SUBSTITUTE, substituted)


def rounded(value, digits=3):
    """Returns a value with `digits` significant digits: 142,000."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "-"
    step = 10.0 ** (math.floor(math.log10(abs(value))) + 1 - digits)
    value = round(value / step) * step
    magnitude = math.floor(math.log10(abs(value)) + 1e-9)
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"


def duration(us, digits=3):
    """Returns a time in the unit that fits it: µs, ms or s; NaN as "-"."""
    for limit, unit, scale in ((1e3, "µs", 1), (1e6, "ms", 1e3)):
        if us < limit * (1 - 0.5 / 10**digits):
            return f"{rounded(us / scale, digits)} {unit}"
    return "-" if math.isnan(us) else f"{rounded(us / 1e6, digits)} s"


def with_range(spread, text=rounded):
    """Returns a median with its range: 142,000 (139,000-151,000). `spread` is
    (median, lowest, highest), or None, which gives "-"."""
    if spread is None:
        return "-"
    middle, low, high = (text(value) for value in spread)
    return middle if low == high else f"{middle} ({low}-{high})"


def factor(value):
    """Returns a ratio as text: 1.9x."""
    return f"{value:.1f}x" if value < 10 else f"{value:.0f}x"


def wrapped(text, width, indent=0):
    """Wraps a text to lines of at most `width` columns, and returns it. With an
    indent, all lines but the first are indented by two more columns. A number
    and its unit stay on one line."""
    no_break = re.sub(r"(\d) (µs\b|ms\b|s\b|%)", "\\1\u00a0\\2", text)
    lines = textwrap.fill(no_break, width, initial_indent=" " * indent,
                          subsequent_indent=" " * (indent and indent + 2))
    return lines.replace("\u00a0", " ")


def plural(noun):
    """Returns the plural of a noun: "processes", "replies", "requests per
    second"."""
    thing, per, unit = noun.partition(" per ")
    if thing.endswith("y"):
        return f"{thing[:-1]}ies{per}{unit}"
    return f"{thing}{'es' if thing.endswith('s') else 's'}{per}{unit}"


def counted(number, noun):
    """Returns a number with its noun: "1 client", "1,000 clients"."""
    return f"{number:,.0f} {noun if number == 1 else plural(noun)}"


def listed(names):
    """Joins names as in a sentence: "a, b and c"."""
    *first, last = [*names] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def say(text, indent=0, width=TERMINAL_WIDTH):
    """Prints a paragraph, wrapped to `width` columns."""
    print(wrapped(text, width, indent))


def print_row(name, widths, cells, text):
    """Prints a row of a table: a name, and then each cell as soon as it is
    known. `widths` are those of the name and of a cell, and text(cell) returns
    what is printed. Returns the cells."""
    name_width, width = widths
    print(f"{name[:name_width]:{name_width}}", end="", flush=True)
    row = []
    for cell in cells:
        print(f"{text(cell):>{width}}", end="", flush=True)
        row.append(cell)
    print()
    return row


def rewrite(text=""):
    """Shows a line in the place of the last one, cut to the terminal's width:
    only one that does not wrap can be replaced. Returns False, and does
    nothing, unless we print on a terminal."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\033[K{text[:width]}", end="", flush=True)
    return sys.stdout.isatty()


def aligned(rows, left=None):
    """Returns one line for each row, with the cells of each column aligned: the
    first `left` columns to the left, which is all by default, and the others,
    which have numbers, to the right."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    sides = ["<" if left is None or i < left else ">"
             for i in range(len(widths))]
    return ["  " + "  ".join(f"{cell:{side}{width}}" for cell, side, width
                             in zip(row, sides, widths)).rstrip()
            for row in rows]

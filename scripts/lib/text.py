"""Numbers, lists and paragraphs as people read them."""

import codecs
import math
import re
import textwrap

TERMINAL_WIDTH = 80

# How a stream whose encoding lacks a character shows it.
SUBSTITUTES = {"µ": "u", "≥": ">=", "█": "#"}
SUBSTITUTE = "substitute"  # the name of this way to handle errors


def substituted(error):
    """What stands for characters that cannot be encoded, and where to go on:
    see codecs.register_error()."""
    lacking = error.object[error.start:error.end]
    return "".join(SUBSTITUTES.get(c, "?") for c in lacking), error.end


codecs.register_error(SUBSTITUTE, substituted)


def rounded(value, digits=3):
    """A value to some significant digits, thousands separated: 142,000."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "-"
    step = 10.0 ** (math.floor(math.log10(abs(value))) + 1 - digits)
    value = round(value / step) * step
    magnitude = math.floor(math.log10(abs(value)) + 1e-9)
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"


def duration(us, digits=3):
    """A time given in microseconds, in a fitting unit."""
    for limit, unit, scale in ((1e3, "µs", 1), (1e6, "ms", 1e3)):
        if us < limit * (1 - 0.5 / 10**digits):
            return f"{rounded(us / scale, digits)} {unit}"
    return f"{rounded(us / 1e6, digits)} s"


def with_range(spread, text=rounded):
    """A median with its range: 142,000 (139,000-151,000)."""
    if spread is None:
        return "-"
    middle, low, high = (text(value) for value in spread)
    return middle if low == high else f"{middle} ({low}-{high})"


def factor(value):
    """A ratio: 1.9x."""
    return f"{value:.1f}x" if value < 10 else f"{value:.0f}x"


def wrapped(text, width, indent=0):
    """Lines of at most this width, all but the first indented a little more
    if any is; a unit stays with its number."""
    no_break = re.sub(r"(\d) (µs\b|ms\b|s\b|%)", "\\1\u00a0\\2", text)
    lines = textwrap.fill(no_break, width, initial_indent=" " * indent,
                          subsequent_indent=" " * (indent and indent + 2))
    return lines.replace("\u00a0", " ")


def plural(noun):
    """Several of them: clients, requests per second."""
    thing, per, unit = noun.partition(" per ")
    return f"{thing}s{per}{unit}"


def counted(number, noun):
    """A number of things: 1 client, 1,000 clients."""
    return f"{number:,.0f} {noun if number == 1 else plural(noun)}"


def listed(names):
    """Names as one says them: a, b and c."""
    *first, last = [*names] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def say(text, indent=0):
    """Prints a paragraph that fits a terminal on a projector."""
    print(wrapped(text, TERMINAL_WIDTH, indent))


def aligned(rows):
    """Returns lines with the columns below each other."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  " + "  ".join(f"{cell:{width}}" for cell, width
                             in zip(row, widths)).rstrip() for row in rows]

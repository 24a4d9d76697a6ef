"""Has what `make bench-coro` and `make bench-client` share: their options, the
comparison of a figure with its goal, and the file with all values."""

import csv
import os
import pathlib

from lib import command_line
from lib.models import ROOT


def parser(doc, name):
    """Returns the parser of the options that both programs have. The default
    file for the values is results/NAME.csv; `doc` is the text of --help."""
    options = command_line.parser(doc)
    options.add_argument("--rounds", type=command_line.count, default=5,
                         metavar="N", help="how often each is measured "
                                           "(default: 5)")
    command_line.add_bin(options)
    options.add_argument("--build", type=pathlib.Path, metavar="DIR",
                         default=ROOT / "build" / "plain" / "bench",
                         help="the folder of the programs of bench/")
    options.add_argument("--csv", type=pathlib.Path, metavar="FILE",
                         default=ROOT / "results" / f"{name}.csv",
                         help=f"gets all values (default: results/{name}.csv)")
    return options


def verdict(value, most, least):
    """Returns the goal and whether the value meets it, as text. `most` and
    `least` are the goal, or None. Returns "" without a goal."""
    if most is not None:
        met, goal = value <= most, f"at most {most:,g}"
    elif least is not None:
        met, goal = value >= least, f"at least {least:,g}"
    else:
        return ""
    return f"{goal:<14} {'met' if met else 'MISSED'}"


def save(path, header, rows):
    """Writes all values to a CSV file, and prints its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(header)
        out.writerows(rows)
    print(f"\nAll values: {os.path.relpath(path)}")

#!/usr/bin/env python3
"""Draws the truth table of a torture: green as expected, red not, grey not
tried. Needs matplotlib.

    heat.py results/<time>-torture
"""

import csv
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

GREEN, RED, GREY = "#B7DFC3", "#E58A7B", "#DDDDDD"
CELL_INCHES, ROW_INCHES = 0.95, 0.6


def colour(cell):
    if not cell["victim"]:
        return GREY
    return GREEN if int(cell["as_expected"]) else RED


def text(cell):
    """What the table says, with the unit of its numbers."""
    shown = cell["shown"]
    return f"{shown} ms" if shown[-1].isdigit() else shown


def draw(rows):
    servers = list(dict.fromkeys(row["server"] for row in rows))
    attacks = list(dict.fromkeys(row["attack"] for row in rows))
    cells = {(row["server"], row["attack"]): row for row in rows}
    figure, axes = plt.subplots(
        figsize=(1.6 + CELL_INCHES * len(attacks),
                 1.8 + ROW_INCHES * len(servers)), dpi=120)
    for (server, attack), cell in cells.items():
        x, y = attacks.index(attack), servers.index(server)
        axes.add_patch(plt.Rectangle((x, y), 0.94, 0.9, color=colour(cell)))
        axes.text(x + 0.47, y + 0.45, text(cell), ha="center", va="center",
                  fontsize=9)
    axes.set_xlim(0, len(attacks))
    axes.set_ylim(len(servers), 0)
    axes.set_xticks([x + 0.47 for x in range(len(attacks))])
    axes.set_xticklabels([name.replace("_", "\n") for name in attacks],
                         fontsize=9)
    axes.set_yticks([y + 0.45 for y in range(len(servers))])
    axes.set_yticklabels(servers, fontweight="bold")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.text(0.01, 0.02, "How long a well-behaved client waits beside each "
                "attack. waits: until the attack is over; cut: its connection "
                "ends.\nGreen: as expected of the model; red: not.", fontsize=9)
    figure.subplots_adjust(left=1.4 / figure.get_figwidth(), right=0.99,
                           bottom=0.7 / figure.get_figheight(),
                           top=1 - 0.6 / figure.get_figheight())
    return figure


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    directory = pathlib.Path(sys.argv[1])
    with open(directory / "torture.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    draw(rows).savefig(directory / "torture.png")


if __name__ == "__main__":
    main()

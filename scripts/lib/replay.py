"""The replay player as a part of a page: recorded runs of several servers, side
by side, in slow motion. The records come from scripts/watch/record."""

import pathlib
from dataclasses import dataclass

RECORDS = "replay.json"  # in the folder of a run
HERE = pathlib.Path(__file__).resolve().parent

# For those who have no JavaScript, or a reader of the text.
WHAT = ("Recorded runs of the servers, side by side in slow motion: clients on "
        "the left, the kernel's queue, the server's threads on their cores.")


def has_records(directory):
    return (directory / RECORDS).exists()


@dataclass(frozen=True)
class Replay:
    """A block of a document (see document.py)."""

    def markdown(self):
        return f"{WHAT} The player is in report.html."

    def html(self, directory):
        """The player, with its style, its program and its records: a page needs
        nothing else. "</" would end the script."""
        style, program, records = (
            path.read_text("utf-8") for path in (
                HERE / "replay.css", HERE / "replay.js", directory / RECORDS))
        records = records.strip().replace("</", "<\\/")
        return (f'<style>\n{style}</style>\n<section class="replay">'
                f"<noscript><p>{WHAT} It needs JavaScript.</p></noscript>"
                f'<script type="application/json">{records}</script>\n'
                f"<script>\n{program}</script>\n</section>")

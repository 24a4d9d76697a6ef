"""The replay player, a part of a page that shows recorded runs of several
servers side by side in slow motion. scripts/watch/record makes the records."""

import pathlib
from dataclasses import dataclass

RECORDS = "replay.json"  # in the folder of a run
HERE = pathlib.Path(__file__).resolve().parent

# Shown in Markdown, and in browsers without JavaScript.
WHAT = ("Recorded runs of the servers, side by side in slow motion: clients on "
        "the left, the kernel's queue, the server's threads on their cores.")


def has_records(directory):
    """Returns True if the folder of a run has records for the player."""
    return (directory / RECORDS).exists()


@dataclass(frozen=True)
class Replay:
    """The player as a block of a document (see document.py)."""

    def markdown(self):
        return f"{WHAT} The player is in report.html."

    def html(self, directory):
        """Returns the player as HTML, with its style, its program and its
        records: the page needs no other file. In the records, "</" is escaped
        because it could end the script element."""
        style, program, records = (
            path.read_text("utf-8") for path in (
                HERE / "replay.css", HERE / "replay.js", directory / RECORDS))
        records = records.strip().replace("</", "<\\/")
        return (f'<style>\n{style}</style>\n<section class="replay">'
                f"<noscript><p>{WHAT} It needs JavaScript.</p></noscript>"
                f'<script type="application/json">{records}</script>\n'
                f"<script>\n{program}</script>\n</section>")

"""Converts a snapshot to lines of text that fit a window. Nothing here reads
/proc or writes to the terminal."""

from collections import Counter
from dataclasses import dataclass

from lib.text import counted
from watch.snapshot import BLOCKED, RUNNABLE, RUNNING

PLAIN, TITLE, BUSY, WAITS, FAINT = "plain", "title", "busy", "waits", "faint"
STYLE_OF = {RUNNING: BUSY, RUNNABLE: WAITS}
THREADS = "    TID state        for   CPU switch/s  where"
COROUTINES = " state     at most    stack  waits for"
CONNECTIONS = "                client  connection             unread B  unacked B"
KEYS = ("1-5 model  c ten clients  b fib(40)  i idle  x close  arrows scroll  "
        "q quit")
CONNECTIONS_SHARE = 1 / 3  # of the window's lines, unless some are free
THREADS_SHARE = 1 / 3  # of the rest, unless the coroutines need less


@dataclass(frozen=True)
class Line:
    """One line of a window, with its style."""

    text: str
    style: str = PLAIN


def duration(seconds):
    """Returns a time in at most 6 characters: 12 ms, 3.4 s, 12 min, 3.0 h."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    if seconds < 5970:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 360000 else ">100 h"


# ---- The parts of a window


def known(value, text):
    """Returns text(value), or "" for None: the value is not known."""
    return "" if value is None else text(value)


def row_line(row):
    since = ">" * row.at_least + known(row.since_s, duration)
    share = known(row.cpu_share, "{:.0%}".format)
    switches = known(row.switches_per_s, "{:,.0f}".format)
    return Line(f"{row.tid:>7} {row.state:<8} {since:>7} {share:>5} "
                f"{switches:>8}  {row.what or '?'}",
                STYLE_OF.get(row.state, PLAIN))


def coroutine_line(one):
    due = known(one.due_s, duration)
    return Line(f"{one.name:<26.26} {one.state:<9.9} {due:>7} "
                f"{one.stack_used:>6,} B  {one.waits_for}".rstrip(),
                BUSY if one.state == "running" and not one.waits_for else PLAIN)


def what_coroutine_does(one):
    return f"{one.state} for {one.kind}" if one.waits_for else one.state


def what_it_does(row):
    return f"blocked in {row.call or '?'}" if row.state == BLOCKED else row.state


def fold(rows, describe):
    """Returns one line for many rows: "98 more, all blocked in recv". Returns
    no line for no rows."""
    kinds = Counter(map(describe, rows)).most_common()
    said = ", ".join(f"{count:,} {kind}" for kind, count in kinds)
    if len(kinds) == 1:
        return [Line(f"         {len(rows):,} more, all {kinds[0][0]}", FAINT)]
    return [Line(f"         {len(rows):,} more: {said}", FAINT)] if rows else []


@dataclass(frozen=True)
class Table:
    """Rows below a heading. line(row) returns the line of a row, describe(row)
    what a row does, for a line that stands for many."""

    heading: str
    rows: list
    line: object
    describe: object

    @property
    def height(self):
        """The number of lines that show all rows."""
        return len(self.rows) + 1 if self.rows else 0

    def lines(self, height, offset=0):
        """Returns at most `height` lines: the rows from `offset` on, with one
        line each for all rows above and for all rows below."""
        if not self.rows or height < 2:
            return []
        rows, space = self.rows, height - 1
        start = min(offset, len(rows) - space + 1) if len(rows) > space else 0
        end = start + space - bool(start)
        if end < len(rows):
            end -= 1
        return [Line(self.heading, TITLE), *fold(rows[:start], self.describe),
                *map(self.line, rows[start:end]),
                *fold(rows[end:], self.describe)]


def connection_line(one):
    place = one.state if one.accepted else "in the accept queue"
    return Line(f"{one.client:>22}  {place:<19}  {one.unread_bytes:>9,}  "
                f"{one.unacknowledged_bytes:>9,}",
                WAITS if one.unread_bytes or not one.accepted else PLAIN)


def connection_kind(one):
    if not one.accepted:
        return "in the accept queue"
    return "with unread bytes" if one.unread_bytes else "with nothing unread"


# ---- The window


def head(snapshot):
    """Returns the lines about the server, its queue, and what is hidden."""
    share = known(snapshot.cpu_share, ", CPU {:.0%}".format)
    unread = sum(one.unread_bytes for one in snapshot.connections)
    unacknowledged = sum(one.unacknowledged_bytes
                         for one in snapshot.connections)
    accepted = sum(one.accepted for one in snapshot.connections)
    lines = [
        Line(f"{snapshot.name}  pid {snapshot.pid}  "
             f"{snapshot.address or 'no listener'}: "
             f"{counted(snapshot.processes, 'process')}, "
             f"{counted(len(snapshot.rows), 'thread')}{share}", TITLE),
        Line(f"accept queue {snapshot.accept_queue:,}; "
             f"{counted(accepted, 'connection')}, {unread:,} B unread, "
             f"{unacknowledged:,} B unacknowledged")]
    for what, why in (("system calls", snapshot.hidden),
                      ("coroutines", snapshot.coroutines_hidden)):
        if why:
            lines.append(Line(f"{what} are hidden: {why}", FAINT))
    return lines


def tables_of(snapshot):
    """Returns the tables of threads, coroutines and connections. Connections
    with something to do come first."""
    count = counted(len(snapshot.coroutines), "coroutine")
    waiting_first = sorted(snapshot.connections, key=lambda one: (
        one.unread_bytes == 0, one.accepted, one.client))
    return (Table(THREADS, snapshot.rows, row_line, what_it_does),
            Table(f"{count:<26}{COROUTINES}", snapshot.coroutines,
                  coroutine_line, what_coroutine_does),
            Table(CONNECTIONS, waiting_first, connection_line, connection_kind))


def content(snapshot, height, offset=0):
    """Returns at most `height` lines: the head and the tables. `offset` scrolls
    the threads and the coroutines."""
    threads, coroutines, connections = tables_of(snapshot)
    top = head(snapshot)
    left = max(2, height - len(top))
    lower = connections.lines(max(int(left * CONNECTIONS_SHARE),
                                  left - threads.height - coroutines.height))
    left -= len(lower)
    upper = threads.lines(max(int(left * THREADS_SHARE),
                              left - coroutines.height), offset)
    middle = coroutines.lines(left - len(upper), offset)
    return [*top, *upper, *middle, *lower][:height]


def window(snapshot, width, height, offset=0, message=""):
    """Returns the `height` lines of a window. `offset` scrolls the tables."""
    foot = [Line(message)] if message else []
    foot.append(Line(KEYS, FAINT))
    lines = content(snapshot, height - len(foot), offset)
    lines += [Line("")] * (height - len(foot) - len(lines))
    return [Line(line.text[:width], line.style) for line in (*lines, *foot)]


def text(snapshot, width, height):
    """Returns a snapshot as at most `height` lines of text, without keys."""
    return "".join(line.text[:width].rstrip() + "\n"
                   for line in content(snapshot, height))

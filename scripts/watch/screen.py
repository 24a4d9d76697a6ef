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


def since(row):
    """Returns for how long a thread has been in its state, as text."""
    if row.since_s is None:
        return ""
    return (">" if row.at_least else "") + duration(row.since_s)


def row_line(row):
    share = "" if row.cpu_share is None else f"{row.cpu_share:.0%}"
    switches = ("" if row.switches_per_s is None
                else f"{row.switches_per_s:,.0f}")
    where = row.what or "?"
    return Line(f"{row.tid:>7} {row.state:<8} {since(row):>7} {share:>5} "
                f"{switches:>8}  {where}", STYLE_OF.get(row.state, PLAIN))


def coroutine_line(one):
    due = "" if one.due_s is None else duration(one.due_s)
    return Line(f"{one.name:<26.26} {one.state:<9.9} {due:>7} "
                f"{one.stack_used:>6,} B  {one.waits_for}".rstrip(),
                BUSY if one.state == "running" and not one.waits_for else PLAIN)


def what_coroutine_does(one):
    return f"{one.state} for {one.kind}" if one.waits_for else one.state


def what_it_does(row):
    return f"blocked in {row.call or '?'}" if row.state == BLOCKED else row.state


def fold(rows, describe):
    """Returns one line for many rows: "98 more, all blocked in recv"."""
    kinds = Counter(map(describe, rows)).most_common()
    if len(kinds) == 1:
        said = f"{len(rows):,} more, all {kinds[0][0]}"
    else:
        said = f"{len(rows):,} more: " + ", ".join(
            f"{count:,} {kind}" for kind, count in kinds)
    return Line(f"         {said}", FAINT)


def lines_of(rows, height, offset, line, describe):
    """Returns at most `height` lines: the rows from `offset` on, with one line
    each for all rows above and for all rows below."""
    if len(rows) <= height:
        return [line(row) for row in rows]
    offset = max(0, min(offset, len(rows) - height + 1))
    above, height = rows[:offset], height - bool(offset)
    shown = rows[offset:offset + height]
    if offset + height < len(rows):
        shown = shown[:-1]
    below = rows[offset + len(shown):]
    lines = [line(row) for row in shown]
    if above:
        lines.insert(0, fold(above, describe))
    if below:
        lines.append(fold(below, describe))
    return lines


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
    share = ("" if snapshot.cpu_share is None else
             f", CPU {snapshot.cpu_share:.0%}")
    unread = sum(one.unread_bytes for one in snapshot.connections)
    unacknowledged = sum(one.unacknowledged_bytes
                         for one in snapshot.connections)
    accepted = sum(one.accepted for one in snapshot.connections)
    where = snapshot.address or "no listener"
    lines = [
        Line(f"{snapshot.name}  pid {snapshot.pid}  {where}: "
             f"{counted(snapshot.processes, 'process')}, "
             f"{counted(len(snapshot.rows), 'thread')}{share}", TITLE),
        Line(f"accept queue {snapshot.accept_queue:,}; "
             f"{counted(accepted, 'connection')}, {unread:,} B unread, "
             f"{unacknowledged:,} B unacknowledged")]
    if snapshot.hidden:
        lines.append(Line(f"system calls are hidden: {snapshot.hidden}", FAINT))
    if snapshot.coroutines_hidden:
        lines.append(Line(
            f"coroutines are hidden: {snapshot.coroutines_hidden}", FAINT))
    return lines


def table(heading, rows, height, offset, line, describe):
    """Returns the lines of one table, or none if it has no rows or no space."""
    if not rows or height < 2:
        return []
    return [Line(heading, TITLE), *lines_of(rows, height - 1, offset, line,
                                            describe)]


def connections_table(snapshot, height):
    """Returns the table of connections: first those with something to do."""
    waiting_first = sorted(snapshot.connections, key=lambda one: (
        one.unread_bytes == 0, one.accepted, one.client))
    return table(CONNECTIONS, waiting_first, height, 0, connection_line,
                 connection_kind)


def tables(snapshot, height, offset):
    """Returns the lines of all tables, at most `height`. `offset` scrolls the
    threads and the coroutines."""
    coroutines, rows = snapshot.coroutines, snapshot.rows
    above = len(rows) + 1 + (len(coroutines) + 1 if coroutines else 0)
    lower = connections_table(snapshot, max(
        int(height * CONNECTIONS_SHARE), height - above))
    height -= len(lower)
    upper = table(THREADS, rows, max(
        int(height * THREADS_SHARE), height - (above - len(rows) - 1)),
                  offset, row_line, what_it_does)
    count = counted(len(coroutines), "coroutine")
    middle = table(f"{count:<26}{COROUTINES}", coroutines,
                   height - len(upper), offset, coroutine_line,
                   what_coroutine_does)
    return [*upper, *middle, *lower]


def window(snapshot, width, height, offset=0, message="", keys=KEYS):
    """Returns the `height` lines of a window. `offset` scrolls the tables."""
    foot = [Line(text) for text in (message,) if text]
    if keys:
        foot.append(Line(keys, FAINT))
    top = head(snapshot)
    body = [*top, *tables(snapshot, max(2, height - len(top) - len(foot)),
                          offset)]
    body += [Line("")] * (height - len(body) - len(foot))
    return [Line(line.text[:width], line.style)
            for line in (*body[:height - len(foot)], *foot)]


def text(snapshot, width, height):
    """Returns a snapshot as at most `height` lines of text, without keys."""
    height = min(height, height_needed(snapshot))
    lines = window(snapshot, width, height, keys="")
    return "\n".join(line.text.rstrip() for line in lines).rstrip() + "\n"


def height_needed(snapshot):
    """Returns how many lines a window needs to show everything."""
    shown = (snapshot.rows, snapshot.coroutines, snapshot.connections)
    return len(head(snapshot)) + sum(len(rows) + 1 for rows in shown if rows)

"""What happened when, in a run whose client wrote down every request.

That is too much to keep: a run has hundreds of thousands. Spans are kept, as
few as a picture needs: each request by itself, or how many replies came in each
tenth of a second. They go to a file beside runs.csv, from which the pictures
can be drawn again. Another file has the spans of the runs that the server
recorded, too (see record.py).
"""

import csv
import math
from collections import Counter
from dataclasses import asdict, astuple, dataclass, fields
from typing import Optional

BIN_US = 100_000
STREAM, HOG = "stream", "hog"
NAMES = ("model", "kind")  # columns of the file that are no numbers


@dataclass(frozen=True)
class Request:
    """When it was sent and answered rightly, in µs since the measurement began;
    `done_us` is infinite if it never was."""

    kind: str
    connection: int
    sent_us: float
    done_us: float


@dataclass(frozen=True)
class Span:
    """A request from its sending to its reply; or a time, and the replies of
    all connections that came in it."""

    model: str
    round: int
    attempt: int  # 2 if others disturbed the first
    load: int
    kind: str
    connection: int  # -1: all
    begin_us: int
    end_us: int
    replies: int


@dataclass(frozen=True)
class Recorded(Span):
    """A span with the server's part, if that recorded it: when it had received
    the request, began and ended to compute, and had sent the reply; and the
    core on which the computing ended."""

    received_us: Optional[int] = None
    computing_us: Optional[int] = None
    computed_us: Optional[int] = None
    replied_us: Optional[int] = None
    core: Optional[int] = None


def read_requests(path):
    """What the client wrote, in the order of the replies. A connection without
    any may not even have sent a request: it first sends a probe request."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows, None)
        found = [Request(kind, int(connection), int(sent_ns) / 1000,
                         int(done_ns) / 1000 if outcome == "right"
                         else math.inf)
                 for connection, kind, _due, sent_ns, done_ns, outcome in rows
                 if sent_ns]
    return sorted(found, key=lambda request: request.done_us)


def answered(requests):
    return [one for one in requests if one.done_us < math.inf]


# ---- What is kept: (kind, connection, begin, end, replies) of each span


def each_request(requests, _window_us=0):
    return [(one.kind, one.connection, one.sent_us, one.done_us, 1)
            for one in answered(requests)]


def over_time(requests, window_us=0):
    """The replies in each tenth of a second, and each of the hogs' requests,
    which lasts to the end if it got no reply. A last tenth that is cut off
    would look like a fall, and is dropped; so is the time in which only hogs
    still wait for replies, and all others have stopped sending requests."""
    end_us = max([window_us, *(one.done_us for one in answered(requests))])
    hogs = [(HOG, one.connection, one.sent_us, min(one.done_us, end_us),
             int(one.done_us <= end_us))
            for one in requests if one.kind == HOG]
    small_us = [one.done_us for one in answered(requests)
                if one.kind == STREAM]
    stream = Counter(int(done_us // BIN_US) for done_us in small_us)
    last = int(max([window_us, *small_us]) // BIN_US)
    return hogs + [
        (STREAM, -1, i * BIN_US, (i + 1) * BIN_US, stream[i])
        for i in range(last)]


# ---- What follows from a trace


def set_ms(requests):
    """How long all took together, from the first sending to the last reply."""
    done_us = [one.done_us for one in answered(requests)]
    if not done_us:
        return math.nan
    return (max(done_us) - min(one.sent_us for one in requests)) / 1000


def turns(requests):
    """Which share of the replies was followed by one to another client."""
    done = answered(requests)
    pairs = list(zip(done, done[1:]))
    changes = sum(a.connection != b.connection for a, b in pairs)
    return changes / len(pairs) if pairs else math.nan


def figures(requests):
    """Columns of runs.csv; not numbers if there is no trace."""
    return {"set_ms": f"{set_ms(requests):.3f}",
            "turns": f"{turns(requests):.3f}"}


# ---- The files


def measured_path(directory, experiment):
    return directory / f"{experiment.name}.csv"


def recorded_path(directory, experiment):
    return directory / f"{experiment.name}-recorded.csv"


def as_span(kept, run, kind=Span, **more):
    """A span of a run, of what is kept of it: whole µs are enough."""
    name, connection, begin_us, end_us, replies = kept
    load = getattr(run["cell"], run["experiment"].axis)
    return kind(run["model"], run["round"], 2 if "again" in run else 1, load,
                name, connection, round(begin_us), round(end_us), replies,
                **more)


def keep(path, spans):
    """Appends spans, all of one class, to a file."""
    with open(path, "a", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        if spans and file.tell() == 0:
            rows.writerow(asdict(spans[0]))
        rows.writerows(map(astuple, spans))


def read(path, kind=Span):
    """All spans of a file; none if there is none. Raises ValueError if the file
    is not whole."""
    def value(name, text):
        return text if name in NAMES else int(text) if text else None

    if not path.exists():
        return []
    text = path.read_text("utf-8")
    names, *rows = csv.reader(text.splitlines()) if text else [[]]
    if (names != [field.name for field in fields(kind)]
            or any(len(row) != len(names) for row in rows)
            or not text.endswith("\n")):
        raise ValueError(f"{path.name} is cut off, or of another version")
    return [kind(*map(value, names, row)) for row in rows]


def shown(spans, model):
    """Those of one run of a model at its highest load, as a picture has room
    for one: of the last attempts of all rounds that of median length."""
    of = [span for span in spans if span.model == model]
    load = max((span.load for span in of), default=None)
    last, end_us = {}, {}
    for span in of:
        if span.load == load:
            last[span.round] = max(span.attempt, last.get(span.round, 0))
            run = span.round, span.attempt
            end_us[run] = max(span.end_us, end_us.get(run, 0))
    runs = sorted(last.items(), key=lambda run: (end_us[run], run))
    chosen = runs[(len(runs) - 1) // 2] if runs else None
    return [span for span in of
            if span.load == load and (span.round, span.attempt) == chosen]

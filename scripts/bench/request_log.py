"""Stores when each request was sent and answered, in a run whose client writes
down every request.

A run has hundreds of thousands of requests, too many to store. So only spans
are stored, as few as a picture needs. A span is either one request, or the
number of replies in one tenth of a second. They are stored in a file beside
runs.csv, from which the pictures can be drawn again. A second file has the
spans of the runs that the server recorded as well (see record.py).
"""

import csv
import math
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, fields
from typing import Optional

from lib.samples import append_rows

BIN_US = 100_000
STREAM, HOG = "stream", "hog"
NAMES = ("model", "kind")  # the columns that are not numbers


@dataclass(frozen=True)
class Request:
    """A request: when it was sent and when its right reply came, in µs since
    the measurement began. `done_us` is infinite if no right reply came."""

    kind: str
    connection: int
    sent_us: float
    done_us: float


@dataclass(frozen=True)
class Span:
    """Either a request, from its sending to its reply, or an interval of time
    with the number of replies on all connections."""

    model: str
    round: int
    attempt: int  # 2 if other programs disturbed the first one
    load: int
    kind: str
    connection: int  # -1: all
    begin_us: int
    end_us: int
    replies: int


@dataclass(frozen=True)
class Recorded(Span):
    """A span with the times of the server: when it had received the request,
    began and ended the computation, and had sent the reply. `core` is where the
    computation ended. A field is None if the server did not record it."""

    received_us: Optional[int] = None
    computing_us: Optional[int] = None
    computed_us: Optional[int] = None
    replied_us: Optional[int] = None
    core: Optional[int] = None


def read_requests(path):
    """Returns the requests that the client wrote down, in the order of their
    replies. A connection without any may still have been waiting for the reply
    to its probe request, which is not in the file."""
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
    """Returns the requests that got a right reply."""
    return [one for one in requests if one.done_us < math.inf]


# ---- What is stored: (kind, connection, begin, end, replies) of each span


def each_request(requests, _window_us=0):
    """Returns a span for each request with a right reply."""
    return [(one.kind, one.connection, one.sent_us, one.done_us, 1)
            for one in answered(requests)]


def over_time(requests, window_us=0):
    """Returns a span for each tenth of a second, with its replies, and one for
    each request of a hog. A request without a reply lasts to the end. Leaves
    out an incomplete tenth at the end, which would look like a fall, and the
    time in which only hogs still wait for replies."""
    end_us = max([window_us, *(one.done_us for one in answered(requests))])
    hogs = [(HOG, one.connection, one.sent_us, min(one.done_us, end_us),
             int(one.done_us <= end_us))
            for one in requests if one.kind == HOG]
    small_us = [one.done_us for one in answered(requests) if one.kind == STREAM]
    stream = Counter(int(done_us // BIN_US) for done_us in small_us)
    last = int(max([window_us, *small_us]) // BIN_US)
    return hogs + [
        (STREAM, -1, i * BIN_US, (i + 1) * BIN_US, stream[i])
        for i in range(last)]


# ---- What is computed from all requests


def figures(requests):
    """Returns the columns of runs.csv that are computed from the requests:
    `set_ms` is the time in ms from the first sending to the last reply, and
    `turns` the share of replies after which the next reply went to another
    client. They are NaN if there are too few replies."""
    done = answered(requests)
    pairs = list(zip(done, done[1:]))
    set_ms = turns = math.nan
    if done:
        begin_us = min(one.sent_us for one in requests)
        set_ms = (done[-1].done_us - begin_us) / 1000
    if pairs:
        changes = sum(a.connection != b.connection for a, b in pairs)
        turns = changes / len(pairs)
    return {"set_ms": f"{set_ms:.3f}", "turns": f"{turns:.3f}"}


# ---- The files


def measured_path(directory, experiment):
    """Returns the path of the spans of the measured runs."""
    return directory / f"{experiment.name}.csv"


def recorded_path(directory, experiment):
    """Returns the path of the spans of the runs that the server recorded."""
    return directory / f"{experiment.name}-recorded.csv"


def as_span(kept, run, kind=Span, **more):
    """Returns a span of the class `kind`. `kept` is one of the tuples that the
    experiment's `trace` has selected from a run. Times are rounded to whole
    µs."""
    name, connection, begin_us, end_us, replies = kept
    return kind(run.model, run.round, run.attempt, run.load, name, connection,
                round(begin_us), round(end_us), replies, **more)


def keep(path, spans):
    """Appends spans, which are all of one class, to a file."""
    append_rows(path, [asdict(span) for span in spans])


def read(path, kind=Span):
    """Returns all spans of a file, or an empty list if there is no such file.
    Raises ValueError if the file is incomplete or has other columns."""
    def value(name, text):
        """Converts the text of a cell. An empty text becomes None."""
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


def of_median_length(runs):
    """Returns the run whose last reply came after the median time, of two in
    the middle the shorter one. Each run is a list of spans."""
    ordered = sorted(runs, key=lambda spans: max(s.end_us for s in spans))
    return ordered[(len(ordered) - 1) // 2]


def shown(spans, model):
    """Returns the spans of the run of a model that a picture shows: at the
    highest load, the last attempt of the round of median length."""
    of = [span for span in spans if span.model == model]
    load = max((span.load for span in of), default=None)
    runs = defaultdict(list)  # the spans by round and attempt
    for span in of:
        if span.load == load:
            runs[span.round, span.attempt].append(span)
    last = {run[0]: runs[run] for run in sorted(runs)}  # attempt of each round
    return of_median_length(last.values()) if last else []

"""What happened when, in a run whose client wrote down every request.

That is too much to keep: a run has hundreds of thousands. Spans are kept, as
few as a picture needs: each request by itself, or how many replies came in each
tenth of a second. They go to a file beside runs.csv, from which the pictures
can be drawn again.
"""

import csv
import math
from collections import Counter
from dataclasses import asdict, dataclass, fields

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


def read_requests(path):
    """What the client wrote, in the order of the replies. Who got none may not
    even have asked: the client says hello first."""
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
    would look like a fall, and is dropped."""
    end_us = max([window_us, *(one.done_us for one in answered(requests))])
    hogs = [(HOG, one.connection, one.sent_us, min(one.done_us, end_us),
             int(one.done_us <= end_us))
            for one in requests if one.kind == HOG]
    stream = Counter(int(one.done_us // BIN_US) for one in answered(requests)
                     if one.kind == STREAM)
    last = int(end_us // BIN_US)
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


# ---- The file


def keep(path, run, load, kept):
    """Appends what is kept of a run's trace."""
    with open(path, "a", newline="", encoding="utf-8") as file:
        names = [field.name for field in fields(Span)]
        rows = csv.DictWriter(file, names, lineterminator="\n")
        if file.tell() == 0:
            rows.writeheader()
        for kind, connection, begin_us, end_us, replies in kept:
            rows.writerow(asdict(Span(
                run["model"], run["round"], 2 if "again" in run else 1, load,
                kind, connection, round(begin_us), round(end_us), replies)))


def read(path):
    """All spans of a file; none if there is none."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [Span(**{name: value if name in NAMES else int(value)
                        for name, value in row.items()})
                for row in csv.DictReader(file)]


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

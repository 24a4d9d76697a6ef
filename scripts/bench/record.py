"""Records the runs that the pictures of single requests show.

They are made after the measured ones, because recording takes time: the client
writes down every request (--timeline), and the server what it did with it
(--trace). What is kept of both has when and on which core each request was
computed.
"""

import contextlib
import gc
import json
import math
import pathlib
import tempfile
from dataclasses import replace

from bench import request_log
from bench.design import deciding_cell
from bench.request_log import Recorded, Request
from bench.run import (
    client_command, measured_s, placed, server_command, two_cores, warmup_s)
from lib import trace_events
from lib.models import ALL_MODELS
from lib.processes import RunFailed, ask, held_back, serving
from lib.text import say

ATTEMPTS = 3  # of which that of median length is kept
LENGTH = 2  # of a measured run: what follows the large requests is shown, too


def runs_to_record(experiment, options):
    """A run of each of our models. Other servers do not record."""
    longer = replace(experiment, seconds=LENGTH * experiment.seconds)
    return [{"experiment": longer, "cell": deciding_cell(experiment),
             "model": model, "round": 0}
            for model in experiment.models(options.models)
            if model.split()[0] in ALL_MODELS]


class Files:
    """What client and server write in one run."""

    def __init__(self, folder):
        self.row = folder / "row.csv"
        self.trace = folder / "client.json"
        self.server = folder / "server.json"


def make(run, options, log):
    """Makes a run. Returns the traces of client and server."""
    placement, (server_core, client_core) = placed(run["experiment"], options,
                                                   two_cores())
    with tempfile.TemporaryDirectory() as folder:
        files = Files(pathlib.Path(folder))
        with serving([*server_command(run, options), "--trace", files.server],
                     run["model"], server_core, log) as server:
            ask(client_command(run, options, server, files, placement),
                client_core, log)
            server.stop()
        try:
            client, recorded = [json.loads(path.read_text("utf-8"))
                                for path in (files.trace, files.server)]
        except (OSError, ValueError) as problem:
            raise RunFailed(f"a trace cannot be read: {problem}") from None
    if recorded["otherData"]["dropped_events"]:
        raise RunFailed("its trace was full")
    return client, recorded


# ---- What is kept


def measured_requests(run, client, server):
    """Returns pairs of a request as the client saw it and what the server
    recorded of it, None if nothing, and when the measurement began, in µs of
    their clock, up to a few ms. Probe requests, and those of the warm-up, are
    left out."""
    cell = run["cell"]
    own = f"fib({cell.n})"
    pairs = [(event, of) for event, of in trace_events.joined(server, client)
             if cell.hogs or event["name"] == own]
    if not pairs:
        raise RunFailed("the client left no trace")
    begin_us = min(event["ts"] for event, _ in pairs) + 1e6 * warmup_s(run)
    return [(as_request(event, own, begin_us), of) for event, of in pairs
            if event["ts"] >= begin_us], begin_us


def as_request(event, own, begin_us):
    sent_us = event["ts"] - begin_us
    right = event["args"]["outcome"] == "right"
    return Request(
        request_log.STREAM if event["name"] == own else request_log.HOG,
        event["tid"] - 1, sent_us,
        sent_us + event["dur"] if right else math.inf)


def at_server(request, begin_us):
    """What is kept of the server's part: columns of Recorded."""
    def since(time_us):
        return (None if time_us == trace_events.OPEN_END_US
                else round(time_us - begin_us))

    return {"received_us": since(request.received_us),
            "computing_us": since(request.begin_us),
            "computed_us": since(request.end_us),
            "replied_us": since(request.sent_us), "core": request.cpu}


def spans_of(run, options, client, server):
    """Returns what is kept of a run."""
    pairs, begin_us = measured_requests(run, client, server)
    requests = sorted((request for request, _ in pairs),
                      key=lambda request: request.done_us)
    known = {(request.connection, request.sent_us): at_server(of, begin_us)
             for request, of in pairs if of}
    return [request_log.as_span(kept, run, Recorded, **known.get(kept[1:3], {}))
            for kept in run["experiment"].trace(
                requests, 1e6 * measured_s(run, options))]


def median_attempt(run, options, log):
    """Makes a run up to ATTEMPTS times; once where the log of a run is long.
    Returns the spans of the one whose length is the median."""
    number = min(ATTEMPTS, run["experiment"].traced_rounds)
    made = [spans_of(run, options, *make(run, options, log))
            for _ in range(number)]
    made.sort(key=lambda spans: max(span.end_us for span in spans))
    return made[(len(made) - 1) // 2]


@contextlib.contextmanager
def collector_off():
    """Turns off the search for cycles, of which a trace has none: it would look
    at hundreds of thousands of events again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def record(experiments, options, directory):
    """Records all runs, and keeps them in a file for each experiment. Returns a
    sentence for each that failed: its picture will show less."""
    problems = []
    with held_back(), collector_off(), open(
            directory / "log.txt", "ab") as log:
        for experiment in filter(lambda one: one.trace, experiments):
            spans = []
            for run in runs_to_record(experiment, options):
                try:
                    spans += median_attempt(run, options, log)
                except RunFailed as failure:
                    problems.append(f"{experiment.name}, {run['model']}, was "
                                    f"not recorded: {failure}.")
                    say(f"bench: {problems[-1]}")
            if spans:
                write(request_log.recorded_path(directory, experiment), spans)
    return problems


def write(path, spans):
    """Into a file of another name first: what is there is complete."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    request_log.keep(unfinished, spans)
    unfinished.replace(path)

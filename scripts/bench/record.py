"""Records the runs whose single requests the pictures show.

These runs are made after the measured ones, because recording takes time. The
client writes down every request (--timeline), and the server what it does with
each (--trace). The files that are stored combine both: when the client sent
each request, and when and on which core the server computed it.
"""

import gc
import json
import math
import tempfile
from dataclasses import replace
from functools import partial

from bench import request_log
from bench.design import PlannedRun, deciding_cell
from bench.order import note
from bench.request_log import HOG, STREAM, Recorded, Request
from bench.run import Files, measured_s, serve_and_ask, warmup_s
from lib import trace_events
from lib.models import ALL_MODELS
from lib.processes import RunFailed, held_back

ATTEMPTS = 3  # of each run; the one of median length is kept
LENGTH = 2  # times that of a measured run, to show what follows the hogs


def runs_to_record(experiment, options):
    """Returns one run for each of our models, which alone can record."""
    longer = replace(experiment, seconds=LENGTH * experiment.seconds)
    return [PlannedRun(longer, deciding_cell(experiment), model, round=0)
            for model in experiment.models(options.models)
            if model.split()[0] in ALL_MODELS]


def make(run, options, log):
    """Makes a run. Returns both sides' traces, or raises RunFailed."""
    with tempfile.TemporaryDirectory() as folder:
        files = Files(folder, "trace.json")
        serve_and_ask(run, options, files, log,
                      more=("--trace", files.server))
        try:
            client, recorded = [json.loads(path.read_text("utf-8"))
                                for path in (files.trace, files.server)]
        except (OSError, ValueError) as problem:
            raise RunFailed(f"a trace cannot be read: {problem}") from None
    if recorded["otherData"]["dropped_events"]:
        raise RunFailed("its trace was full")
    return client, recorded


# ---- What is stored


def at_server(request, begin_us):
    """Returns a request of the server's trace as columns of Recorded."""
    at = partial(trace_events.since, begin_us)
    return {"received_us": at(request.received_us),
            "computing_us": at(request.begin_us),
            "computed_us": at(request.end_us),
            "replied_us": at(request.sent_us), "core": request.cpu}


def measured_requests(run, client):
    """Returns the requests of the client's trace in the order of their replies,
    and the time when the measurement began, in µs on the clock of the traces,
    exact to a few ms. Probe requests and requests of the warm-up are left out.
    Raises RunFailed if there are no requests."""
    requests = []
    own = f"fib({run.cell.n})"  # the name of the events of small requests
    events = [event for event in client["traceEvents"]
              if trace_events.is_request(event)
              and (run.cell.hogs or event["name"] == own)]
    if not events:
        raise RunFailed("the client left no trace")
    begin_us = min(event["ts"] for event in events) + 1e6 * warmup_s(run)
    for event in events:
        if event["ts"] >= begin_us:
            kind = STREAM if event["name"] == own else HOG
            sent_us = event["ts"] - begin_us
            right = event["args"]["outcome"] == "right"
            requests.append(Request(
                kind, event["tid"] - 1, sent_us,
                sent_us + event["dur"] if right else math.inf))
    return sorted(requests, key=lambda request: request.done_us), begin_us


def recorded(kept, client, server, begin_us):
    """Returns what the server recorded about the requests on the connections of
    `kept`, as columns of Recorded, by connection and time of sending. Looks at
    no others: there may be a hundred thousand."""
    numbers = {connection for _, connection, *_ in kept}
    events = [event for event in client["traceEvents"]
              if trace_events.is_request(event) and event["tid"] - 1 in numbers]
    return {(event["tid"] - 1, event["ts"] - begin_us): at_server(of, begin_us)
            for event, of in trace_events.joined(
                server, {"traceEvents": events}) if of}


def median_attempt(run, options, log):
    """Makes a run ATTEMPTS times, or fewer times if the experiment's
    `traced_rounds` is lower. Returns the spans of the attempt whose length is
    the median. Raises RunFailed."""
    experiment, made = run.experiment, []
    for _ in range(min(ATTEMPTS, experiment.traced_rounds)):
        client, server = make(run, options, log)
        requests, begin_us = measured_requests(run, client)
        kept = experiment.trace(requests, 1e6 * measured_s(run, options))
        known = recorded(kept, client, server, begin_us)
        made.append([request_log.as_span(
            one, run, Recorded, **known.get(one[1:3], {})) for one in kept])
    return request_log.of_median_length(made)


def record(experiments, options, directory):
    """Records all runs, and stores their spans in a file for each experiment.
    Returns a sentence for each run that failed."""
    problems = []
    # A trace has no reference cycles. The search for them would examine its
    # hundreds of thousands of events again and again.
    gc.disable()
    with held_back(), open(directory / "log.txt", "ab") as log:
        for experiment in filter(lambda one: one.trace, experiments):
            spans = []
            for run in runs_to_record(experiment, options):
                try:
                    spans += median_attempt(run, options, log)
                except RunFailed as failure:
                    note(problems, f"{experiment.name}, {run.model}, was "
                         f"not recorded: {failure}.")
            if spans:
                write(request_log.recorded_path(directory, experiment), spans)
    return problems


def write(path, spans):
    """Writes spans to a file. Writes to another name first and renames it, so
    that the file is never incomplete."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    request_log.keep(unfinished, spans)
    unfinished.replace(path)
